"""Account scopes and their projects: what exists and what a caller may name."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session, col, select

from models.infra.ids import AccountScopeId, ProjectId
from models.tables.platform import AccountScope, Project

# Every page reads it: a text costs a third of the same statement put together anew.
_SCOPE_WITH_PROJECTS = text("""
SELECT s.slug AS scope_slug, s.name AS scope_name, s.timezone, s.base_currency,
       p.id, p.slug, p.name, p.kind, p.created_at
FROM account_scopes s LEFT JOIN projects p ON p.account_scope_id = s.id AND p.archived_at IS NULL
WHERE s.id = :scope
ORDER BY p.kind = 'unassigned', p.name, p.id
""")


@dataclass(frozen=True, slots=True)
class ScopeFacts:
    """What reading needs to know of an account scope: its zone decides "today", its currency is the base."""

    id: AccountScopeId
    slug: str
    name: str
    timezone: str
    base_currency: str


@dataclass(frozen=True, slots=True)
class ProjectFacts:
    """A project as lists show it. `kind` is client or unassigned."""

    id: ProjectId
    account_scope_id: AccountScopeId
    slug: str
    name: str
    kind: str
    created_at: dt.datetime


def first_scope(session: Session) -> ScopeFacts | None:
    """The oldest account scope: what a login opens when none is named."""
    row = session.exec(
        select(AccountScope).order_by(col(AccountScope.created_at), col(AccountScope.id)).limit(1)
    ).first()
    return None if row is None else _scope(row)


def scope_by_slug(session: Session, slug: str) -> ScopeFacts | None:
    """The account scope of that name, or None."""
    row = session.exec(select(AccountScope).where(AccountScope.slug == slug)).first()
    return None if row is None else _scope(row)


def scope_facts(session: Session, account_scope_id: AccountScopeId) -> ScopeFacts | None:
    """The account scope, or None when it does not exist (any more)."""
    row = session.get(AccountScope, account_scope_id)
    return None if row is None else _scope(row)


def list_projects(session: Session, account_scope_id: AccountScopeId) -> list[ProjectFacts]:
    """The projects of a scope that are not archived: clients by name, the unassigned one last."""
    rows = session.exec(
        select(Project)
        .where(Project.account_scope_id == account_scope_id, col(Project.archived_at).is_(None))
        .order_by((col(Project.kind) == "unassigned"), col(Project.name), col(Project.id))
    )
    return [_project(row) for row in rows]


def scope_with_projects(
    session: Session, account_scope_id: AccountScopeId
) -> tuple[ScopeFacts, list[ProjectFacts]] | None:
    """`scope_facts` and `list_projects` in one read; None when the account scope does not exist (any more)."""
    rows = session.execute(_SCOPE_WITH_PROJECTS, {"scope": account_scope_id}).all()
    if not rows:
        return None
    of = rows[0]
    scope = ScopeFacts(account_scope_id, of.scope_slug, of.scope_name, of.timezone, of.base_currency)
    return scope, [
        ProjectFacts(ProjectId(row.id), account_scope_id, row.slug, row.name, row.kind, row.created_at)
        for row in rows
        if row.id is not None
    ]


def create_project(session: Session, account_scope_id: AccountScopeId, slug: str, name: str) -> ProjectFacts:
    """Add a client project. Raises IntegrityError when the slug is taken inside the scope."""
    row = Project(account_scope_id=account_scope_id, slug=slug, name=name, kind="client")
    session.add(row)
    session.flush()
    return _project(row)


def _scope(row: AccountScope) -> ScopeFacts:
    return ScopeFacts(AccountScopeId(row.id), row.slug, row.name, row.timezone, row.base_currency)


def _project(row: Project) -> ProjectFacts:
    scope: UUID = row.account_scope_id
    return ProjectFacts(
        ProjectId(row.id), AccountScopeId(scope), row.slug, row.name, row.kind, row.created_at
    )
