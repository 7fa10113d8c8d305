"""Stable ids and stable chance: the same key always gives the same answer, whatever the day."""

import hashlib
import uuid
from typing import Final

_NAMESPACE: Final = uuid.UUID("5a6c1f4e-0c55-5d0e-9f5e-3f2f7f6d1c20")


def vendor_uuid(workspace: str, kind: str, *keys: str) -> str:
    """The UUID of a record in one workspace at one vendor."""
    return str(uuid.uuid5(_NAMESPACE, "/".join((workspace, kind, *keys))))


def draw(bound: int, *keys: str) -> int:
    """A number in [0, bound) that depends on the keys alone."""
    digest = hashlib.blake2b("/".join(keys).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % bound
