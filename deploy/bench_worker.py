"""The measured half of `make bench-sync`: one sync in a process of its own, with where its time went and its peak RSS.

What runs inside another timed part belongs to that one. Parts that run in several threads add up.
"""

import json
import resource
import sys
import threading
import time
from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

import httpx
from sqlmodel import Session

from jobs import page_writer, sync
from jobs.connectors.chatwoot import normalize
from jobs.worker import preload
from models.infra.ids import ConnectionId
from models.queries import records


class Stopwatch:
    """Seconds and calls by the name of a part."""

    def __init__(self) -> None:
        self._parts: dict[str, tuple[float, int]] = {}
        self._lock = threading.Lock()
        self._open = threading.local()

    def time(self, owner: Any, attribute: str, part: str) -> None:
        """Count the time of a function or method from now on."""
        inner: Callable[..., Any] = getattr(owner, attribute)

        @wraps(inner)
        def timed(*args: Any, **kwargs: Any) -> Any:
            if getattr(self._open, "part", None):
                return inner(*args, **kwargs)
            self._open.part = part
            began = time.perf_counter()
            try:
                return inner(*args, **kwargs)
            finally:
                took = time.perf_counter() - began
                self._open.part = None
                with self._lock:
                    seconds, calls = self._parts.get(part, (0.0, 0))
                    self._parts[part] = (seconds + took, calls + 1)

        setattr(owner, attribute, timed)

    def read(self) -> dict[str, tuple[float, int]]:
        """Seconds and calls by part, the longest first."""
        return dict(sorted(self._parts.items(), key=lambda part: -part[1][0]))


def peak_rss_mb() -> float:
    """The most memory this process ever held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Sync the connection given as the first argument and print what it took as JSON; `timed` adds the parts."""
    preload()  # as a worker does before its jobs
    watch = Stopwatch()
    if "timed" in sys.argv[2:]:
        watch.time(httpx.Client, "request", "HTTP (all threads)")
        watch.time(normalize, "message", "normalise")
        watch.time(page_writer, "content_of", "clean and hash")
        watch.time(records, "upsert", "upsert")
        watch.time(Session, "execute", "other statements")
        watch.time(Session, "commit", "commit")
    streams: dict[str, float] = {}
    began = last = time.perf_counter()
    cpu_began = time.process_time()
    before = peak_rss_mb()

    def note(progress: sync.Progress) -> None:
        nonlocal last
        now = time.perf_counter()
        streams[progress.stream] = streams.get(progress.stream, 0.0) + now - last
        last = now

    result = sync.sync_connection(ConnectionId(UUID(sys.argv[1])), note)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    json.dump(
        {
            "seconds": seconds,
            "cpu_seconds": cpu_seconds,
            "status": result.status,
            "counts": result.counts(),
            "stream_seconds": streams,
            "rss_before_mb": before,
            "rss_peak_mb": peak_rss_mb(),
            "parts": watch.read(),
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
