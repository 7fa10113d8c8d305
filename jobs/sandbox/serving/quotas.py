"""Request quotas as the vendors count them: fixed windows and leaky buckets."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(slots=True)
class Quota:
    """How many requests one vendor allows; changeable while the sandbox runs."""

    allowed: int
    period_s: float


class FixedWindow:
    """Counts per caller in windows aligned to the clock (rack-attack style)."""

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self._window = -1
        self._used: dict[str, int] = {}

    def take(self, caller: str, now: datetime, points: int = 1) -> bool:
        """Use points of the current window (one request by default); false when too few are left."""
        window = int(now.timestamp() // self.quota.period_s)
        if window != self._window:
            self._window = window
            self._used.clear()
        used = self._used.get(caller, 0) + points
        self._used[caller] = used
        return used <= self.quota.allowed


class LeakyBucket:
    """A bucket of `allowed` points that refills evenly over the period."""

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self._level: dict[str, tuple[float, datetime]] = {}

    def remaining(self, caller: str, now: datetime) -> float:
        """Points left."""
        left, since = self._level.get(caller, (float(self.quota.allowed), now))
        refilled = left + max(0.0, (now - since).total_seconds()) * self.quota.allowed / self.quota.period_s
        return min(float(self.quota.allowed), refilled)

    def take(self, caller: str, points: float, now: datetime) -> bool:
        """Use points; false, and nothing used, when too few are left."""
        left = self.remaining(caller, now)
        if left < points:
            return False
        self._level[caller] = (left - points, now)
        return True

    def reset_at(self, caller: str, points: float, now: datetime) -> float:
        """Epoch seconds at which the bucket holds `points` again (is full, for the quota's whole)."""
        missing = max(0.0, min(points, self.quota.allowed) - self.remaining(caller, now))
        return now.timestamp() + missing * self.quota.period_s / self.quota.allowed
