"""The first level of the cache: a small, bounded map in this process, trusted only while invalidations reach it.

Whoever listens to invalidations (`cache_listener`) calls `trust` once it hears them and `distrust` when it does not any
more; in between every tag that changes is dropped. A process without a listener has no first level.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

MAX_BYTES = 8 * 1024 * 1024
_OVERHEAD = 400


@dataclass(frozen=True, slots=True)
class Held:
    """A value in memory: until when (unix seconds) it may be served, and the tags whose change drops it."""

    value: Any
    fresh_until: float
    tags: tuple[str, ...]
    size: int


class LocalCache:
    """get, put, drop. The least recently used go when `max_bytes` are reached. Safe from several threads."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max = max_bytes
        self._lock = threading.Lock()
        self._held: OrderedDict[str, Held] = OrderedDict()
        self._by_tag: dict[str, set[str]] = {}
        self._bytes = 0
        self._version = 0
        self._trusted = False

    @property
    def version(self) -> int:
        """Counts what was dropped: read it before a value is computed and hand it to `put`."""
        return self._version

    @property
    def is_trusted(self) -> bool:
        """Whether invalidations are heard now."""
        return self._trusted

    @property
    def size_bytes(self) -> int:
        """About what the values take."""
        return self._bytes

    def get(self, key: str) -> Held | None:
        """What is held and still fresh, or None."""
        if not self._trusted:
            return None
        with self._lock:
            held = self._held.get(key)
            if held is None:
                return None
            if held.fresh_until < time.time():
                self._remove(key)
                return None
            self._held.move_to_end(key)
            return held

    def put(
        self, key: str, value: Any, size: int, fresh_until: float, tags: Iterable[str], version: int
    ) -> bool:
        """Hold a value; refused while invalidations are not heard, and when one came since `version` was read."""
        held = Held(value, fresh_until, tuple(tags), size + _OVERHEAD)
        with self._lock:
            if not self._trusted or version != self._version or held.size > self._max // 4:
                return False
            self._remove(key)
            self._held[key] = held
            self._bytes += held.size
            for tag in held.tags:
                self._by_tag.setdefault(tag, set()).add(key)
            while self._bytes > self._max:
                self._remove(next(iter(self._held)))
            return True

    def drop(self, tags: Iterable[str]) -> None:
        """Forget what was computed under these tags."""
        with self._lock:
            self._version += 1
            for tag in tags:
                for key in list(self._by_tag.get(tag, ())):
                    self._remove(key)

    def trust(self) -> None:
        """Invalidations are heard from now on: begin empty."""
        self._clear(trusted=True)

    def distrust(self) -> None:
        """Invalidations are not heard: hold nothing."""
        self._clear(trusted=False)

    def clear(self) -> None:
        """Forget everything."""
        self._clear(trusted=self._trusted)

    def _clear(self, *, trusted: bool) -> None:
        with self._lock:
            self._version += 1
            self._trusted = trusted
            self._held.clear()
            self._by_tag.clear()
            self._bytes = 0

    def _remove(self, key: str) -> None:
        held = self._held.pop(key, None)
        if held is None:
            return
        self._bytes -= held.size
        for tag in held.tags:
            keys = self._by_tag.get(tag)
            if keys is not None:
                keys.discard(key)
                if not keys:
                    del self._by_tag[tag]


@lru_cache(maxsize=1)
def local_cache() -> LocalCache:
    """The first level of this process."""
    return LocalCache()
