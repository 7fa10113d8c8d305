"""What the end of a run changes for readers: the stored figures are computed anew, then cached answers become old.

In this order, and both before the event goes out: whoever hears that a run ended finds what it left.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from models.infra.cache import EVERYTHING, cache
from models.infra.cache_tags import tags_of_job, tags_of_start
from models.infra.database import transaction
from models.infra.logging import get_logger
from models.queries.dashboard_refresh import refresh_views

# Jobs whose end may have changed vendor records.
_WRITERS = frozenset({"sync", "refetch", "repair", "retry", "rebind"})
_WROTE = ("written", "deleted", "resolved")
# A long first sync shows its progress on the dashboard too.
_BETWEEN_S = 60.0
_TRIES = 3

log = get_logger(__name__)


def run_began(job: str, account_scope_id: UUID | None) -> None:
    """A sync that begins shows as such wherever the state of sources is shown."""
    if job == "sync" and account_scope_id is not None:
        cache().renew(tags_of_start(account_scope_id))


def run_ended(job: str, account_scope_id: UUID | None, counts: Mapping[str, Any], status: str) -> bool:
    """Bring figures and caches up to date; False when the cache could not be told (its readers hear it by the event)."""
    if job in _WRITERS and (status == "failed" or any(counts.get(name) for name in _WROTE)):
        refresh_figures()
    tags = (EVERYTHING,) if account_scope_id is None else tags_of_job(job, account_scope_id)
    for again in range(_TRIES):
        if cache().renew(tags):
            return True
        time.sleep(0.05 * (again + 1))
    return False


def refresh_figures() -> bool:
    """Compute the stored figures anew; False, and the log says why, when that failed: the next run's end tries again."""
    started = time.monotonic()
    try:
        with transaction() as session:
            computed = refresh_views(session)
    except SQLAlchemyError as error:
        # The run's own work is done and committed; figures that are one run old must not undo it.
        log.warning("figures not refreshed", error=type(error).__name__)
        return False
    log.info("figures refreshed", computed=computed, took_s=round(time.monotonic() - started, 3))
    return True


class Midway:
    """Refreshes the figures now and then while a sync runs. One a run."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def passed(self, job: str, account_scope_id: UUID | None) -> None:
        """Called between pages."""
        if job != "sync" or account_scope_id is None or time.monotonic() - self._at < _BETWEEN_S:
            return
        refresh_figures()
        cache().renew(tags_of_job(job, account_scope_id))
        self._at = time.monotonic()
