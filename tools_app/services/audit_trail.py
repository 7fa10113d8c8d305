"""Audit events of what people do: every mutation appends one in its own transaction, with the request's id."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlmodel import Session

from models.infra.database import reading
from models.infra.ids import AccountScopeId, ProjectId
from models.infra.logging import request_id
from models.infra.scope import Scope
from models.queries.audit import add_audit_event
from models.queries.audit_trail import Sought, page_of_events
from models.tables.platform import AuditEvent


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


@dataclass(frozen=True, slots=True)
class AuditEventView:
    """Who did what to which entity, and what of it was before and after. `project_id` is null for the account scope's own."""

    id: UUID
    created_at: dt.datetime
    project_id: UUID | None
    actor: str
    action: str
    entity_type: str
    entity_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    request_id: str | None


def list_events(
    scope: Scope, sought: Sought, *, with_scope_events: bool, sort: str, cursor: str | None, limit: int
) -> tuple[list[AuditEventView], str | None]:
    """A page of events and the next cursor. Raises InvalidInput for an unknown sort or cursor."""
    with reading() as db:
        rows, after = page_of_events(
            db,
            scope,
            sought,
            with_scope_events=with_scope_events,
            sort=sort,
            cursor=cursor,
            limit=limit,
        )
        return [_event(row[0]) for row in rows], after


def _event(row: AuditEvent) -> AuditEventView:
    return AuditEventView(
        id=row.id,
        created_at=row.created_at,
        project_id=row.project_id,
        actor=row.actor,
        action=row.action,
        entity_type=row.entity_type,
        entity_id=row.entity_id,
        before=row.before,
        after=row.after,
        request_id=row.request_id,
    )
