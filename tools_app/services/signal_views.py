"""How signals and next best actions are shown: their texts in the reader's language, their evidence with vendor links.

A text is made of a code, stored parameters and what the evidence says of its record now. Evidence that is gone, or that
the reader may not see, shows nothing of the record: no title, no quote, no link.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import Field
from sqlmodel import Session

from models.infra.scope import Scope
from models.queries import signal_lists as queries
from models.queries.signal_lists import ShownRecord
from models.tables.agreements import Agreement
from models.tables.signals import (
    ActionCode,
    ActionStatus,
    NextBestAction,
    Signal,
    SignalKind,
    SignalStatus,
)
from tools_app.i18n import formats
from tools_app.i18n.catalogue import text
from tools_app.services.crm_views import View
from tools_app.services.moments import scope_and_moment

# A message is told by who wrote it, work and deals by their name.
_BY_AUTHOR = frozenset({"message"})


class SignalEvidence(View):
    """A record that shows a signal. `is_gone`: deleted, or outside what the reader may see; then it says nothing else."""

    source_type: str
    source_id: UUID
    title: str = ""
    quote: str = Field(default="", description="Words of the record, as they stand there.")
    author: str = ""
    created_at: dt.datetime | None = None
    url: str = Field(default="", description="Opens the record at the vendor.")
    is_gone: bool = False


class SignalView(View):
    """A detected event. `severity` is 1..5, `confidence` 0..1; `text` is made of `kind` and `params`."""

    id: UUID
    project_id: UUID
    kind: SignalKind
    severity: int
    confidence: float
    status: SignalStatus
    text: str
    params: dict[str, Any]
    evidence: tuple[SignalEvidence, ...]
    occurred_at: dt.datetime
    created_at: dt.datetime
    decided_by: str | None
    decided_at: dt.datetime | None


class ActionView(View):
    """What a signal suggests to do by `due_on`; `text` is made of `action` and `params`, the evidence is the signal's."""

    id: UUID
    project_id: UUID
    signal_id: UUID
    signal_kind: SignalKind
    severity: int
    action: ActionCode
    status: ActionStatus
    text: str
    params: dict[str, Any]
    due_on: dt.date
    evidence: tuple[SignalEvidence, ...]
    created_at: dt.datetime
    decided_by: str | None
    decided_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads: in which language, in the zone of the account scope, and what records they may see."""

    locale: str
    zone: ZoneInfo
    records: Mapping[UUID, ShownRecord]


def reader_of(db: Session, scope: Scope, locale: str, shown: Sequence[Signal | Agreement]) -> Reader:
    """The reader of these rows, with all their evidence read at once. Raises NotFound for a scope that is gone."""
    _, moment = scope_and_moment(db, scope)
    wanted: dict[str, list[UUID]] = {}
    for row in shown:
        for each in row.evidence:
            wanted.setdefault(each["type"], []).append(UUID(each["id"]))
    return Reader(locale, ZoneInfo(moment.zone), queries.read_records(db, scope, wanted))


def signal_view(signal: Signal, reader: Reader) -> SignalView:
    """A signal as its reader sees it."""
    evidence = evidence_of(signal, reader)
    params = {**signal.params, "subject": _subject(evidence, reader)}
    values = signal.model_dump(
        include=set(SignalView.model_fields) - {"text", "params", "evidence"}, warnings=False
    )
    return SignalView(
        **values,
        text=text(reader.locale, f"signal.text.{signal.kind}", **_formatted(params, reader)),
        params=params,
        evidence=evidence,
    )


def action_view(action: NextBestAction, signal: Signal, reader: Reader) -> ActionView:
    """An action as its reader sees it."""
    evidence = evidence_of(signal, reader)
    params = {**action.params, "subject": _subject(evidence, reader)}
    values = action.model_dump(
        include=set(ActionView.model_fields) - {"text", "params", "evidence", "signal_kind", "severity"},
        warnings=False,
    )
    return ActionView(
        **values,
        signal_kind=signal.kind,  # pyright: ignore[reportArgumentType]  the table's check allows nothing else
        severity=signal.severity,
        text=text(reader.locale, f"nba.action.{action.action}", **_formatted(params, reader)),
        params=params,
        evidence=evidence,
    )


def evidence_of(row: Signal | Agreement, reader: Reader) -> tuple[SignalEvidence, ...]:
    """The evidence of a row as far as its reader may see it."""
    return tuple(_shown(each, reader.records.get(UUID(each["id"]))) for each in row.evidence)


def _shown(stored: Mapping[str, Any], record: ShownRecord | None) -> SignalEvidence:
    source_type, source_id = str(stored["type"]), UUID(stored["id"])
    if record is None:
        return SignalEvidence(source_type=source_type, source_id=source_id, is_gone=True)
    return SignalEvidence(
        source_type=source_type,
        source_id=source_id,
        title=record.title,
        quote=stored["quote"],
        author=record.author,
        created_at=record.at,
        url=record.url,
    )


def _subject(evidence: Sequence[SignalEvidence], reader: Reader) -> str:
    """What a text is about: the author of a message, the name of anything else."""
    first = evidence[0]
    if first.is_gone:
        return text(reader.locale, "signal.gone")
    return (first.author if first.source_type in _BY_AUTHOR else "") or first.title


def _formatted(params: Mapping[str, Any], reader: Reader) -> dict[str, str]:
    """Parameters as words: days and instants in the reader's language and the scope's zone."""
    shown = {name: str(value) for name, value in params.items()}
    for name in ("due_on", "since"):
        if name in shown:
            shown[name] = formats.full_day(reader.locale, _day(shown[name], reader.zone))
    return shown


def _day(stored: str, zone: ZoneInfo) -> dt.date:
    if len(stored) == len("2026-01-01"):
        return dt.date.fromisoformat(stored)
    return dt.datetime.fromisoformat(stored).astimezone(zone).date()
