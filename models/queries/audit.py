"""The audit trail: append-only rows in monthly partitions."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from models.tables.platform import AuditEvent


def add_audit_event(
    session: Session,
    *,
    actor: str,
    action: str,
    entity_type: str,
    entity_id: str,
    account_scope_id: UUID | None = None,
    project_id: UUID | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    request_id: str | None = None,
) -> None:
    """Append one event in the caller's transaction, so that it exists exactly when the change does."""
    session.add(
        AuditEvent(
            actor=actor,
            action=action,
            entity_type=entity_type,
            entity_id=entity_id,
            account_scope_id=account_scope_id,
            project_id=project_id,
            before=before,
            after=after,
            request_id=request_id,
        )
    )


def ensure_audit_partitions(session: Session, months_ahead: int = 3) -> int:
    """Create the partitions of this and the coming months where they are missing; return how many were made."""
    return session.execute(
        text("SELECT ensure_audit_partitions(:months)"), {"months": months_ahead}
    ).scalar_one()
