"""How an entry lies in the cache: its body, maybe compressed, behind the generations it was computed under.

Layout: one byte of form, the instant until which it is fresh (8 bytes, unix seconds), the length of the head (2 bytes),
the head (a JSON list of tag and generation pairs), the body.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

_HEAD = struct.Struct("!BdH")
_PLAIN, _ZLIB = 1, 2
# Level 1 leaves about a quarter of a page of JSON lists (33 kB: 0.3 ms of CPU); below 1 kB it saves no packet.
_COMPRESS_FROM = 1_024
_LEVEL = 1
_WORTH = 0.8


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored value: `body`, unix time until which it is `fresh_until`, generations by tag when it was computed."""

    body: bytes
    fresh_until: float
    generations: Mapping[str, str]


def pack(entry: Entry) -> bytes:
    """The entry as bytes, compressed where that saves a fifth at least."""
    form, body = _PLAIN, entry.body
    if len(body) >= _COMPRESS_FROM:
        squeezed = zlib.compress(body, _LEVEL)
        if len(squeezed) <= len(body) * _WORTH:
            form, body = _ZLIB, squeezed
    head = orjson.dumps(list(entry.generations.items()))
    return _HEAD.pack(form, entry.fresh_until, len(head)) + head + body


def unpack(raw: bytes) -> Entry | None:
    """The entry, or None for bytes that this version of the code did not write."""
    try:
        form, fresh_until, length = _HEAD.unpack_from(raw)
        start = _HEAD.size + length
        generations = dict(orjson.loads(raw[_HEAD.size : start]))
        if form not in (_PLAIN, _ZLIB):
            return None
        body = raw[start:] if form == _PLAIN else zlib.decompress(raw[start:])
    except (struct.error, ValueError, TypeError, zlib.error):
        return None
    return Entry(body, fresh_until, generations)
