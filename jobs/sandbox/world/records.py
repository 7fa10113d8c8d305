"""Reads the authored issues, deals and notes of a project (see `loader` for people and conversations)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from jobs.sandbox.world.authored import (
    Comment,
    Company,
    Deal,
    Issue,
    Note,
    ParentKind,
    Person,
    StaffMember,
    Workstream,
)
from jobs.sandbox.world.calendar import Notional, parse_day, parse_moment
from jobs.sandbox.world.reading import Fields, read_yaml

ISSUE_STATES = ("Triage", "Backlog", "Todo", "In Progress", "In Review", "Done", "Canceled")
DEAL_STAGES = ("Lead", "Qualified", "Proposal", "In Progress", "Won 🎉", "Lost")
_WORKSTREAM_STATUSES = ("backlog", "planned", "started", "paused", "completed", "canceled")
_HEALTH = ("onTrack", "atRisk", "offTrack")


def _friday(text: str) -> Notional:
    # A target week without a weekday means the end of its work week.
    return parse_day(text, "fri")


def read_issues(
    folder: Path, staff: dict[str, StaffMember], authors: dict[str, Any]
) -> tuple[dict[str, Workstream], dict[str, Issue]]:
    """Workstreams and issues by key, empty when the project has no issues file. Raises WorldError."""
    path = folder / "issues.yaml"
    if not path.exists():
        return {}, {}
    head = Fields(f"{folder.name}/issues.yaml", read_yaml(path) or {})
    workstreams = {
        item.text("key"): Workstream(
            key=item.text("key"),
            name=item.text("name"),
            description=item.text("description", ""),
            status=item.one_of("status", _WORKSTREAM_STATUSES, "started"),
            health=None if item.raw.get("health") is None else item.one_of("health", _HEALTH),
            start=item.optionally_parsed("start", parse_day),
            target=item.optionally_parsed("target", _friday),
            lead=None if item.raw.get("lead") is None else item.known("lead", staff, "staff member"),
        )
        for item in head.records("projects")
    }
    issues: dict[str, Issue] = {}
    for item in head.records("issues"):
        issue = _read_issue(item, workstreams, staff, authors)
        if issue.key in issues:
            raise item.fail("key", "is used twice")
        issues[issue.key] = issue
    for issue in issues.values():
        for blocker in issue.blocked_by:
            if blocker not in issues:
                raise head.fail("blocked_by", f"{blocker!r}, named by {issue.key}, is no known issue")
    return workstreams, issues


def _read_issue(
    item: Fields, workstreams: dict[str, Workstream], staff: dict[str, StaffMember], authors: dict[str, Any]
) -> Issue:
    comments: list[Comment] = []
    for number, raw in enumerate(item.items("comments"), 1):
        where = f"comment {number}"
        row = cast("list[Any]", raw) if isinstance(raw, list) else []
        if len(row) != 3:
            raise item.fail(where, "expected [author, time, text]")
        if row[0] not in authors:
            raise item.fail(where, f"{row[0]!r} is neither a person nor one of the staff")
        try:
            comments.append(Comment(str(row[0]), parse_moment(str(row[1])), str(row[2]).strip()))
        except ValueError as error:
            raise item.fail(where, str(error)) from error
    estimate = item.number("estimate")
    return Issue(
        key=item.text("key"),
        title=item.text("title"),
        description=item.text("description", "").strip(),
        state=item.one_of("state", ISSUE_STATES),
        priority=int(item.number("priority") or 0),
        labels=item.texts("labels"),
        assignee=_optional_key(item, "assignee", staff, "staff member"),
        creator=_optional_key(item, "creator", authors, "person"),
        workstream=_optional_key(item, "project", workstreams, "Linear project"),
        created=item.parsed("created", parse_moment),
        updated=item.parsed("updated", parse_moment),
        completed=item.optionally_parsed("completed", parse_moment),
        due=item.optionally_parsed("due", _friday),
        estimate=None if estimate is None else int(estimate),
        blocked_by=item.texts("blocked_by"),
        archived=item.flag("archived"),
        comments=tuple(comments),
    )


def read_deals(
    folder: Path, companies: dict[str, Company], people: dict[str, Person], staff: dict[str, StaffMember]
) -> dict[str, Deal]:
    """Deals by key, empty when the project has none. Raises WorldError."""
    path = folder / "deals.yaml"
    if not path.exists():
        return {}
    deals: dict[str, Deal] = {}
    for item in Fields(f"{folder.name}/deals.yaml", read_yaml(path) or {}).records("deals"):
        for key in item.texts("people"):
            if key not in people or "attio" not in people[key].present:
                raise item.fail("people", f"{key!r} is no person known to Attio")
        deal = Deal(
            key=item.text("key"),
            name=item.text("name"),
            company=item.known("company", companies, "company"),
            people=item.texts("people"),
            owner=item.known("owner", staff, "staff member"),
            value=item.number("value"),
            currency=item.text("currency", "EUR"),
            created=item.parsed("created", parse_moment),
            history=_history(item),
            next_step=item.optional("next_step"),
            close=item.optionally_parsed("close", _friday),
        )
        if deal.key in deals:
            raise item.fail("key", "is used twice")
        deals[deal.key] = deal
    return deals


def _history(item: Fields) -> tuple[tuple[str, Notional], ...]:
    stages: list[tuple[str, Notional]] = []
    for raw in item.items("history"):
        stage, at = cast("list[str]", raw)
        if stage not in DEAL_STAGES:
            raise item.fail("history", f"{stage!r} is none of {', '.join(DEAL_STAGES)}")
        try:
            stages.append((stage, parse_moment(at)))
        except ValueError as error:
            raise item.fail("history", str(error)) from error
    if not stages or stages[-1][0] != item.text("stage"):
        raise item.fail("history", "must end in the deal's current stage")
    return tuple(stages)


def read_notes(
    folder: Path,
    deals: dict[str, Deal],
    companies: dict[str, Company],
    people: dict[str, Person],
    staff: dict[str, StaffMember],
) -> dict[str, Note]:
    """Notes by key, empty when the project has none. Raises WorldError."""
    path = folder / "deals.yaml"
    if not path.exists():
        return {}
    notes: dict[str, Note] = {}
    parents: dict[str, dict[str, Any]] = {"deal": deals, "company": companies, "person": people}
    for item in Fields(f"{folder.name}/deals.yaml", read_yaml(path) or {}).records("notes"):
        note = read_note(item, parents, staff, lambda found: found.parsed("at", parse_moment))
        if note.key in notes:
            raise item.fail("key", "is used twice")
        notes[note.key] = note
    return notes


def read_note(
    item: Fields,
    parents: dict[str, dict[str, Any]],
    staff: dict[str, StaffMember],
    when: Callable[[Fields], Notional],
) -> Note:
    """One note; `when` tells its time. Raises WorldError when its parent is unknown."""
    kind, _, parent = item.text("parent").partition(":")
    if parent not in parents.get(kind, {}):
        raise item.fail("parent", f"{item.text('parent')!r} is no known record")
    return Note(
        key=item.text("key", f"note-{item.text('title', 'untitled')}"),
        parent_kind=cast("ParentKind", kind),
        parent=parent,
        title=item.text("title"),
        author=item.known("by", staff, "staff member"),
        at=when(item),
        text=item.text("text").strip(),
    )


def _optional_key(item: Fields, field: str, among: dict[str, Any], kind: str) -> str | None:
    return None if item.raw.get(field) is None else item.known(field, among, kind)
