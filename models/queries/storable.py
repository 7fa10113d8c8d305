"""What Postgres stores of what a vendor sends: text it can hold, and of a batch the rows that it takes.

A value may be too long, too large or of another type than its column although it looked well to whoever read it. One such
row must not keep the others out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

T = TypeVar("T")
Row = Mapping[str, Any]

# SQLSTATEs that speak of the row: data exception, program limit exceeded; no value where one must be, a failed check,
# a value of another type.
_CLASSES = ("22", "54")
_STATES = frozenset({"23502", "23514", "42804"})


def clean(value: Any) -> Any:
    """Return JSON-like data without what Postgres cannot store: NUL characters and lone surrogates."""
    if isinstance(value, str):
        if "\x00" in value:
            value = value.replace("\x00", "")
        return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, Mapping):
        return {clean(key): clean(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, (list, tuple)):
        return [clean(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def write_what_fits(
    session: Session, rows: Sequence[Row], write: Callable[[Sequence[Row]], T]
) -> tuple[list[T], dict[str, str]]:
    """Call ``write`` with the rows; what the database refuses is looked for by halves and left out.

    Returns what ``write`` returned of each part it went well with, and why each other row was refused, by ``vendor_id``.
    Errors that are not the rows' own (a lost connection, a broken reference) are raised.
    """
    try:
        with session.begin_nested():
            return [write(rows)], {}
    except (DBAPIError, psycopg.Error) as error:
        why = _refusal(error)
        if why is None:
            raise
    if len(rows) == 1:
        return [], {rows[0]["vendor_id"]: why}
    middle = len(rows) // 2
    written, refused = write_what_fits(session, rows[:middle], write)
    more, refused_too = write_what_fits(session, rows[middle:], write)
    return written + more, refused | refused_too


def _refusal(error: Exception) -> str | None:
    """Return why the database refuses a row, without the row itself; None for an error that is not the row's own."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, psycopg.Error):
        return None
    state = cause.sqlstate
    if state is None:
        # The driver itself has no way to write such a value.
        own = isinstance(cause, (psycopg.DataError, psycopg.ProgrammingError))
        return str(cause).partition("\n")[0] if own else None
    if not state.startswith(_CLASSES) and state not in _STATES:
        return None
    column = f" ({cause.diag.column_name})" if cause.diag.column_name else ""
    return f"{cause.diag.message_primary or state}{column}"
