"""The demo account scope: six projects, one connection per vendor to the sandbox, and the rules that route records.

Safe to run at every start: what is there is kept, what changed (a port, a token) is brought up to date.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from jobs.sandbox.bindings import demo_bindings
from jobs.sandbox.world.authored import StudioWorld
from jobs.sandbox.world.loader import load_studio
from models.infra.crypto import SecretUnreadable, decrypt, encrypt
from models.infra.ids import new_id
from models.tables.platform import AccountScope, Project, ProjectBinding, VendorConnection

SCOPE_SLUG = "meridian"
SCOPE_NAME = "Meridian Studio"
TIMEZONE = "Europe/Belgrade"
CURRENCY = "EUR"
UNASSIGNED = "unassigned"
CHATWOOT_ACCOUNT = "1"
# The clients' names in the other alphabet, by slug, as people write them: questions come in both.
ALIASES = {
    "harbor-pine": ["Харбор и Пайн"],
    "severny-bereg": ["Severny Bereg", "Severnyy Bereg"],
    "lumen-health": ["Лумен Хелс", "Люмен Хелс"],
    "tochka-rosta": ["Tochka Rosta"],
    "voltline": ["Вольтлайн"],
    "orchard-lane": ["Орчард и Лейн"],
}
# Lower wins: a label set by hand is surer than the sender's domain, both are surer than the inbox.
_LABEL, _DOMAIN, _PLACE = 10, 20, 100


@dataclass(frozen=True, slots=True)
class SandboxVendors:
    """Where the sandbox serves, and its tokens by vendor."""

    port_base: int
    tokens: dict[str, str]

    def origin(self, connector: str) -> str:
        """The base URL of a vendor."""
        offset = ("chatwoot", "linear", "attio").index(connector)
        return f"http://127.0.0.1:{self.port_base + offset}"


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """What the demo consists of now."""

    account_scope_id: UUID
    projects: int
    connections: int
    bindings: int


@dataclass(frozen=True, slots=True)
class _Binding:
    connector: str
    project: str
    priority: int
    kind: str
    value: str


def ensure_demo(session: Session, vendors: SandboxVendors, studio: StudioWorld | None = None) -> DemoAccount:
    """Create or update the demo in the caller's transaction and say what it consists of."""
    studio = studio or load_studio()
    scope_id = _ensure_scope(session)
    projects = _ensure_projects(session, scope_id, studio)
    connections = {
        name: _ensure_connection(session, scope_id, name, vendors) for name in ("chatwoot", "linear", "attio")
    }
    bindings = [binding for binding in _bindings(studio) if binding.project in projects]
    for binding in bindings:
        statement = insert(ProjectBinding).values(
            id=new_id(),
            account_scope_id=scope_id,
            project_id=projects[binding.project],
            connection_id=connections[binding.connector],
            priority=binding.priority,
            rule_kind=binding.kind,
            rule_value=binding.value,
        )
        # A rule that a user pointed elsewhere stays where it points.
        session.execute(statement.on_conflict_do_nothing(constraint="uq_project_bindings_rule"))
    return DemoAccount(scope_id, len(projects) - 1, len(connections), len(bindings))


def _bindings(studio: StudioWorld) -> Iterable[_Binding]:
    for held in demo_bindings(studio):
        slug = held.slug
        for inbox in held.chatwoot_inboxes:
            yield _Binding("chatwoot", slug, _PLACE, "inbox", inbox)
        for label in held.chatwoot_labels:
            yield _Binding("chatwoot", slug, _LABEL, "label", label)
        for domain in held.chatwoot_company_domains:
            yield _Binding("chatwoot", slug, _DOMAIN, "company_domain", domain)
        yield _Binding("linear", slug, _PLACE, "team", held.linear_team)
        if held.attio_list:
            yield _Binding("attio", slug, _PLACE, "list", held.attio_list)
        for domain in held.attio_company_domains:
            yield _Binding("attio", slug, _DOMAIN, "company_domain", domain)


def _ensure_scope(session: Session) -> UUID:
    values = {"slug": SCOPE_SLUG, "name": SCOPE_NAME, "timezone": TIMEZONE, "base_currency": CURRENCY}
    session.execute(
        insert(AccountScope).values(id=new_id(), **values).on_conflict_do_nothing(index_elements=["slug"])
    )
    return session.exec(select(AccountScope.id).where(AccountScope.slug == SCOPE_SLUG)).one()


def _ensure_projects(session: Session, scope_id: UUID, studio: StudioWorld) -> dict[str, UUID]:
    wanted = [
        (slug, held.info.client, "client") for slug, held in studio.projects.items() if slug != UNASSIGNED
    ]
    wanted.append((UNASSIGNED, "Unassigned", "unassigned"))
    for slug, name, kind in wanted:
        statement = insert(Project).values(
            id=new_id(),
            account_scope_id=scope_id,
            slug=slug,
            name=name,
            kind=kind,
            aliases=ALIASES.get(slug, []),
        )
        session.execute(statement.on_conflict_do_nothing(constraint="uq_projects_slug"))
    rows = session.exec(select(Project).where(Project.account_scope_id == scope_id)).all()
    for row in rows:
        # A demo made before there were any; what somebody has written stays.
        if not row.aliases:
            row.aliases = ALIASES.get(row.slug, [])
    return {row.slug: row.id for row in rows}


def _ensure_connection(session: Session, scope_id: UUID, connector: str, vendors: SandboxVendors) -> UUID:
    account = CHATWOOT_ACCOUNT if connector == "chatwoot" else ""
    token, origin = vendors.tokens[connector], vendors.origin(connector)
    row = session.exec(
        select(VendorConnection)
        .where(VendorConnection.account_scope_id == scope_id, VendorConnection.connector == connector)
        .order_by(col(VendorConnection.created_at))
        .limit(1)
    ).first()
    if row is None:
        row = VendorConnection(
            account_scope_id=scope_id,
            connector=connector,
            name=f"Sandbox {connector.capitalize()}",
            base_url=origin,
            external_account=account,
            token_encrypted=encrypt(token),
            settings={"sandbox": True},
        )
    elif row.settings.get("sandbox"):
        row.base_url = origin
        if _readable(row.token_encrypted) != token:
            row.token_encrypted = encrypt(token)
    session.add(row)
    session.flush()
    return row.id


def _readable(token_encrypted: str) -> str | None:
    try:
        return decrypt(token_encrypted)
    except SecretUnreadable:
        # The demo's key was deleted with its file: the sandbox's token is known, so it is simply stored again.
        return None
