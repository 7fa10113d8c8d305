"""Figures of record sets: counts, sums and medians, grouped by project, bucket or series, computed in SQL."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Subquery, func, select
from sqlmodel import Session

from models.infra.errors import InvalidInput
from models.infra.ids import ProjectId
from models.infra.scope import Scope
from models.queries.moment import Moment
from models.queries.record_sets import AGE_BANDS, SETS, RecordSet
from models.queries.stream_sets import STREAM_SETS


def _is_week(text: str) -> bool:
    try:
        # The form is compared too: other ISO 8601 forms of the day would match no record.
        day = dt.date.fromisoformat(text)
        return day.isoformat() == text and day.weekday() == 0
    except ValueError:
        return False


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


# What a dimension's value may look like. A value of another form would quietly name no record at all.
_FORMS: Mapping[str, tuple[Callable[[str], bool], str]] = {
    "week": (_is_week, "the Monday of a week, YYYY-MM-DD"),
    "direction": (("incoming", "outgoing").__contains__, "incoming or outgoing"),
    "age": (tuple(code for code, _ in AGE_BANDS).__contains__, ", ".join(code for code, _ in AGE_BANDS)),
    "reason": (("overdue", "blocked").__contains__, "overdue or blocked"),
    "currency": (lambda text: re.fullmatch("[A-Z]{3}", text) is not None, "an ISO 4217 code"),
    "connection": (_is_id, "the id of a connection"),
    # Stages are the studio's own words; only what cannot be part of a word is refused.
    "stage": (lambda text: re.search(r"[\x00-\x1f\x7f]", text) is None, "text without control characters"),
}

GroupBy = Literal["project_id", "bucket", "series"]


@dataclass(frozen=True, slots=True)
class GroupFigure:
    """The figure of one group. `value` is None when nothing in the group has one; `records` is how many rows."""

    value: float | None
    records: int
    project_id: ProjectId | None = None
    bucket: str | None = None
    series: str | None = None


def record_set(code: str) -> RecordSet:
    """The set of that name. Raises InvalidInput when there is none."""
    found = SETS.get(code) or STREAM_SETS.get(code)
    if found is None:
        raise InvalidInput("There is no such record set.", code="unknown_record_set", set=code)
    return found


def narrowed(
    chosen: RecordSet, scope: Scope, moment: Moment, where: Mapping[str, str]
) -> tuple[Subquery, list[ColumnElement[bool]]]:
    """The set as a subquery and its conditions for named dimensions.

    Raises InvalidInput for a name that the set does not have and for a value that the dimension cannot have.
    """
    rows = chosen.select(scope, moment).subquery()
    conditions: list[ColumnElement[bool]] = []
    for name, wanted in where.items():
        if name not in chosen.dimensions:
            raise InvalidInput("This record set has no such dimension.", set=chosen.code, dimension=name)
        fits, form = _FORMS[name]
        if not fits(wanted):
            raise InvalidInput(f"{name} is {form}.", dimension=name)
        conditions.append(rows.c[chosen.dimensions[name]] == wanted)
    return rows, conditions


def _aggregate(chosen: RecordSet, value: ColumnElement[Any]) -> ColumnElement[Any]:
    if chosen.aggregate == "count":
        return func.count()
    if chosen.aggregate == "sum":
        return func.sum(value)
    return func.percentile_cont(0.5).within_group(value)


def figures(
    session: Session,
    scope: Scope,
    moment: Moment,
    code: str,
    by: Sequence[GroupBy] = (),
    where: Mapping[str, str] | None = None,
) -> list[GroupFigure]:
    """The figure of a set for every group that has records, ordered by group; without `by` exactly one figure.

    Counts of an empty set are 0; its sum and median are None: nothing was measured.
    """
    chosen = record_set(code)
    rows, conditions = narrowed(chosen, scope, moment, where or {})
    groups = [rows.c[name] for name in by]
    statement = (
        select(_aggregate(chosen, rows.c.value).label("figure"), func.count().label("records"), *groups)
        .select_from(rows)
        .where(*conditions)
        .group_by(*groups)
        .order_by(*groups)
    )
    found: list[GroupFigure] = []
    for row in session.execute(statement).mappings():
        value = row["figure"]
        found.append(
            GroupFigure(
                None if value is None else float(value),
                int(row["records"]),
                row.get("project_id"),
                row.get("bucket"),
                row.get("series"),
            )
        )
    return found


def figure(
    session: Session, scope: Scope, moment: Moment, code: str, where: Mapping[str, str] | None = None
) -> GroupFigure:
    """The figure of a whole set, or of the part that `where` names."""
    return figures(session, scope, moment, code, (), where)[0]
