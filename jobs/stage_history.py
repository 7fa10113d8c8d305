"""Reads which stages Attio's deals went through: a record shows only the present one, its history is asked for a deal.

Only deals whose stage has changed since are asked for, a bounded number a run. A deal whose history cannot be read goes
to the queue of errors and is asked for again after all others. A vendor that is away ends the run; what was read stays,
the rest has its turn with the next one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session

from jobs.connectors.attio.client import AttioClient
from jobs.connectors.base import parse_time
from jobs.connectors.errors import (
    UNREADABLE,
    BadRecord,
    CircuitOpen,
    CredentialsInvalid,
    RateLimited,
    VendorError,
)
from jobs.crm_stages import known_stages
from jobs.page_writer import SyncRun, find_known_home
from jobs.sync import open_run
from models.infra.database import transaction
from models.infra.ids import ConnectionId
from models.infra.logging import get_logger
from models.queries import crm_mirror as queries
from models.queries import sync_state
from models.queries.crm_mirror import DueHistory
from models.queries.storable import clean, write_what_fits

DEALS_AT_MOST = 200
# Under which its failures are queued: a deal's own name there is that of its record.
STREAM = "stage_history"
_DUE_AT_MOST = 10_000
# What one deal meets, all would.
_CONCERNS_ALL = (CredentialsInvalid, CircuitOpen, RateLimited)

log = get_logger(__name__)


@dataclass(slots=True)
class Histories:
    """Deals whose history was read or could not be, events that were new, whether others wait, and why reading ended early."""

    read: int = 0
    failed: int = 0
    events: int = 0
    more: bool = False
    error: str = ""

    def counts(self) -> dict[str, int | bool | str]:
        """The figures as plain JSON, for the job's row and its events."""
        return {
            "histories": self.read,
            "histories_failed": self.failed,
            "history_events": self.events,
            "more_histories": self.more,
            "history_error": self.error,
        }


def read_histories(connection_id: ConnectionId) -> Histories:
    """Read the past stages of a connection's deals that moved, DEALS_AT_MOST at most.

    Raises NotFound for an unknown or disabled connection; the vendor's errors are told in the result.
    """
    found = Histories()
    with transaction() as session:
        fresh, failing = _list_due(session, connection_id)
    if not fresh and not failing:
        return found
    run = open_run(connection_id)
    try:
        for deal in fresh[:DEALS_AT_MOST]:
            _read_one(run, deal, found)
        found.more = len(fresh) > DEALS_AT_MOST
        for deal in failing[: max(0, DEALS_AT_MOST - len(fresh))]:
            # One that fails once more ends the turn of the others too: each comes first in one of the runs to come.
            if not _read_one(run, deal, found):
                break
    except _CONCERNS_ALL as error:
        log.warning("stage histories not read", kind=error.kind, error=str(error))
        found.error = error.kind
    finally:
        run.connector.close()
    return found


def _list_due(session: Session, connection_id: ConnectionId) -> tuple[list[DueHistory], list[DueHistory]]:
    """Return the deals to ask for: those that were not tried yet, and those that failed, the longest untouched first.

    Errors of deals that need not be asked for any more are over.
    """
    due = {
        deal.vendor_id: deal
        for deal in queries.list_due_histories(session, connection_id, limit=_DUE_AT_MOST)
    }
    sync_state.resolve_others(session, connection_id, STREAM, [*due])
    failing = sync_state.failing_units(session, connection_id, STREAM, [*due])
    fresh = [deal for vendor_id, deal in due.items() if vendor_id not in failing]
    return fresh, [due[vendor_id] for vendor_id in failing]


def _read_one(run: SyncRun, deal: DueHistory, found: Histories) -> bool:
    """Read and store one deal's history; whether it could be. Raises VendorError for what concerns all deals."""
    if not isinstance(run.connector, AttioClient):
        raise CredentialsInvalid("the stored token of this connection cannot be opened")
    try:
        values = run.connector.stage_history(deal.vendor_id)
        stages = known_stages(_titles(deal.vendor_id, values))
        with transaction() as session:
            added, refused = write_what_fits(
                session,
                [{"vendor_id": deal.vendor_id}],
                lambda _: queries.add_history(session, deal, clean(values), stages),
            )
            for why in refused.values():
                raise BadRecord(deal.vendor_id, why)
            sync_state.resolve_errors(session, run.connection.id, STREAM, [deal.vendor_id])
    except _CONCERNS_ALL:
        raise
    except (VendorError, *UNREADABLE) as error:
        log.warning("stage history not read", deal=deal.vendor_id, error=str(error))
        _queue(run, deal.vendor_id, error)
        found.failed += 1
        return False
    found.events += sum(added)
    found.read += 1
    return True


def _titles(deal_id: str, values: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the titles of stage values. Raises one of UNREADABLE for values that are not what they should be."""
    titles: list[str] = []
    for each in values:
        title = (each.get("status") or {}).get("title")
        if title is None:
            continue
        if parse_time(each.get("active_from")) is None:
            raise BadRecord(deal_id, f"its stage {title!r} has no beginning")
        titles.append(str(title))
    return titles


def _queue(run: SyncRun, deal_id: str, error: Exception) -> None:
    kept = error if isinstance(error, VendorError) else BadRecord(deal_id, f"{type(error).__name__}: {error}")
    with transaction() as session:
        sync_state.queue_error(
            session,
            run.connection,
            stream=STREAM,
            unit=deal_id,
            kind=kept.kind,
            message=str(kept),
            payload={},
            # What our code cannot read today, the vendor may send otherwise tomorrow.
            retryable=kept.retryable or isinstance(kept, BadRecord),
            project_id=find_known_home(session, run, "deals", deal_id, {}),
        )
