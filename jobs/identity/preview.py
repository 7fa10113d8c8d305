"""The preview of an account scope: compares its records, stores what is worth a look, tells how many there are.

One transaction: readers see the suggestions before or after it. Memory is bounded by SLICE right records and one batch of
left ones, whatever the size of the account scope. A run over records that are as the last one left them compares nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlmodel import Session

from jobs.identity import features
from jobs.identity.engine import BLOCK_AT_MOST, EACH_AT_MOST, SUGGEST_FROM, Blocks, Suggestion, suggest
from jobs.identity.traits import Traits, traits_of
from models.infra import events
from models.infra.database import transaction
from models.infra.ids import AccountScopeId
from models.infra.logging import get_logger
from models.queries import identity_preview as queries
from models.queries import routing_lock
from models.queries.identity_preview import FoundPair, Stored
from models.queries.identity_records import RecordKind, read_batches, read_digest

# Right records that are held at once; what makes a block too big is counted in a slice.
SLICE = 20_000
BATCH = 1_000
# To be raised when the rules change in anything but weights and limits: the next preview then compares anew.
RULES = 1
LEFT: tuple[RecordKind, ...] = ("contact", "account", "project")
RIGHT: tuple[RecordKind, ...] = ("person", "company")

log = get_logger(__name__)

Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Preview:
    """What a preview compared and changed; `proposed` pairs wait for a decision now."""

    compared: int
    new: int
    changed: int
    withdrawn: int
    proposed: int
    digest: str

    def counts(self) -> dict[str, Any]:
        """The figures as plain JSON, for the job's row and its events."""
        return {"written": self.new + self.changed, "deleted": self.withdrawn, **asdict(self)}


def preview_scope(account_scope_id: AccountScopeId, progress: Progress) -> Preview:
    """Bring the suggestions of an account scope up to date and publish `identity_preview`.

    `progress` hears of the kind of records and how many of them were compared. The caller holds the lock that keeps runs
    of an account scope apart.
    """
    done = compare_scope(account_scope_id, progress)
    events.publish(
        "identity_preview",
        {
            "account_scope_id": str(account_scope_id),
            "project_id": None,
            "new": done.new,
            "changed": done.changed,
            "withdrawn": done.withdrawn,
            "proposed": done.proposed,
        },
    )
    return done


def compare_scope(account_scope_id: AccountScopeId, progress: Progress) -> Preview:
    """`preview_scope` without telling anybody."""
    with transaction() as session:
        seen = f"{_rules()}:{read_digest(session, account_scope_id)}"
        before = f"{seen}:{queries.suggestions_digest(session, account_scope_id)}"
        if before == queries.last_digest(session, account_scope_id):
            return Preview(0, 0, 0, 0, queries.count_proposed(session, account_scope_id), before)
        queries.open_stage(session)
        compared = 0
        for blocks in _slices(session, account_scope_id):
            compared = 0
            for kind, batch in _batches(session, account_scope_id, LEFT):
                queries.stage(session, (_pair(each) for record in batch for each in suggest(record, blocks)))
                compared += len(batch)
                progress(kind, compared)
        # Whoever moves a record takes its pairs along, in another order than they are written here: not at the same time.
        routing_lock.hold(session, account_scope_id)
        stored = queries.store(session, account_scope_id)
        after = f"{seen}:{queries.suggestions_digest(session, account_scope_id)}"
        proposed = queries.count_proposed(session, account_scope_id)
    _log(compared, stored, proposed)
    return Preview(compared, stored.new, stored.changed, stored.withdrawn, proposed, after)


def _slices(session: Session, account_scope_id: AccountScopeId) -> Iterator[Blocks]:
    held: list[Traits] = []
    for _, batch in _batches(session, account_scope_id, RIGHT):
        held += batch
        if len(held) >= SLICE:
            yield Blocks(held)
            held = []
    if held:
        yield Blocks(held)


def _batches(
    session: Session, account_scope_id: AccountScopeId, kinds: Sequence[RecordKind]
) -> Iterator[tuple[RecordKind, list[Traits]]]:
    for kind in kinds:
        for batch in read_batches(session, account_scope_id, kind, BATCH):
            yield kind, [traits_of(each) for each in batch]


def _pair(found: Suggestion) -> FoundPair:
    plain = tuple(each.plain() for each in found.features)
    return FoundPair(found.kind, found.left_id, found.right_id, found.confidence, plain)


def _rules() -> str:
    limits = (RULES, str(SUGGEST_FROM), BLOCK_AT_MOST, EACH_AT_MOST, SLICE, features.SIMILAR_FROM)
    said = json.dumps([limits, {kind: dict(each) for kind, each in features.WEIGHTS.items()}], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:12]


def _log(compared: int, stored: Stored, proposed: int) -> None:
    log.info("identity previewed", compared=compared, proposed=proposed, **asdict(stored))
