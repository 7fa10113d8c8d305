"""How questions went: how many found no answer, how long they took, what people voted; by week and mode, in a scope."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import text
from sqlmodel import Session

from models.infra.scope import Scope
from models.queries.moment import Moment


@dataclass(frozen=True, slots=True)
class Asked:
    """Counts of a group of questions. `week` is its Monday; None: all weeks. `mode` None: all modes.

    The latencies are of the computed answers, in milliseconds, None when all came from the cache.
    """

    week: dt.date | None
    mode: str | None
    questions: int
    unanswered: int
    cached: int
    p50_ms: float | None
    p95_ms: float | None
    up: int
    down: int


@dataclass(frozen=True, slots=True)
class WeekOfVotes:
    """The votes that were given in a week (its Monday)."""

    week: dt.date
    up: int
    down: int


_INSIDE = "r.account_scope_id = :scope_id AND r.project_ids <@ to_jsonb(CAST(:project_ids AS text[]))"
_ASKED = text(f"""
WITH asked AS (
    SELECT CAST(date_trunc('week', timezone(:zone, r.created_at)) AS date) AS week, r.mode, r.answerable, r.cached,
           r.took_ms, f.rating
    FROM lightrag_query_runs r LEFT JOIN lightrag_feedback f ON f.query_run_id = r.id
    WHERE {_INSIDE} AND r.created_at >= :since
)
SELECT week, mode, count(*) AS questions, count(*) FILTER (WHERE NOT answerable) AS unanswered,
       count(*) FILTER (WHERE cached) AS cached,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY took_ms) FILTER (WHERE NOT cached) AS p50_ms,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY took_ms) FILTER (WHERE NOT cached) AS p95_ms,
       count(*) FILTER (WHERE rating = 'up') AS up, count(*) FILTER (WHERE rating = 'down') AS down
FROM asked GROUP BY GROUPING SETS ((week, mode), (week), (mode), ())
ORDER BY week NULLS LAST, mode NULLS LAST
""")  # noqa: S608 - the condition is a constant of this module
_VOTES = text(f"""
SELECT CAST(date_trunc('week', timezone(:zone, f.created_at)) AS date) AS week,
       count(*) FILTER (WHERE f.rating = 'up') AS up, count(*) FILTER (WHERE f.rating = 'down') AS down
FROM lightrag_feedback f JOIN lightrag_query_runs r ON r.id = f.query_run_id
WHERE {_INSIDE} AND f.account_scope_id = :scope_id AND f.created_at >= :since
GROUP BY 1
""")  # noqa: S608 - the condition is a constant of this module


def analyse_questions(session: Session, scope: Scope, moment: Moment, *, weeks: int) -> list[Asked]:
    """Groups by week and mode, by week, by mode, and the whole (week and mode None; it is there with no question too)."""
    rows = session.execute(_ASKED, _values(scope, moment, weeks))
    return [Asked(**row) for row in rows.mappings()]


def weekly_votes(session: Session, scope: Scope, moment: Moment, *, weeks: int) -> list[WeekOfVotes]:
    """The votes of the last weeks, oldest first, the current week last; weeks without a vote are there with zeros."""
    rows = {row.week: row for row in session.execute(_VOTES, _values(scope, moment, weeks))}
    return [
        WeekOfVotes(week, rows[week].up, rows[week].down) if week in rows else WeekOfVotes(week, 0, 0)
        for week in moment.weeks(weeks)
    ]


def _values(scope: Scope, moment: Moment, weeks: int) -> dict[str, object]:
    return {
        "zone": moment.zone,
        "scope_id": scope.account_scope_id,
        "project_ids": [str(each) for each in scope.project_ids],
        "since": moment.start_of(moment.weeks(weeks)[0]),
    }
