"""Pages of a list by its last row instead of an offset: as fast on the last page as on the first.

A cursor names the sort it belongs to, the sort value of the last row and its id. It carries no scope: every page is
filtered by the caller's scope again, so a cursor of another list or scope shows nothing more.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Row, and_, or_
from sqlmodel import Session

from models.infra.errors import InvalidInput

Kind = Literal["time", "date", "text", "number"]


@dataclass(frozen=True, slots=True)
class SortKey:
    """An order of a list: its column or expression, which must never be null, and the type of its values."""

    column: Any
    kind: Kind
    descending: bool = False


def sort_keys(ascending: Mapping[str, tuple[Any, Kind]]) -> dict[str, SortKey]:
    """The whitelist of a list's orders: each name for ascending, `-name` for descending."""
    found: dict[str, SortKey] = {}
    for name, (column, kind) in ascending.items():
        found[name] = SortKey(column, kind)
        found[f"-{name}"] = SortKey(column, kind, descending=True)
    return found


def keyset_page(
    session: Session,
    statement: Any,
    sorts: Mapping[str, SortKey],
    sort: str,
    row_id: Any,
    *,
    cursor: str | None,
    limit: int,
) -> tuple[Sequence[Row[Any]], str | None]:
    """At most `limit` rows of the statement in the named order, and the cursor of those after them (None: no more).

    Each row carries `sort_value` and `sort_id` beside its own columns. Raises InvalidInput for an unknown sort and for
    a cursor that is not of this list and order.
    """
    key = sorts.get(sort)
    if key is None:
        raise InvalidInput("The list cannot be sorted like that.", code="invalid_sort", allowed=sorted(sorts))
    if cursor is not None:
        value, last_id = read_cursor(cursor, sort, key.kind)
        beyond = key.column < value if key.descending else key.column > value
        after_id = row_id < last_id if key.descending else row_id > last_id
        statement = statement.where(or_(beyond, and_(key.column == value, after_id)))
    order = (key.column.desc(), row_id.desc()) if key.descending else (key.column.asc(), row_id.asc())
    statement = statement.add_columns(key.column.label("sort_value"), row_id.label("sort_id"))
    rows = session.execute(statement.order_by(*order).limit(limit + 1)).all()
    shown = rows[:limit]
    more = len(rows) > limit
    return shown, write_cursor(sort, shown[-1].sort_value, shown[-1].sort_id) if more else None


def write_cursor(sort: str, value: Any, row_id: UUID) -> str:
    """The cursor of what comes after the row with this sort value and id."""
    text = value.isoformat() if isinstance(value, dt.datetime | dt.date) else str(value)
    return base64.urlsafe_b64encode(json.dumps([sort, text, str(row_id)]).encode()).decode().rstrip("=")


def read_cursor(cursor: str, sort: str, kind: Kind) -> tuple[Any, UUID]:
    """The sort value and id of a cursor. Raises InvalidInput for one that is not of this order."""
    try:
        named, text, row_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if named != sort or not isinstance(text, str) or "\0" in text:
            raise ValueError("another list's cursor")
        return _value(text, kind), UUID(row_id)
    except (binascii.Error, ValueError, TypeError, AttributeError, InvalidOperation) as fault:
        raise InvalidInput("The cursor is not one of this list.", code="invalid_cursor") from fault


def _value(text: str, kind: Kind) -> Any:
    if kind == "time":
        instant = dt.datetime.fromisoformat(text)
        if instant.tzinfo is None:
            raise ValueError("an instant without a zone")
        return instant
    if kind == "date":
        return dt.date.fromisoformat(text)
    if kind == "number":
        number = Decimal(text)
        if not number.is_finite():
            raise ValueError("not a number")
        return number
    text.encode()  # a lone surrogate is no text
    return text
