"""Reads stored rows as the records they were made of, as far as routing needs it: facts, and what they follow.

A row keeps the vendor's payload, so the connectors' own normalisers say what a rule may look at; the vendor is not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session

from jobs.connectors.attio import normalize as attio
from jobs.connectors.attio.schema import from_json
from jobs.connectors.base import Record
from jobs.connectors.chatwoot import normalize as chatwoot
from jobs.connectors.errors import UNREADABLE
from jobs.connectors.linear import normalize as linear
from models.infra.logging import get_logger
from models.queries import rehoming
from models.queries.records import STREAM_TABLES
from models.queries.rehoming import StoredRow
from models.queries.sync_state import ConnectionRow

# Streams whose records have a place of their own, leaders before those that follow them.
ROUTED: Mapping[str, tuple[str, ...]] = {
    "chatwoot": ("inboxes", "conversations", "contacts"),
    "linear": ("projects", "states", "cycles", "issues"),
    "attio": ("companies", "people", "deals", "notes", "tasks"),
}
_ROWS_AT_ONCE = 500

log = get_logger(__name__)

_Reader = Callable[[StoredRow], Record]


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored row with the record that it holds."""

    row: StoredRow
    record: Record


def read_stored(session: Session, connection: ConnectionRow, stream: str) -> Iterator[list[Stored]]:
    """Yield the rows of a routed stream in batches. One that its normaliser cannot read (any more) is left out."""
    table = STREAM_TABLES[connection.connector, stream].table
    reader = _reader(session, connection, stream)
    for batch in rehoming.read_rows(session, table, connection.id, _ROWS_AT_ONCE):
        found: list[Stored] = []
        for row in batch:
            try:
                found.append(Stored(row, reader(row)))
            except UNREADABLE as error:
                log.warning(
                    "stored record unreadable", stream=stream, vendor_id=row.vendor_id, error=str(error)
                )
        yield found


def _reader(session: Session, connection: ConnectionRow, stream: str) -> _Reader:
    readers = {"chatwoot": _chatwoot, "linear": _linear, "attio": _attio}
    return readers[connection.connector](session, connection)[stream]


def _chatwoot(session: Session, connection: ConnectionRow) -> Mapping[str, _Reader]:
    names = rehoming.read_column(session, "cw_inboxes", "name", connection.id)
    return {
        "inboxes": lambda row: chatwoot.inbox(dict(row.payload)),
        "conversations": lambda row: chatwoot.conversation(
            dict(row.payload), account_url="", inbox_names=names
        ),
        "contacts": lambda row: chatwoot.contact(dict(row.payload), account_url=""),
    }


def _linear(_session: Session, _connection: ConnectionRow) -> Mapping[str, _Reader]:
    return {
        "projects": lambda row: linear.project(dict(row.payload)),
        "states": lambda row: linear.state(dict(row.payload)),
        "cycles": lambda row: linear.cycle(dict(row.payload)),
        "issues": lambda row: linear.issue(dict(row.payload)),
    }


def _attio(session: Session, connection: ConnectionRow) -> Mapping[str, _Reader]:
    schema = from_json(connection.schema)
    linked = rehoming.read_column(session, "attio_tasks", "linked_object", connection.id)

    def unusable(stream: str) -> frozenset[str]:
        return frozenset() if schema is None else schema.unusable(stream)

    def company(row: StoredRow) -> Record:
        item: dict[str, Any] = {key: value for key, value in row.payload.items() if key != "lists"}
        return attio.company(
            item, lists=frozenset(row.payload.get("lists") or ()), unusable=unusable("companies")
        )

    return {
        "companies": company,
        "people": lambda row: attio.person(dict(row.payload), unusable=unusable("people")),
        "deals": lambda row: attio.deal(dict(row.payload), members={}, unusable=unusable("deals")),
        "notes": lambda row: attio.note(dict(row.payload), members={}, app_url=None),
        "tasks": lambda row: attio.task(
            dict(row.payload), members={}, objects=lambda _: linked.get(row.vendor_id)
        ),
    }
