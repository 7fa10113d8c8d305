"""Reads the authored YAML of a studio into frozen records, checking every reference on the way.

What is missing is complained about with file, record and field; a folder without a file simply has
none of its records (a small look-alike world needs no ticks, for example).
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from jobs.sandbox.world.authored import (
    Agreement,
    Company,
    Conversation,
    Hotline,
    Identity,
    Message,
    Person,
    Presence,
    ProjectInfo,
    ProjectWorld,
    StaffMember,
    Storyline,
    StudioWorld,
)
from jobs.sandbox.world.calendar import Lang, Notional, parse_day, parse_moment, parse_offset
from jobs.sandbox.world.reading import Fields, WorldError, read_yaml
from jobs.sandbox.world.records import read_deals, read_issues, read_notes
from jobs.sandbox.world.tick_events import read_ticks

WORLD_FOLDER = Path(__file__).parent
TWIN_FOLDER = WORLD_FOLDER / "twin"

_STATUSES = ("open", "resolved", "pending", "snoozed")
_PRIORITIES = ("low", "medium", "high", "urgent")
_ENDINGS = {"mail": "mail", "site": "site", "telegram": "telegram"}


def load_studio(folder: Path = WORLD_FOLDER) -> StudioWorld:
    """The studio described by `folder/studio.yaml` with all its project folders. Raises WorldError."""
    head = Fields(f"{folder.name}/studio.yaml", read_yaml(folder / "studio.yaml"))
    staff = {
        item.text("key"): StaffMember(
            key=item.text("key"),
            first=item.text("first"),
            last=item.text("last"),
            email=item.text("email"),
            title=item.text("title"),
            admin=item.flag("admin"),
        )
        for item in head.records("staff")
    }
    hotline = None
    if head.raw.get("hotline") is not None:
        shared = Fields(f"{head.source}: hotline", head.mapping("hotline"))
        hotline = Hotline(shared.text("name"), shared.text("by_label"), shared.text("by_domain"))
    infos = [_project_info(item) for item in head.records("projects")]
    return StudioWorld(
        name=head.text("name"),
        slug=head.text("slug"),
        staff=staff,
        hotline=hotline,
        projects={info.slug: load_project(folder / info.slug, info, staff) for info in infos},
    )


def load_project(folder: Path, info: ProjectInfo, staff: dict[str, StaffMember]) -> ProjectWorld:
    """One project's folder. Raises WorldError."""
    companies, people = _read_people(folder)
    authors = {**staff, **people}
    conversations: dict[str, Conversation] = {}
    for path in sorted(folder.glob("conversations-*.yaml")):
        for item in _records(path):
            found = read_conversation(item, info, people, authors, ticking=False)
            if found.key in conversations:
                raise item.fail("key", "is used twice")
            conversations[found.key] = found
    workstreams, issues = read_issues(folder, staff, authors)
    deals = read_deals(folder, companies, people, staff)
    notes = read_notes(folder, deals, companies, people, staff)
    project = ProjectWorld(
        info=info,
        folder=folder,
        companies=companies,
        people=people,
        conversations=conversations,
        workstreams=workstreams,
        issues=issues,
        deals=deals,
        notes=notes,
        agreements=(),
        storylines=(),
        ticks=(),
    )
    agreements, storylines = _read_truth(folder, project)
    ticks = read_ticks(
        folder / "ticks.yaml",
        project,
        lambda item: read_conversation(item, info, people, authors, ticking=True),
        authors,
    )
    return replace(project, agreements=agreements, storylines=storylines, ticks=ticks)


def read_conversation(
    item: Fields, info: ProjectInfo, people: dict[str, Person], authors: dict[str, Any], *, ticking: bool
) -> Conversation:
    """One conversation; with `ticking` it has no time of its own (it will happen at a tick)."""
    at = Notional(0) if ticking else item.parsed("at", parse_moment)
    messages: list[Message] = []
    for number, raw in enumerate(item.items("messages"), 1):
        where = f"message {number}"
        row = cast("list[Any]", raw) if isinstance(raw, list) else []
        if not 3 <= len(row) <= 4 or not isinstance(row[2], str):
            raise item.fail(where, "expected [author, offset, text] or [author, offset, text, {attach: …}]")
        private = str(row[0]).startswith("!")
        author = str(row[0]).removeprefix("!")
        if author not in authors:
            raise item.fail(where, f"{author!r} is neither a person nor one of the staff")
        try:
            at = Notional(at + (1 if ticking else parse_offset(str(row[1]))))
        except ValueError as error:
            raise item.fail(where, str(error)) from error
        extra = cast("dict[str, Any]", row[3]) if len(row) == 4 and isinstance(row[3], dict) else {}
        attached = extra.get("attach")
        messages.append(Message(author, at, row[2].strip(), private, str(attached) if attached else None))
    if not messages:
        raise item.fail("messages", "is empty")
    inboxes = dict(info.inboxes)
    return Conversation(
        key=item.text("key"),
        lang=cast("Lang", item.one_of("lang", ("en", "ru"), info.lang)),
        inbox=item.one_of("inbox", tuple(inboxes)),
        contact=item.known("contact", people, "person"),
        assignee=None
        if item.raw.get("assignee") is None
        else item.known("assignee", authors, "staff member"),
        subject=item.optional("subject"),
        labels=item.texts("labels"),
        status=item.one_of("status", _STATUSES, "open"),
        priority=None if item.raw.get("priority") is None else item.one_of("priority", _PRIORITIES),
        messages=tuple(messages),
    )


def _project_info(item: Fields) -> ProjectInfo:
    client = item.text("client")
    own = item.mapping("inboxes") or {key: f"{client} {ending}" for key, ending in _ENDINGS.items()}
    return ProjectInfo(
        slug=item.text("slug"),
        client=client,
        lang=cast("Lang", item.one_of("lang", ("en", "ru"))),
        team=item.optional("team"),
        color=item.text("color"),
        inboxes=tuple((key, str(name)) for key, name in own.items()),
    )


def _records(path: Path) -> list[Fields]:
    document: Any = read_yaml(path) or []
    if not isinstance(document, list):
        raise WorldError(f"{path.parent.name}/{path.name}: expected a list of records")
    rows = cast("list[Any]", document)
    return [Fields(f"{path.parent.name}/{path.name}", row) for row in rows]


def _read_people(folder: Path) -> tuple[dict[str, Company], dict[str, Person]]:
    path = folder / "people.yaml"
    if not path.exists():
        return {}, {}
    head = Fields(f"{folder.name}/people.yaml", read_yaml(path) or {})
    companies: dict[str, Company] = {}
    for item in head.records("companies"):
        name = item.text("name")
        companies[item.text("key")] = Company(
            key=item.text("key"),
            name=name,
            cw_name=item.text("cw_name", name),
            domains=item.texts("domains"),
            description=item.text("description", ""),
            city=item.text("city", ""),
            country=item.text("country", ""),
            categories=item.texts("categories"),
        )
    people: dict[str, Person] = {}
    for item in head.records("people"):
        key = item.text("key")
        if key in people:
            raise item.fail("key", "is used twice")
        present = frozenset(cast("tuple[Presence, ...]", item.texts("in")))
        if not present or not present <= {"cw", "attio"}:
            raise item.fail("in", "expected some of cw, attio")
        company = None if item.raw.get("company") is None else item.known("company", companies, "company")
        people[key] = Person(
            key=key,
            company=company,
            job=item.text("job", ""),
            present=present,
            cw=_identity(item, "cw"),
            attio=_identity(item, "attio"),
        )
    return companies, people


def _identity(item: Fields, vendor: str) -> Identity:
    # A vendor's override may set a field to null: the vendor then knows no such field.
    spelled = {**item.raw, **item.mapping(vendor)}

    def text(field: str) -> str | None:
        value = spelled.get(field)
        return None if value is None else str(value)

    first, last = text("first") or "", text("last") or ""
    # `name` is only meaningful as an override: people are authored by first and last name.
    name = item.mapping(vendor).get("name")
    return Identity(
        first=first,
        last=last,
        name=str(name) if name else f"{first} {last}".strip(),
        email=text("email"),
        phone=text("phone"),
    )


def _read_truth(folder: Path, project: ProjectWorld) -> tuple[tuple[Agreement, ...], tuple[Storyline, ...]]:
    path = folder / "truth.yaml"
    if not path.exists():
        return (), ()
    head = Fields(f"{folder.name}/truth.yaml", read_yaml(path) or {})
    agreements: list[Agreement] = []
    for item in head.records("agreements"):
        conversation, _, number = item.text("message").rpartition("/")
        known = project.conversations.get(conversation)
        if known is None or not number.isdigit() or not 1 <= int(number) <= len(known.messages):
            raise item.fail("message", f"{item.text('message')!r} is no message of this project")
        agreements.append(
            Agreement(
                key=item.text("key"),
                who=item.text("who"),
                to=item.text("to", ""),
                what=item.text("what"),
                lang=cast("Lang", item.one_of("lang", ("en", "ru"), project.info.lang)),
                due=item.optionally_parsed("due", parse_day),
                message=item.text("message"),
                status=item.one_of("status", ("kept", "broken", "open")),
            )
        )
    storylines = tuple(
        Storyline(item.text("key"), item.text("text"), item.texts("records"))
        for item in head.records("storylines")
    )
    return tuple(agreements), storylines
