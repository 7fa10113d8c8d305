"""Signals and next best actions: lists for a reader, and what a person decides about them.

A decision is taken once: the same again changes nothing, another one is refused. Dismissing a signal dismisses what it
suggested; accepting it leaves that to be done.
"""

from typing import Literal
from uuid import UUID

from sqlmodel import Session

from models.infra.clock import utcnow
from models.infra.database import reading, transaction
from models.infra.errors import NotFound
from models.infra.scope import Scope
from models.queries import signal_lists as queries
from models.tables.signals import (
    ActionStatus,
    NextBestAction,
    Signal,
    SignalKind,
    SignalStatus,
)
from tools_app.services.changes import require_status, write
from tools_app.services.job_requests import RequestedRun, ask_for
from tools_app.services.signal_views import ActionView, SignalView, action_view, reader_of, signal_view
from tools_app.services.views import SessionView

SignalDecision = Literal["accept", "dismiss"]
ActionDecision = Literal["done", "dismiss"]
SignalSort = Literal[
    "occurred_at", "-occurred_at", "created_at", "-created_at", "severity", "-severity"
]  # fmt: skip
ActionSort = Literal["due_on", "-due_on", "created_at", "-created_at"]

_SIGNAL_STATUS: dict[SignalDecision, SignalStatus] = {"accept": "accepted", "dismiss": "dismissed"}
_ACTION_STATUS: dict[ActionDecision, ActionStatus] = {"done": "done", "dismiss": "dismissed"}


def list_signals(
    scope: Scope,
    locale: str,
    *,
    status: SignalStatus | None = None,
    kind: SignalKind | None = None,
    severity: int | None = None,
    sort: SignalSort = "-occurred_at",
    cursor: str | None = None,
    limit: int = 50,
) -> tuple[list[SignalView], str | None]:
    """A page of signals of at least `severity` and the next cursor. Raises InvalidInput for a cursor of another list."""
    with reading() as db:
        rows, after = queries.page_of_signals(
            db, scope, status=status, kind=kind, severity=severity, sort=sort, cursor=cursor, limit=limit
        )
        held = [row.Signal for row in rows]
        reader = reader_of(db, scope, locale, held)
        return [signal_view(each, reader) for each in held], after


def list_actions(
    scope: Scope,
    locale: str,
    *,
    status: ActionStatus | None = None,
    sort: ActionSort = "due_on",
    cursor: str | None = None,
    limit: int = 50,
) -> tuple[list[ActionView], str | None]:
    """A page of next best actions and the next cursor. Raises InvalidInput for a cursor of another list."""
    with reading() as db:
        rows, after = queries.page_of_actions(db, scope, status=status, sort=sort, cursor=cursor, limit=limit)
        reader = reader_of(db, scope, locale, [row.Signal for row in rows])
        return [action_view(row.NextBestAction, row.Signal, reader) for row in rows], after


def decide_signal(
    session: SessionView, scope: Scope, signal_id: UUID, decision: SignalDecision, locale: str
) -> SignalView:
    """Accept or dismiss a signal. Raises NotFound, and Conflict when it is decided otherwise already."""
    status = _SIGNAL_STATUS[decision]
    with transaction() as db:
        row = queries.lock_signal(db, scope, signal_id)
        if row is None:
            raise NotFound("There is no such signal.")
        if row.status != status:
            require_status(row, {"proposed"}, "signal")
            if decision == "dismiss":
                for action in queries.lock_open_actions(db, row):
                    write(db, session, action, "nba.dismiss", _decided("dismissed", session))
            write(db, session, row, f"signal.{decision}", _decided(status, session))
        return signal_view(row, reader_of(db, scope, locale, [row]))


def decide_action(
    session: SessionView, scope: Scope, action_id: UUID, decision: ActionDecision, locale: str
) -> ActionView:
    """Say that an action is done or not to be done. Raises NotFound, and Conflict when it is decided otherwise already."""
    status = _ACTION_STATUS[decision]
    with transaction() as db:
        row = queries.lock_action(db, scope, action_id)
        if row is None:
            raise NotFound("There is no such action.")
        if row.status != status:
            require_status(row, {"open"}, "action")
            write(db, session, row, f"nba.{decision}", _decided(status, session))
        return _action(db, scope, row, locale)


def scan(session: SessionView) -> tuple[RequestedRun, ...]:
    """Ask for the signals of the caller's account scope to be detected now; a running look is joined."""
    return ask_for(session, "signals")


def _decided(status: str, session: SessionView) -> dict[str, object]:
    return {"status": status, "decided_by": session.user, "decided_at": utcnow()}


def _action(db: Session, scope: Scope, row: NextBestAction, locale: str) -> ActionView:
    found = queries.find_action(db, scope, row.id)
    if found is None:
        raise NotFound("There is no such action.")
    signal: Signal = found.Signal
    return action_view(row, signal, reader_of(db, scope, locale, [signal]))
