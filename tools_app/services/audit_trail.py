"""Audit events of what people do: every mutation appends one in its own transaction, with the request's id."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session

from models.infra.ids import AccountScopeId, ProjectId
from models.infra.logging import request_id
from models.queries.audit import add_audit_event


@dataclass(frozen=True, slots=True)
class Entity:
    """What an event is about: its type (`project`, `session` …) and its id as text."""

    type: str
    id: str


def record_event(
    session: Session,
    *,
    actor: str,
    action: str,
    entity: Entity,
    account_scope_id: AccountScopeId,
    project_id: ProjectId | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Append an event; `action` reads `entity.verb` (`session.login`)."""
    add_audit_event(
        session,
        actor=actor,
        action=action,
        entity_type=entity.type,
        entity_id=entity.id,
        account_scope_id=account_scope_id,
        project_id=project_id,
        before=None if before is None else dict(before),
        after=None if after is None else dict(after),
        request_id=request_id.get() or None,
    )
