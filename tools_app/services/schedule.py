"""The schedule as people see it: what runs how often, when its next turn comes, how its last runs went."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session

from jobs import enqueue
from jobs.enqueue import CadenceState
from models.infra.database import reading
from models.infra.scope import Scope
from models.queries.runs_overview import EndedRun, last_ends

SHOWN_RUNS = 20
# In the order of the day: fetch, mend, compare, mirror, say who is who and what is up, make findable.
_JOBS = (
    "sync",
    "refetch",
    "retry",
    "reconcile",
    "repair",
    "mirror",
    "identity",
    "signals",
    "agreements",
    "index",
)
# The turns of housekeeping are many, short and nobody's news.
_HIDDEN = {"recover"}


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """One job. `every_s` is None for one that only runs when it is asked for, `next_run_at` while it is switched off.

    `runs` are its last SHOWN_RUNS inside the scope that ended, oldest first.
    """

    job: str
    every_s: int | None
    is_enabled: bool
    last_run_at: dt.datetime | None
    next_run_at: dt.datetime | None
    runs: tuple[EndedRun, ...] = ()


def list_schedule(scope: Scope) -> tuple[ScheduleRow, ...]:
    """Every job with its turn and its last runs inside the scope; Redis is not asked."""
    with reading() as session:
        return schedule_rows(session, scope, enqueue.list_cadences(session))


def schedule_rows(
    session: Session, scope: Scope, cadences: Sequence[CadenceState]
) -> tuple[ScheduleRow, ...]:
    """Every job with its turn and its last runs, in the order they follow each other."""
    turns = {each.name: each for each in cadences if each.name not in _HIDDEN}
    jobs = [*_JOBS, *sorted(turns.keys() - set(_JOBS))]
    ends = last_ends(session, scope, jobs, each=SHOWN_RUNS)
    return tuple(_row(job, turns.get(job), ends.get(job, ())) for job in jobs)


def _row(job: str, turn: CadenceState | None, runs: tuple[EndedRun, ...]) -> ScheduleRow:
    return ScheduleRow(
        job=job,
        every_s=turn.cadence_s if turn else None,
        is_enabled=turn.enabled if turn else True,
        last_run_at=runs[-1].started_at if runs else None,
        next_run_at=turn.next_run_at if turn and turn.enabled else None,
        runs=runs,
    )
