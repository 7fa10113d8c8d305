"""Live sessions between requests: found in memory or Redis for a minute, their last use written every half minute.

An ended session is made unreadable in every process by its tag (`forget`); the idle and absolute limits are checked at
each use against the clock, so a cached session lives not a second longer than a stored one. Without Redis every request
asks the database.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Mapping
from uuid import UUID

import orjson

from models.infra.cache import cache
from models.infra.cache_codec import Entry
from models.infra.cache_tags import session_tag
from models.infra.database import reading, transaction
from models.infra.ids import AccountScopeId, ProjectId, SessionId
from models.infra.local_cache import local_cache
from models.infra.logging import get_logger
from models.queries import sessions
from models.queries.sessions import SessionFacts

TTL_S = 60.0
WRITE_EVERY_S = 30.0
# Sessions whose last use waits to be written; beyond it they are written at once.
_WAITING_MAX = 10_000

log = get_logger(__name__)


class LastUses:
    """When sessions were used last, until `write` puts it into the database."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[SessionId, dt.datetime] = {}
        self._written_at = time.monotonic()

    def note(self, session_id: SessionId, now: dt.datetime) -> None:
        """A session is used now."""
        with self._lock:
            self._seen[session_id] = now

    def newest(self, session_id: SessionId, stored: dt.datetime) -> dt.datetime:
        """The last use as far as this process knows."""
        return max(self._seen.get(session_id, stored), stored)

    @property
    def are_due(self) -> bool:
        """Whether it is time to write, or too many wait."""
        return time.monotonic() - self._written_at >= WRITE_EVERY_S or len(self._seen) >= _WAITING_MAX

    def write(self) -> int:
        """Write what waits; how many sessions that were. What could not be written waits for the next time."""
        with self._lock:
            taken, self._seen = self._seen, {}
            self._written_at = time.monotonic()
        if not taken:
            return 0
        try:
            with transaction() as session:
                sessions.touch_sessions(session, taken)
        except BaseException:
            with self._lock:
                self._seen = {**taken, **self._seen}
            raise
        return len(taken)


last_uses = LastUses()


def find_held(token_hash: str, now: dt.datetime, idle: dt.timedelta) -> SessionFacts | None:
    """The live session if this process holds it; None says nothing. Notes its use."""
    held = local_cache().get(session_tag(token_hash))
    if held is None or not _is_live(held.value, now, idle):
        return None
    cache().count_hit()
    last_uses.note(held.value.id, now)
    return held.value


def find(token_hash: str, now: dt.datetime, idle: dt.timedelta) -> SessionFacts | None:
    """The live session of a token hash, from memory, Redis or the database; None when there is none. Notes its use."""
    facts = find_held(token_hash, now, idle) or _find(token_hash, now, idle)
    if facts is not None:
        last_uses.note(facts.id, now)
        if last_uses.are_due:
            last_uses.write()
    return facts


def forget(token_hash: str) -> None:
    """A session ended or changed: no process may serve what it remembers. Call it after commit."""
    cache().renew([session_tag(token_hash)])


def _find(token_hash: str, now: dt.datetime, idle: dt.timedelta) -> SessionFacts | None:
    key = name = session_tag(token_hash)
    version = local_cache().version
    looked = cache().fetch(key, [name])
    if looked.entry is not None:
        facts = _read(looked.entry.body)
        if _is_live(facts, now, idle):
            local_cache().put(key, facts, 600, looked.entry.fresh_until, (name,), version)
            return facts
    with reading() as session:
        found = sessions.find_session(session, token_hash, now=now, idle=idle)
    if found is not None:
        fresh_until = time.time() + TTL_S
        if cache().store(key, Entry(_write(found), fresh_until, looked.generations), TTL_S):
            local_cache().put(key, found, 600, fresh_until, (name,), version)
    return found


def _is_live(facts: SessionFacts, now: dt.datetime, idle: dt.timedelta) -> bool:
    # Not live here means only: ask the database, which may know of a use in another process.
    return facts.expires_at > now and last_uses.newest(facts.id, facts.last_seen_at) > now - idle


def _write(facts: SessionFacts) -> bytes:
    return orjson.dumps(facts)


def _read(body: bytes) -> SessionFacts:
    held: Mapping[str, str | None] = orjson.loads(body)
    active = held["active_project_id"]
    return SessionFacts(
        SessionId(UUID(held["id"])),
        str(held["username"]),
        str(held["csrf_token"]),
        AccountScopeId(UUID(held["account_scope_id"])),
        None if active is None else ProjectId(UUID(active)),
        dt.datetime.fromisoformat(str(held["last_seen_at"])),
        dt.datetime.fromisoformat(str(held["expires_at"])),
    )
