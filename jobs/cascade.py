"""Which job follows which: one declared table, read after every run that came to an end.

A stage that comes to exist is one line of `AFTER` (and a job of its own in `jobs.tasks`, `jobs.runs` and `jobs.queues`).
A follow-up that is queued or running already is joined, so that a cascade never piles up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from jobs import enqueue, outbox
from models.infra.database import reading
from models.infra.ids import AccountScopeId, ConnectionId
from models.queries import job_runs

_WRITTEN = ("written",)
_DIFFERENCES = ("missing", "extra", "stale")


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A job to ask for when one of the counts `on` of the job before it is not 0, or after every end of it (`always`).

    `connector` limits it to that connector's jobs. One that is `unattended` does not follow what a person asked for:
    the person looks at the result and decides.
    """

    job: str
    on: tuple[str, ...] = _WRITTEN
    connector: str | None = None
    unattended: bool = False
    always: bool = False


# Job → what follows it, in the order in which it is asked for.
AFTER: Mapping[str, tuple[FollowUp, ...]] = {
    # Whether or not a sync wrote: what it does not see is what a comparison is for, and a vendor that is away is unknown.
    "sync": (
        FollowUp("index"),
        FollowUp("identity"),
        FollowUp("mirror", connector="attio"),
        FollowUp("signals"),
        FollowUp("agreements"),
        FollowUp("reconcile", always=True),
    ),
    "refetch": (
        FollowUp("index"),
        FollowUp("identity"),
        FollowUp("mirror", connector="attio"),
        FollowUp("signals"),
        FollowUp("agreements"),
    ),
    # What is derived here needs nobody's decision to be derived again.
    "reconcile": (
        FollowUp("repair", on=_DIFFERENCES, unattended=True),
        FollowUp("mirror", on=("mirror_differs",), connector="attio"),
    ),
    # What names a moved record beside itself is written anew, and the figures of both projects are measured.
    "rebind": (
        FollowUp("index"),
        FollowUp("identity"),
        FollowUp("signals"),
        FollowUp("agreements"),
        FollowUp("reconcile"),
    ),
    # One that met unreadable records while others wait goes on too, even when it wrote nothing.
    "repair": (
        FollowUp("index"),
        FollowUp("identity"),
        FollowUp("mirror", connector="attio"),
        FollowUp("signals"),
        FollowUp("agreements"),
        FollowUp("reconcile", on=("written", "set_aside")),
    ),
}


def follow(job: str, subject: UUID, counts: Mapping[str, Any], requested_by: str) -> None:
    """Ask for what follows a run of `job` over `subject` (a connection, or an account scope for the jobs of one).

    Nothing follows at a connection that was switched off meanwhile.
    """
    due = _due(job, counts, requested_by)
    if not due:
        return
    for place in _places(job, subject):
        for each in due:
            if each.connector in (None, place.connector):
                enqueue.request_job(each.job, place.connection_id, place.account_scope_id, requested_by)


@dataclass(frozen=True, slots=True)
class _Place:
    connection_id: ConnectionId | None
    account_scope_id: AccountScopeId
    connector: str | None


def _places(job: str, subject: UUID) -> list[_Place]:
    if job in outbox.PER_ACCOUNT_SCOPE:
        return [_Place(None, AccountScopeId(subject), None)]
    with reading() as session:
        enabled = job_runs.list_enabled_connections(session, connection_id=ConnectionId(subject))
        return [
            _Place(ConnectionId(each.id), AccountScopeId(each.account_scope_id), each.connector)
            for each in enabled
        ]


def _due(job: str, counts: Mapping[str, Any], requested_by: str) -> list[FollowUp]:
    attended = requested_by not in (enqueue.SCHEDULE, enqueue.CHEAP_FOR)
    return [
        each
        for each in AFTER.get(job, ())
        if (each.always or any(counts.get(name) for name in each.on)) and not (each.unattended and attended)
    ]
