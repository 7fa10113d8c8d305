"""The records of a set, one page at a time, newest first, with what a list shows of each."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select
from sqlmodel import Session

from models.infra.errors import InvalidInput
from models.infra.scope import Scope
from models.queries.moment import Moment
from models.queries.record_facts import RecordFacts, read_facts
from models.queries.record_figures import narrowed, record_set

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class ListedRecord:
    """One record of a set; `value` is its own contribution to a sum or median (None in a count)."""

    facts: RecordFacts
    occurred_at: dt.datetime | None
    value: Decimal | None


@dataclass(frozen=True, slots=True)
class RecordPage:
    """At most `limit` records and the cursor of the next page (None: this was the last)."""

    items: tuple[ListedRecord, ...]
    next_cursor: str | None


def page(
    session: Session,
    scope: Scope,
    moment: Moment,
    code: str,
    *,
    where: Mapping[str, str],
    cursor: str | None,
    limit: int,
) -> RecordPage:
    """A page of a set. Raises InvalidInput for an unknown set, dimension or a cursor that is not ours."""
    chosen = record_set(code)
    rows, conditions = narrowed(chosen, scope, moment, where)
    if cursor is not None:
        conditions.append(_after(rows.c.occurred_at, rows.c.record_id, *_read_cursor(cursor)))
    statement = (
        select(rows)
        .where(*conditions)
        .order_by(rows.c.occurred_at.desc().nulls_last(), rows.c.record_id.desc())
        .limit(limit + 1)
    )
    found = list(session.execute(statement).mappings())
    shown = found[:limit]
    facts = read_facts(session, scope, [(row["source_type"], row["record_id"]) for row in shown])
    items = tuple(
        ListedRecord(facts[row["record_id"]], _aware(row["occurred_at"]), row["value"])
        for row in shown
        if row["record_id"] in facts
    )
    more = len(found) > limit
    return RecordPage(
        items, _write_cursor(shown[-1]["occurred_at"], shown[-1]["record_id"]) if more else None
    )


def _aware(instant: dt.datetime | None) -> dt.datetime | None:
    return instant.astimezone(dt.UTC) if instant is not None else None


def _after(
    occurred_at: ColumnElement[Any], record_id: ColumnElement[Any], last_at: dt.datetime | None, last_id: UUID
) -> ColumnElement[bool]:
    """What comes after a row in the order of the list, rows without an instant last."""
    if last_at is None:
        return and_(occurred_at.is_(None), record_id < last_id)
    return or_(
        occurred_at < last_at, and_(occurred_at == last_at, record_id < last_id), occurred_at.is_(None)
    )


def _write_cursor(occurred_at: dt.datetime | None, record_id: UUID) -> str:
    at = None if occurred_at is None else (occurred_at - _EPOCH) // dt.timedelta(microseconds=1)
    return base64.urlsafe_b64encode(json.dumps([at, str(record_id)]).encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[dt.datetime | None, UUID]:
    try:
        parts: Sequence[Any] = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        at, record_id = parts
        instant = None if at is None else _EPOCH + dt.timedelta(microseconds=int(at))
        return instant, UUID(record_id)
    except (binascii.Error, ValueError, TypeError, OverflowError, AttributeError) as fault:
        raise InvalidInput("The cursor is not one of ours.", code="invalid_cursor") from fault
