"""What makes cached answers wrong: the tags an entry is computed under, and which of them each job changes.

One table, read by whoever finishes a job. A job that the table does not name changes everything: forgetting to list one
costs speed, never truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal
from uuid import UUID

Kind = Literal["portfolio", "ct", "lightrag", "index", "connectors", "projects"]

ALL_KINDS: tuple[Kind, ...] = ("portfolio", "ct", "lightrag", "index", "connectors")
# job → what its end changes. Records feed every figure; a tombstone takes evidence away from answers; completeness
# stands beside answers and figures. The index only finds; mirror and identity write tables that no cached answer reads.
CHANGED_BY: Mapping[str, tuple[Kind, ...]] = {
    "sync": ("portfolio", "ct", "lightrag", "connectors"),
    "refetch": ("portfolio", "ct", "lightrag", "connectors"),
    "repair": ("portfolio", "ct", "lightrag", "connectors"),
    "retry": ("portfolio", "ct", "lightrag", "connectors"),
    "reconcile": ("portfolio", "ct", "lightrag", "connectors"),
    "index": ("lightrag", "index"),
    "mirror": (),
    "identity": (),
    # Signals, actions and agreements are read anew each time.
    "signals": (),
    "agreements": (),
}
# A run that begins or is asked for shows as "syncing".
CHANGED_BY_START: tuple[Kind, ...] = ("portfolio", "ct", "connectors")


def tag(kind: Kind, account_scope_id: UUID | str) -> str:
    """The tag of what is known of an account scope."""
    return f"{kind}:{account_scope_id}"


def tags_of_job(job: str, account_scope_id: UUID | str) -> tuple[str, ...]:
    """The tags that the end of a job changes."""
    return tuple(tag(kind, account_scope_id) for kind in CHANGED_BY.get(job, ALL_KINDS))


def tags_of_start(account_scope_id: UUID | str) -> tuple[str, ...]:
    """The tags that the beginning of a sync changes."""
    return tuple(tag(kind, account_scope_id) for kind in CHANGED_BY_START)


def session_tag(token_hash: str) -> str:
    """The tag of one signed-in browser."""
    return f"session:{token_hash}"
