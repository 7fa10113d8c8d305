"""The log of questions that the cache answered: rows with ids issued ahead, written in batches.

Bounded: when the buffer is full a question is logged before it is answered. Emptied at shutdown (`tools_app.upkeep`)
and before anything looks a run up by its id.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from sqlalchemy.exc import DataError, IntegrityError

from models.infra.database import transaction
from models.infra.logging import get_logger
from models.queries.query_log import CachedRun, log_cached_runs

WRITE_EVERY_S = 1.0
MAX_WAITING = 20_000
_BATCH = 1_000

log = get_logger(__name__)


class RunLog:
    """add, write. Safe from several threads; what could not be written waits for the next time, in order."""

    def __init__(self, max_waiting: int = MAX_WAITING) -> None:
        self._max = max_waiting
        self._waiting: list[CachedRun] = []
        self._lock = threading.Lock()
        self._writing = threading.Lock()

    def add(self, run: CachedRun) -> bool:
        """Note a run; False when the buffer is full: `write` first."""
        with self._lock:
            if len(self._waiting) >= self._max:
                return False
            self._waiting.append(run)
            return True

    @property
    def waiting(self) -> int:
        """Runs that are not written yet."""
        return len(self._waiting)

    def write(self) -> int:
        """Write everything that waits; how many rows. Raises SQLAlchemyError when the database is away; nothing is lost then.

        A row that the database refuses for what it says is left out and named in the log: it must not stop the others.
        """
        written = 0
        with self._writing:
            while True:
                with self._lock:
                    batch = self._waiting[:_BATCH]
                if not batch:
                    return written
                rows = _write(batch)
                with self._lock:
                    del self._waiting[: len(batch)]
                written += rows
                if rows < len(batch):
                    log.warning("cached questions without a first run", count=len(batch) - rows)


def _write(batch: Sequence[CachedRun]) -> int:
    try:
        with transaction() as session:
            return log_cached_runs(session, batch)
    except (DataError, IntegrityError) as refused:
        if len(batch) == 1:
            log.warning(
                "a question could not be logged", run_id=str(batch[0].id), error=type(refused).__name__
            )
            return 0
        # Halves: a few statements find the one among a thousand.
        middle = len(batch) // 2
        return _write(batch[:middle]) + _write(batch[middle:])


run_log = RunLog()
