"""The pages of companies, people and deals with their notes, and of a single note."""

from starlette.responses import Response

from jobs.sandbox.attio.query import plain
from jobs.sandbox.attio.schema import OBJECTS
from jobs.sandbox.attio.workspace import Entry, Note, Workspace
from jobs.sandbox.serving.html import Block, Page, missing, render
from jobs.sandbox.world.calendar import STUDIO_ZONE

_SHOWN_APART = ("record_id", "created_at", "created_by", "name", "description", "stage")


def record_page(workspace: Workspace | None, kind: str, record_id: str, asked_note: str) -> Response:
    """The HTML page of a record; `asked_note` marks one of its notes."""
    entry = workspace.by_page(kind, record_id) if workspace else None
    if workspace is None or entry is None:
        return missing("Attio", "record")
    notes = [note for note in workspace.notes.values() if note.parent_id == entry.id]
    stage = entry.current("stage")
    known = any(note.id == asked_note for note in notes)
    return render(
        Page(
            vendor="Attio",
            title=title_of(entry),
            chips=tuple(str(plain(value.body)) for value in stage),
            facts=_facts(workspace, entry),
            text=str(entry.first("description", "value") or ""),
            links=_links(workspace, entry),
            blocks_title="Notes" if notes else "",
            blocks=tuple(_block(workspace, note, asked_note) for note in notes),
            asked=f"note-{asked_note}" if known else "",
        )
    )


def note_page(workspace: Workspace | None, note_id: str) -> Response:
    """The HTML page of one note."""
    note = workspace.notes.get(note_id) if workspace else None
    if workspace is None or note is None:
        return missing("Attio", "note")
    parent = workspace.records[note.parent_object].get(note.parent_id)
    return render(
        Page(
            vendor="Attio",
            title=note.title,
            links=((title_of(parent), workspace.web_url(parent)),) if parent else (),
            blocks=(_block(workspace, note, ""),),
        )
    )


def title_of(entry: Entry) -> str:
    """The name of a record."""
    key = "full_name" if entry.object == "people" else "value"
    return str(entry.first("name", key) or "Unnamed")


def _facts(workspace: Workspace, entry: Entry) -> tuple[tuple[str, str], ...]:
    rows: list[tuple[str, str]] = []
    for attribute in OBJECTS[entry.object]:
        if attribute.slug in _SHOWN_APART or attribute.type == "record-reference":
            continue
        shown: list[str] = []
        for value in entry.current(attribute.slug):
            body = value.body
            if attribute.type == "currency":
                shown.append(f"{body['currency_value']:,.2f} {body['currency_code']}")
            elif attribute.type == "actor-reference":
                member = workspace.members.get(body["referenced_actor_id"])
                shown.append(f"{member.first} {member.last}" if member else "")
            else:
                shown.append(str(plain(body) or ""))
        rows.append((attribute.title, ", ".join(shown)))
    return tuple(rows)


def _links(workspace: Workspace, entry: Entry) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    for attribute in OBJECTS[entry.object]:
        if attribute.type != "record-reference":
            continue
        for value in workspace.values_of(entry, attribute.slug):
            if value.until is None:
                target = workspace.records[value.body["target_object"]].get(value.body["target_record_id"])
                if target is not None:
                    found.append((f"{attribute.title}: {title_of(target)}", workspace.web_url(target)))
    return tuple(found)


def _block(workspace: Workspace, note: Note, asked: str) -> Block:
    member = workspace.members.get(str(note.actor["id"]))
    author = f"{member.first} {member.last}" if member else "Attio"
    when = note.created_at.astimezone(STUDIO_ZONE).strftime("%a %d %b %Y, %H:%M")
    tone = "asked" if note.id == asked else ""
    return Block(f"note-{note.id}", f"{note.title}: {author}, {when}", note.text, tone)
