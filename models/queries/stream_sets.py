"""Record sets of the streams: the live rows of the local copy, one set a stream, narrowed by connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import Numeric, String, cast, literal, null, select
from sqlmodel import col

from models.infra.scope import Scope
from models.queries.moment import Moment
from models.queries.record_sets import Column, RecordSet, Rows, live
from models.tables.attio import Company, Deal, Note, Person, Task
from models.tables.base import VendorRecord
from models.tables.chatwoot import Contact, Conversation, Inbox, Message
from models.tables.linear import Comment, Issue, LinearCycle, LinearProject, LinearState

# connector → stream → (what a list calls its records, table). Order is the order of display.
STREAMS: Mapping[str, Mapping[str, tuple[str, type[VendorRecord]]]] = {
    "chatwoot": {
        "inboxes": ("inbox", Inbox),
        "contacts": ("contact", Contact),
        "conversations": ("conversation", Conversation),
        "messages": ("message", Message),
    },
    "linear": {
        "projects": ("linear_project", LinearProject),
        "states": ("state", LinearState),
        "cycles": ("cycle", LinearCycle),
        "issues": ("issue", Issue),
        "comments": ("comment", Comment),
    },
    "attio": {
        "companies": ("company", Company),
        "people": ("person", Person),
        "deals": ("deal", Deal),
        "notes": ("note", Note),
        "tasks": ("task", Task),
    },
}


def set_code(connector: str, stream: str) -> str:
    """The name of a stream's record set."""
    return f"stream_{connector}_{stream}"


def _occurred_at(model: type[VendorRecord]) -> Column:
    return col(Message.sent_at) if model is Message else col(model.source_created_at)


def _select_stream(source_type: str, model: type[VendorRecord]) -> Callable[[Scope, Moment], Rows]:
    def rows(scope: Scope, _moment: Moment) -> Rows:
        return select(
            literal(source_type, String).label("source_type"),
            col(model.id).label("record_id"),
            col(model.project_id).label("project_id"),
            _occurred_at(model).label("occurred_at"),
            cast(null(), Numeric).label("value"),
            cast(null(), String).label("bucket"),
            cast(col(model.connection_id), String).label("series"),
        ).where(live(model, scope))

    return rows


STREAM_SETS: Mapping[str, RecordSet] = {
    set_code(connector, stream): RecordSet(
        set_code(connector, stream), _select_stream(source_type, model), {"connection": "series"}
    )
    for connector, streams in STREAMS.items()
    for stream, (source_type, model) in streams.items()
}
