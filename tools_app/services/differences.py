"""The ids in which the copy differs from the vendors, as the newest comparisons found them: a page of them, or all as CSV.

Only ids of the caller's projects.
"""

import base64
import binascii
import bisect
import csv
import datetime as dt
import io
import json
from dataclasses import dataclass

from models.infra.database import reading
from models.infra.errors import InvalidInput
from models.infra.scope import Scope
from models.queries import completeness as queries
from models.queries.completeness import Difference as Kind
from models.queries.records import STREAM_TABLES

# What names a difference, in the order of the list.
_Place = tuple[str, str, str, str, str]

_COLUMNS = ("connector", "connection_id", "stream", "difference", "vendor_id", "project_id", "measured_at")
# What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True, slots=True)
class Difference:
    """One vendor id: `missing` here, `extra` here, or `stale` (here with other contents), as of `measured_at`."""

    connector: str
    connection_id: str
    stream: str
    difference: Kind
    vendor_id: str
    project_id: str
    measured_at: dt.datetime


@dataclass(frozen=True, slots=True)
class DifferencePage:
    """Differences by connector, stream, kind and id."""

    items: tuple[Difference, ...]
    next_cursor: str | None


def list_differences(
    scope: Scope,
    *,
    connector: str | None = None,
    stream: str | None = None,
    kind: Kind | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> DifferencePage:
    """A page of the differences, of one connector, stream or kind if given.

    A comparison in between leaves out what it no longer finds and shows nothing twice. Raises InvalidInput for a
    stream that does not exist and for a cursor that is not of this list.
    """
    found = _differences(scope, connector, stream, kind)
    start = 0 if cursor is None else bisect.bisect_right(found, _read_cursor(cursor), key=_place)
    shown = tuple(found[start : start + limit])
    return DifferencePage(shown, _write_cursor(shown[-1]) if start + limit < len(found) else None)


def differences_csv(
    scope: Scope, *, connector: str | None = None, stream: str | None = None, kind: Kind | None = None
) -> str:
    """All of them as CSV with a header line. Raises InvalidInput for a stream that does not exist."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for each in _differences(scope, connector, stream, kind):
        writer.writerow(
            [
                plain_cell(cell)
                for cell in (
                    each.connector,
                    each.connection_id,
                    each.stream,
                    each.difference,
                    each.vendor_id,
                    each.project_id,
                    each.measured_at.isoformat(),
                )
            ]
        )
    return text.getvalue()


def plain_cell(value: str) -> str:
    """The value as a spreadsheet shows it without computing: an apostrophe before what would begin a formula."""
    return f"'{value}" if value.startswith(_FORMULA) else value


def _differences(
    scope: Scope, connector: str | None, stream: str | None, kind: Kind | None
) -> list[Difference]:
    known = {name for name, _ in STREAM_TABLES if connector in (None, name)}
    if stream is not None and not any((name, stream) in STREAM_TABLES for name in known):
        raise InvalidInput("There is no such stream.", code="unknown_stream", stream=stream)
    with reading() as session:
        found = queries.list_differences(session, scope, connector, stream)
    items = [
        Difference(
            each.connector,
            str(each.connection_id),
            each.stream,
            each.kind,
            each.vendor_id,
            str(each.project_id),
            each.measured_at,
        )
        for each in found
        if kind in (None, each.kind)
    ]
    return sorted(items, key=_place)


def _place(each: Difference) -> _Place:
    return each.connector, each.stream, each.difference, each.vendor_id, each.connection_id


def _write_cursor(last: Difference) -> str:
    return base64.urlsafe_b64encode(json.dumps(_place(last)).encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> _Place:
    try:
        read = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        connector, stream, kind, vendor_id, connection_id = map(_text, read)
    except (binascii.Error, ValueError, TypeError) as fault:
        raise InvalidInput("The cursor is not one of this list.", code="invalid_cursor") from fault
    return connector, stream, kind, vendor_id, connection_id


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value
