"""Failed units of work: the list of those that wait or were given up, and trying them again now.

An error is seen inside the caller's projects. What is tried again is a connection's queue: its units have their turns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from models.infra.database import reading, transaction
from models.infra.errors import InvalidInput, NotFound
from models.infra.scope import Scope
from models.queries import connector_overview as overview
from models.queries import sync_state
from tools_app.services import audit_trail
from tools_app.services.job_requests import RequestedRun, ask_for_connections
from tools_app.services.views import SessionView

# Errors that one request makes due; who asks again gets the next ones.
RETRIED_AT_MOST = 1_000


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """Unresolved connector errors, newest first."""

    items: tuple[overview.ErrorFacts, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class RequestedRetry:
    """How many errors are due now, whether more still wait than one request takes, and the runs that try them."""

    error_count: int
    has_more: bool
    items: tuple[RequestedRun, ...]


def list_errors(
    scope: Scope, *, cursor: str | None = None, limit: int = 50, status: str | None = None
) -> ErrorPage:
    """Unresolved errors of the scope's connectors (of one status, if given), newest first.

    Raises InvalidInput for a cursor that is no id.
    """
    after = None if cursor is None else _read_cursor(cursor)
    with reading() as session:
        found = overview.list_errors(session, scope, after=after, limit=limit + 1, status=status)
    more = len(found) > limit
    return ErrorPage(tuple(found[:limit]), str(found[limit - 1].id) if more else None)


def retry_errors(
    session: SessionView,
    scope: Scope,
    *,
    error_ids: Sequence[UUID] | None = None,
    connector: str | None = None,
    only_dead: bool = False,
) -> RequestedRetry:
    """Give the scope's errors, dead letters included, a fresh start now, and ask for their connections' attempts.

    Narrowed to these ids, to a connector, to dead letters. Of the ids, those that are resolved or not inside the scope
    are left out. Raises NotFound when none of them is left; without ids there may be nothing to do.
    """
    with transaction() as db:
        chosen = overview.list_retryable(
            db,
            scope,
            connector=connector,
            ids=error_ids,
            status=overview.DEAD_LETTER if only_dead else None,
            limit=RETRIED_AT_MOST + 1,
        )
        taken = [error_id for error_id, _ in chosen[:RETRIED_AT_MOST]]
        due = sync_state.requeue_errors(db, scope.account_scope_id, taken)
        if error_ids is not None and not due:
            raise NotFound("There is no such error.")
        audit_trail.record_event(
            db,
            actor=session.user,
            action="connector.retry_errors",
            entity=audit_trail.Entity("account_scope", session.account_scope_id),
            account_scope_id=scope.account_scope_id,
            after={"error_ids": sorted(str(each) for each in due)},
        )
    runs = ask_for_connections(session, "retry", sorted(set(due.values())))
    return RequestedRetry(len(due), any(waits for _, waits in chosen[RETRIED_AT_MOST:]), runs)


def _read_cursor(cursor: str) -> UUID:
    try:
        return UUID(cursor)
    except ValueError as fault:
        raise InvalidInput("The cursor is not one of ours.", code="invalid_cursor") from fault
