"""Raw rows of a small studio for tests of indexing and search: few records, each with a subject of its own."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from jobs.indexing import IndexProgress, IndexResult, index_pending
from models.infra.clock import utcnow
from models.infra.database import reading, transaction
from models.infra.ids import AccountScopeId
from models.tables.attio import Deal, Note
from models.tables.chatwoot import Conversation, Message
from models.tables.linear import Comment, Issue
from tests.tools_app.world import Place

MARCH = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
APRIL = dt.datetime(2026, 4, 6, 9, 0, tzinfo=dt.UTC)
MAY = dt.datetime(2026, 5, 4, 9, 0, tzinfo=dt.UTC)
BUDGET_S = 60.0

QUESTION = "When will the loyalty card barcode be delivered?"


@dataclass(frozen=True)
class Corpus:
    """One record of each kind about the loyalty card, and a conversation about something else."""

    talk: Conversation
    message: Message
    other: Message
    issue: Issue
    comment: Comment
    deal: Deal
    note: Note


def make_corpus(place: Place, word: str = "") -> Corpus:
    """Insert the records into a project; ``word`` stands in each text and tells look-alikes apart."""
    talk = place.conversation(subject="Loyalty card", contact_name="Ana Petrova")
    message = place.message(
        talk,
        MARCH,
        1,
        body=f"We will deliver the loyalty card barcode on Friday 13 March. {word}".strip(),
        sender_name="Ivan",
    )
    side = place.conversation(subject="Parking", contact_name="Boris Ilic")
    other = place.message(
        side,
        MARCH,
        0,
        body=f"Where may visitors park their bicycles? {word}".strip(),
        sender_name="Boris Ilic",
    )
    issue = place.issue(
        title="Loyalty card barcode is blurred",
        description=f"The barcode of the loyalty card cannot be scanned at the till. {word}".strip(),
        source_created_at=APRIL,
        source_updated_at=APRIL,
    )
    comment = place.row(
        Comment,
        "linear",
        issue_id=issue.id,
        body=f"The sharper loyalty card barcode will be delivered with build 41. {word}".strip(),
        author_name="Mila",
        source_created_at=APRIL,
        source_updated_at=APRIL,
    )
    deal = place.deal(
        name=f"Loyalty card second phase {word}".strip(),
        next_step=f"Send the loyalty card barcode estimate {word}".strip(),
        source_created_at=MAY,
        source_updated_at=MAY,
    )
    note = place.row(
        Note,
        "attio",
        parent_object="deals",
        parent_vendor_id=deal.vendor_id,
        title="Call about the loyalty card",
        body=f"The client wants the loyalty card barcode delivered before the season. {word}".strip(),
        author_name="Sara",
        source_created_at=MAY,
        source_updated_at=MAY,
    )
    return Corpus(talk, message, other, issue, comment, deal, note)


def index(
    scope: AccountScopeId,
    *,
    lexical_only: bool = False,
    budget_s: float = BUDGET_S,
    progress: Callable[[IndexProgress], None] | None = None,
) -> IndexResult:
    """Run indexing to its end."""
    return index_pending(scope, lexical_only=lexical_only, budget_s=budget_s, progress=progress)


def change(model: type[Any], record: Any, **values: Any) -> None:
    """Change a raw row as a sync would: new values, and a new ``synced_at``."""
    with transaction() as session:
        row = session.get_one(model, record.id)
        for name, value in values.items():
            setattr(row, name, value)
        row.synced_at = utcnow()
        session.add(row)


def delete(model: type[Any], record: Any) -> None:
    """Put a tombstone on a raw row."""
    change(model, record, deleted_at=utcnow())


def rows(statement: str, **values: Any) -> list[Any]:
    """The rows of a statement, read in a session of its own."""
    with reading() as session:
        return list(session.connection().execute(text(statement), values).all())
