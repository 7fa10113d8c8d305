"""A public collection as an account of its own: its documents become raw rows that indexing and search treat like any other.

One account scope per index part (``en``, ``ru``, ``mix``), one project each. Documents are notes, without title and
author, cut to one chunk; their project is of the kind that no name search knows, so that no word of a question is taken for
a client's name. Indexing the rows is the caller's (`jobs.indexing`): the texts take the same way as a vendor's.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from sqlmodel import Session, col, select

from models.infra.clock import utcnow
from models.infra.ids import AccountScopeId, ProjectId
from models.infra.scope import Scope
from models.tables.attio import Note
from models.tables.platform import AccountScope, Project, VendorConnection
from retrieval.chunking import BODY_CHARS
from retrieval.evaluation.datasets import JudgedCollection

# The type of record that a document becomes.
KIND = "note"
PARTS: tuple[str, ...] = ("en", "ru", "mix")
# All documents are of the same age, so that freshness says nothing.
_WRITTEN = datetime(2026, 1, 1, tzinfo=UTC)


def import_part(session: Session, collection: JudgedCollection, part: str) -> Scope:
    """The scope that holds a part's documents, made when it is not there; a changed document is written again."""
    scope = find_part(session, collection.name, part)
    if scope is None:
        scope = _make_account(session, f"{collection.name}-{part}")
    connection = session.exec(
        select(VendorConnection).where(VendorConnection.account_scope_id == scope.account_scope_id)
    ).one()
    known = {
        row.vendor_id: row
        for row in session.exec(select(Note).where(Note.account_scope_id == scope.account_scope_id))
    }
    wanted = {key: text for key, (lang, text) in collection.documents.items() if part in (lang, "mix")}
    for document_id, text in wanted.items():
        body = _one_chunk(text)
        digest = hashlib.sha256(body.encode()).hexdigest()
        row = known.get(document_id)
        if row is not None and row.content_hash == digest:
            continue
        row = row or Note(
            account_scope_id=scope.account_scope_id,
            project_id=scope.project_ids[0],
            connection_id=connection.id,
            vendor_id=document_id,
            content_hash=digest,
            synced_at=utcnow(),
            parent_object="companies",
            parent_vendor_id="",
        )
        row.body, row.content_hash, row.synced_at = body, digest, utcnow()
        row.source_created_at = row.source_updated_at = _WRITTEN
        session.add(row)
    for document_id in known.keys() - wanted.keys():
        session.delete(known[document_id])
    session.flush()
    return scope


def find_part(session: Session, name: str, part: str) -> Scope | None:
    """The scope of an index part, None when it was never imported."""
    row = session.exec(
        select(Project)
        .join(AccountScope, col(AccountScope.id) == col(Project.account_scope_id))
        .where(AccountScope.slug == f"{name}-{part}")
    ).one_or_none()
    return Scope.of(AccountScopeId(row.account_scope_id), [ProjectId(row.id)]) if row else None


def _make_account(session: Session, slug: str) -> Scope:
    account = AccountScope(slug=slug, name=slug, timezone="UTC")
    session.add(account)
    session.flush()
    project = Project(account_scope_id=account.id, slug="pages", name="Pages", kind="unassigned")
    connection = VendorConnection(
        account_scope_id=account.id,
        connector="attio",
        name="Collection",
        base_url="http://collection.invalid",
        external_account=slug,
        token_encrypted="",
    )
    session.add_all([project, connection])
    session.flush()
    return Scope.of(AccountScopeId(account.id), [ProjectId(project.id)])


def _one_chunk(text: str) -> str:
    """The beginning of a text that fits one chunk, cut between words."""
    text = " ".join(text.split())
    return text if len(text) <= BODY_CHARS else text[: BODY_CHARS + 1].rsplit(" ", 1)[0]
