"""What happens when: scheduled changes of one workspace, applied in order as the clock passes them.

Records whose time has not come exist only as changes waiting here, so a vendor never shows the future.
"""

import heapq
from collections.abc import Callable
from datetime import datetime, timedelta

from jobs.sandbox.world.calendar import Calendar, Notional

Change = Callable[[datetime], None]


class Timeline:
    """A queue of changes ordered by notional time, then by the order they were scheduled in."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._waiting: list[tuple[int, int, Change]] = []
        self._next: datetime | None = None
        self._scheduled = 0
        # Set once records were deleted or merged by hand: what was scheduled for them does not happen then.
        self.lenient = False

    def schedule(self, at: Notional, change: Change, second: int = 0) -> None:
        """Let `change` happen at a notional minute (plus seconds); it receives that instant."""
        heapq.heappush(self._waiting, (at * 60 + second, self._scheduled, change))
        self._scheduled += 1
        self._next = None

    def advance(self, now: datetime) -> int:
        """Apply all changes due by `now`; answers how many. Cheap when nothing is due."""
        applied = 0
        while self._waiting:
            if self._next is None:
                self._next = self._instant(self._waiting[0][0])
            if self._next > now:
                break
            _, _, change = heapq.heappop(self._waiting)
            instant, self._next = self._next, None
            try:
                change(instant)
            except KeyError:
                if not self.lenient:
                    raise
            applied += 1
        return applied

    def _instant(self, seconds: int) -> datetime:
        minutes, second = divmod(seconds, 60)
        return self._calendar.instant(Notional(minutes)) + timedelta(seconds=second)
