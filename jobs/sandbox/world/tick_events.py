"""Reads `ticks.yaml`: what happens in a project each time the clock is moved."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from jobs.sandbox.world.authored import Conversation, ProjectWorld, StaffMember, TickEvent
from jobs.sandbox.world.calendar import Notional
from jobs.sandbox.world.reading import Fields, WorldError, read_yaml
from jobs.sandbox.world.records import DEAL_STAGES, ISSUE_STATES, read_note

ReadConversation = Callable[[Fields], Conversation]


def read_ticks(
    path: Path, project: ProjectWorld, conversation: ReadConversation, authors: dict[str, Any]
) -> tuple[TickEvent, ...]:
    """The events of a file in their order, none when the file is absent. Raises WorldError."""
    if not path.exists():
        return ()
    document: Any = read_yaml(path) or []
    if not isinstance(document, list):
        raise WorldError(f"{path.parent.name}/{path.name}: expected a list of events")
    rows = cast("list[Any]", document)
    where = f"{path.parent.name}/{path.name}"
    return tuple(
        read_event(Fields(f"{where}: event {n}", row), project, conversation, authors)
        for n, row in enumerate(rows, 1)
    )


def read_event(
    item: Fields, project: ProjectWorld, conversation: ReadConversation, authors: dict[str, Any]
) -> TickEvent:
    """One event of any kind. Raises WorldError on an unknown kind or a dangling reference."""
    kind = item.text("kind")
    match kind:
        case "conversation":
            return TickEvent(kind, conversation=conversation(item))
        case "message":
            return TickEvent(
                kind,
                target=item.known("conversation", project.conversations, "conversation"),
                author=item.known("by", authors, "author"),
                text=item.text("text"),
            )
        case "edit_message" | "delete_message":
            return TickEvent(kind, target=_message(item, project), text=item.text("text", ""))
        case "issue_state":
            comment = item.items("comment")
            return TickEvent(
                kind,
                target=item.known("issue", project.issues, "issue"),
                value=item.one_of("state", ISSUE_STATES),
                author=str(comment[0]) if comment else "",
                text=str(comment[-1]) if comment else "",
            )
        case "comment":
            return TickEvent(
                kind,
                target=item.known("issue", project.issues, "issue"),
                author=item.known("by", authors, "author"),
                text=item.text("text"),
            )
        case "deal_stage":
            return TickEvent(
                kind,
                target=item.known("deal", project.deals, "deal"),
                value=item.one_of("stage", DEAL_STAGES),
            )
        case "note":
            parents: dict[str, dict[str, Any]] = {
                "deal": project.deals,
                "company": project.companies,
                "person": project.people,
            }
            staff = {key: who for key, who in authors.items() if isinstance(who, StaffMember)}
            return TickEvent(kind, note=read_note(item, parents, staff, lambda _: Notional(0)))
        case "merge_contacts":
            return TickEvent(
                kind,
                target=item.known("base", project.people, "person"),
                other=item.known("mergee", project.people, "person"),
            )
        case "merge_companies":
            return TickEvent(
                kind,
                target=item.known("primary", project.companies, "company"),
                other=item.known("secondary", project.companies, "company"),
            )
        case "delete_issue":
            return TickEvent(kind, target=item.known("issue", project.issues, "issue"))
        case _:
            raise item.fail("kind", f"{kind!r} is no known kind of event")


def _message(item: Fields, project: ProjectWorld) -> str:
    reference = item.text("message")
    key, _, number = reference.rpartition("/")
    known = project.conversations.get(key)
    if known is None or not number.isdigit() or not 1 <= int(number) <= len(known.messages):
        raise item.fail("message", f"{reference!r} is no message of this project")
    return reference
