"""Reads which stages Attio's deals went through: a record shows only the present one, its history is asked for a deal.

Only deals whose stage has changed since are asked for, a bounded number a run. A vendor that is away ends the run; what
was read stays, the rest has its turn with the next one.
"""

from __future__ import annotations

from dataclasses import dataclass

from jobs.connectors.attio.client import AttioClient
from jobs.connectors.errors import VendorError
from jobs.crm_stages import known_stages
from jobs.sync import open_run
from models.infra.database import reading, transaction
from models.infra.ids import ConnectionId
from models.infra.logging import get_logger
from models.queries import crm_mirror as queries

DEALS_AT_MOST = 200

log = get_logger(__name__)


@dataclass(slots=True)
class Histories:
    """Deals whose history was read, events that were new, whether others wait, and why reading ended early."""

    read: int = 0
    events: int = 0
    more: bool = False
    error: str = ""

    def counts(self) -> dict[str, int | bool | str]:
        """The figures as plain JSON, for the job's row and its events."""
        return {
            "histories": self.read,
            "history_events": self.events,
            "more_histories": self.more,
            "history_error": self.error,
        }


def read_histories(connection_id: ConnectionId) -> Histories:
    """Read the past stages of a connection's deals that moved, DEALS_AT_MOST at most.

    Raises NotFound for an unknown or disabled connection; the vendor's errors are told in the result.
    """
    found = Histories()
    with reading() as session:
        due = queries.list_due_histories(session, connection_id, limit=DEALS_AT_MOST + 1)
    if not due:
        return found
    run = open_run(connection_id)
    try:
        assert isinstance(run.connector, AttioClient)
        for deal in due[:DEALS_AT_MOST]:
            values = run.connector.stage_history(deal.vendor_id)
            stages = known_stages(str((each.get("status") or {}).get("title")) for each in values)
            with transaction() as session:
                found.events += queries.add_history(session, deal, values, stages)
            found.read += 1
        found.more = len(due) > DEALS_AT_MOST
    except VendorError as error:
        log.warning("stage histories not read", kind=error.kind, error=str(error))
        found.error = error.kind
    finally:
        run.connector.close()
    return found
