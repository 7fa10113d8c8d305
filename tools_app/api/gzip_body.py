"""A gzip body from a part that changes with every answer and a part that was compressed once.

A cached answer differs from the last one in its first bytes alone (request id, own id, time). Compressing it whole each
time would cost more than everything else the short way does. Deflate (RFC 1951) is a sequence of blocks: the first part
goes in as a stored block, which ends on a byte's edge, and the kept part follows as a stream of its own, whose
references stay inside it. gzip's trailer (RFC 1952) is the checksum and the length of both.
"""

from __future__ import annotations

import re
import struct
import zlib

# Below it the header and a slower client cost more than the bytes saved.
MINIMUM = 1024
_LEVEL = 5
# gzip, deflate, no name, no time, unknown system.
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_STORED_MAX = 0xFFFF
_CODING = re.compile(r"\s*(gzip|\*)\s*(?:;\s*q=([0-9.]+))?\s*", re.IGNORECASE)


def deflated(body: bytes) -> bytes:
    """The kept part: a whole deflate stream without a header."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


def gzipped(first: bytes, rest: bytes, rest_deflated: bytes) -> bytes:
    """`first + rest` as gzip; `rest_deflated` is `deflated(rest)`. Raises ValueError when `first` exceeds 65,535 bytes."""
    size = len(first)
    if size > _STORED_MAX:
        raise ValueError("the part that changes is too long for a stored block")
    block = struct.pack("<BHH", 0, size, size ^ _STORED_MAX) + first
    checksum = zlib.crc32(rest, zlib.crc32(first))
    trailer = struct.pack("<II", checksum, (size + len(rest)) & 0xFFFFFFFF)
    return _HEADER + block + rest_deflated + trailer


def accepts_gzip(given: str) -> bool:
    """Whether Accept-Encoding allows gzip (RFC 9110 12.5.3): named, or meant by `*`, with a weight above 0."""
    weights: dict[str, float] = {}
    for each in given.split(","):
        found = _CODING.fullmatch(each)
        if found:
            try:
                weights[found[1].lower()] = float(found[2] or 1)
            except ValueError:
                weights[found[1].lower()] = 0.0
    return weights.get("gzip", weights.get("*", 0.0)) > 0
