"""Reading the audit trail, newest first."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, or_
from sqlmodel import Session, col, select

from models.infra.scope import Scope
from models.queries.keyset import keyset_page, sort_keys
from models.tables.platform import AuditEvent

SORTS = sort_keys({"created_at": (col(AuditEvent.created_at), "time")})


@dataclass(frozen=True, slots=True)
class Sought:
    """What the list is narrowed to; None leaves a field open. `action` may end in `*`."""

    actor: str | None = None
    action: str | None = None
    entity_type: str | None = None
    entity_id: str | None = None
    request_id: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None


def page_of_events(
    session: Session,
    scope: Scope,
    sought: Sought,
    *,
    with_scope_events: bool,
    sort: str,
    cursor: str | None,
    limit: int,
) -> tuple[Sequence[Row[Any]], str | None]:
    """Events of the scope's projects, and with `with_scope_events` those of the account scope that belong to none."""
    of_projects = col(AuditEvent.project_id).in_(scope.project_ids)
    belongs = or_(of_projects, col(AuditEvent.project_id).is_(None)) if with_scope_events else of_projects
    statement = select(AuditEvent).where(AuditEvent.account_scope_id == scope.account_scope_id, belongs)
    for name in ("actor", "entity_type", "entity_id", "request_id"):
        wanted = getattr(sought, name)
        if wanted is not None:
            statement = statement.where(getattr(AuditEvent, name) == wanted)
    if sought.action is not None and sought.action.endswith("*"):
        statement = statement.where(
            col(AuditEvent.action).startswith(sought.action.removesuffix("*"), autoescape=True)
        )
    elif sought.action is not None:
        statement = statement.where(AuditEvent.action == sought.action)
    if sought.since is not None:
        statement = statement.where(col(AuditEvent.created_at) >= sought.since)
    if sought.until is not None:
        statement = statement.where(col(AuditEvent.created_at) < sought.until)
    return keyset_page(session, statement, SORTS, sort, col(AuditEvent.id), cursor=cursor, limit=limit)
