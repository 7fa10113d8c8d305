"""A small scope in the database for tests: one account scope, projects, and a connection to a vendor."""

from dataclasses import dataclass
from uuid import UUID

from sqlmodel import Session

from models.infra.crypto import encrypt
from models.infra.ids import AccountScopeId, ConnectionId, ProjectId
from models.infra.scope import Scope
from models.queries.sync_state import ConnectionRow, get_connection
from models.tables.platform import AccountScope, Project, ProjectBinding, VendorConnection


@dataclass(frozen=True)
class MadeScope:
    """Ids of what `make_scope` made; `projects` by slug, the unassigned one among them."""

    id: AccountScopeId
    projects: dict[str, ProjectId]

    @property
    def all(self) -> Scope:
        """Every project of the scope."""
        return Scope.of(self.id, self.projects.values())

    def only(self, slug: str) -> Scope:
        """One project."""
        return Scope.of(self.id, [self.projects[slug]])


def make_scope(
    session: Session, slug: str = "studio", projects: tuple[str, ...] = ("one", "two")
) -> MadeScope:
    """Insert a scope with client projects and its unassigned project."""
    scope = AccountScope(slug=slug, name=slug.title(), timezone="Europe/Belgrade")
    session.add(scope)
    session.flush()
    made = {
        name: Project(account_scope_id=scope.id, slug=name, name=name.title(), kind="client")
        for name in projects
    }
    made["unassigned"] = Project(
        account_scope_id=scope.id, slug="unassigned", name="Unassigned", kind="unassigned"
    )
    session.add_all(made.values())
    session.flush()
    return MadeScope(
        AccountScopeId(scope.id), {name: ProjectId(project.id) for name, project in made.items()}
    )


def make_connection(
    session: Session,
    scope: MadeScope,
    connector: str,
    *,
    base_url: str = "http://127.0.0.1:1",
    external_account: str = "1",
    token: str = "token",  # noqa: S107 - what a test's vendor accepts
    rules: tuple[tuple[str, str, str], ...] = (),
) -> ConnectionRow:
    """Insert a connection with routing rules (kind, value, project slug) and return it."""
    row = VendorConnection(
        account_scope_id=scope.id,
        connector=connector,
        name=connector.title(),
        base_url=base_url,
        external_account=external_account,
        token_encrypted=encrypt(token),
    )
    session.add(row)
    session.flush()
    for priority, (kind, value, slug) in enumerate(rules):
        session.add(
            ProjectBinding(
                account_scope_id=scope.id,
                project_id=scope.projects[slug],
                connection_id=row.id,
                priority=priority,
                rule_kind=kind,
                rule_value=value,
            )
        )
    session.flush()
    return get_connection(session, ConnectionId(UUID(str(row.id))))
