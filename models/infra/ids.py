"""Our own identifiers: UUIDv7 (RFC 9562, section 5.7), and one NewType per kind so that they cannot be mixed up.

Version 7 starts with the time in milliseconds: rows created together sit together in an index.
"""

import secrets
import threading
import time
from typing import NewType
from uuid import UUID

AccountScopeId = NewType("AccountScopeId", UUID)
ProjectId = NewType("ProjectId", UUID)
ConnectionId = NewType("ConnectionId", UUID)
BindingId = NewType("BindingId", UUID)
JobRunId = NewType("JobRunId", UUID)
RecordId = NewType("RecordId", UUID)
ChunkId = NewType("ChunkId", UUID)
EvidenceId = NewType("EvidenceId", UUID)
QueryRunId = NewType("QueryRunId", UUID)
SessionId = NewType("SessionId", UUID)
ApiKeyId = NewType("ApiKeyId", UUID)

_lock = threading.Lock()
_last_tick = 0  # milliseconds << 12 | counter


def new_id() -> UUID:
    """A new UUIDv7. Ids of one process strictly increase, also within one millisecond and when the clock steps back."""
    global _last_tick
    with _lock:
        tick = (time.time_ns() // 1_000_000) << 12
        # RFC 9562 6.2, method 1: the 12 bits of rand_a are a counter; an overflow borrows from the next millisecond.
        _last_tick = tick if tick > _last_tick else _last_tick + 1
        milliseconds, counter = _last_tick >> 12, _last_tick & 0xFFF
    value = (
        (milliseconds & 0xFFFFFFFFFFFF) << 80 | 0x7 << 76 | counter << 64 | 0b10 << 62 | secrets.randbits(62)
    )
    return UUID(int=value)
