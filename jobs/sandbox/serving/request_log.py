"""The last requests the vendor servers received, for assertions and for curiosity. Never holds tokens."""

from collections import deque
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

_KEPT: Final = 5_000
_BODY_KEPT: Final = 600


@dataclass(slots=True)
class LoggedRequest:
    """One request with its answer's status (0 while running, or when the connection was cut)."""

    at: str
    vendor: str
    method: str
    path: str
    query: str
    status: int = 0
    fault: str = ""
    body: str = ""


class RequestLog:
    """The newest 5,000 requests of all three servers."""

    def __init__(self) -> None:
        self._entries: deque[LoggedRequest] = deque(maxlen=_KEPT)
        self.total = 0

    def open(self, at: datetime, vendor: str, method: str, path: str, query: str) -> LoggedRequest:
        """Note a request that begins."""
        entry = LoggedRequest(at.isoformat(), vendor, method, path, query)
        self._entries.append(entry)
        self.total += 1
        return entry

    @staticmethod
    def attach_body(entry: LoggedRequest, body: bytes) -> None:
        """Keep the beginning of a request's body."""
        entry.body = body[:_BODY_KEPT].decode("utf-8", "replace")

    def newest(self, vendor: str | None, limit: int) -> list[dict[str, Any]]:
        """The newest entries, newest first, of one vendor or all."""
        rows = (entry for entry in reversed(self._entries) if vendor is None or entry.vendor == vendor)
        return [asdict(entry) for entry, _ in zip(rows, range(limit), strict=False)]

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self.total = 0
