"""Lets the CRM tables follow the copy of an Attio connection: accounts, contacts, opportunities, stage events.

One transaction of four set-based steps, each idempotent: a second run writes nothing. A row keeps its identity while
its record moves to another project, is deleted, or comes back; what was decided here about it (offers, opt-outs) stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from jobs.crm_stages import known_stages
from models.infra.database import transaction
from models.infra.ids import ConnectionId
from models.infra.logging import get_logger
from models.queries import crm_mirror as queries
from models.queries.crm_mirror import Mirrored, Unplaced

_ATTEMPTS = 3

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class MirrorResult:
    """Rows written a table, and what could not be placed."""

    accounts: Mirrored
    contacts: Mirrored
    opportunities: Mirrored
    stage_events: int
    orphans: int
    unplaced: Unplaced

    @property
    def written(self) -> int:
        """Rows that changed."""
        tables = (self.accounts, self.contacts, self.opportunities)
        changed = sum(each.inserted + each.updated + each.deleted for each in tables)
        return changed + self.stage_events + self.orphans

    def counts(self) -> dict[str, Any]:
        """The figures as plain JSON, for the job's row and its events."""
        tables = {
            "accounts": self.accounts, "contacts": self.contacts, "opportunities": self.opportunities,
        }  # fmt: skip
        return {
            "written": self.written,
            "deleted": sum(each.deleted for each in tables.values()) + self.orphans,
            "streams": {
                name: {"inserted": each.inserted, "updated": each.updated, "deleted": each.deleted}
                for name, each in tables.items()
            },
            "stage_events": self.stage_events,
            "unmapped": self.unplaced.deals_unmapped,
            "unmapped_stages": list(self.unplaced.stages),
            "people_without_account": self.unplaced.people_without_account,
            "deals_without_account": self.unplaced.deals_without_account,
            "amounts_without_currency": self.unplaced.amounts_without_currency,
        }


def mirror_connection(connection_id: ConnectionId) -> MirrorResult:
    """Bring the CRM tables up to date with a connection's raw rows and return what changed.

    The caller holds the lock that keeps runs of a connection apart. A sync may move a record to another project at the
    same moment; the database then refuses what would refer across projects, and the step is taken again.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return _mirror(connection_id)
        except IntegrityError as fault:
            log.warning("mirrored again", connection_id=str(connection_id), error=type(fault).__name__)
    return _mirror(connection_id)


def count_differences(connection_id: ConnectionId) -> int:
    """Return how many rows a mirroring would write now, and deals whose past stages it would read again.

    What it did to find out is rolled back.
    """
    with transaction() as session:
        written = queries.count_altered_histories(session, connection_id)
        written += mirror_within(session, connection_id).written
        session.rollback()
    return written


def _mirror(connection_id: ConnectionId) -> MirrorResult:
    with transaction() as session:
        return mirror_within(session, connection_id)


def mirror_within(session: Session, connection_id: ConnectionId) -> MirrorResult:
    """`mirror_connection` inside the caller's transaction."""
    stages = known_stages(queries.list_stage_titles(session, connection_id))
    orphans = queries.bury_orphans(session, connection_id)
    accounts = queries.mirror_accounts(session, connection_id)
    contacts = queries.mirror_contacts(session, connection_id)
    opportunities = queries.mirror_opportunities(session, connection_id, stages)
    events = queries.mirror_stage_events(session, connection_id, stages)
    queries.bring_along(session, connection_id)
    unplaced = queries.count_unplaced(session, connection_id)
    return MirrorResult(accounts, contacts, opportunities, events, orphans, unplaced)
