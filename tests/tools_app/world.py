"""Look-alike rows for tests of services and API: scopes with projects whose data differs only in a marker.

Every text of a project's rows carries the project's marker, so that a leak shows as a foreign marker in an answer.
"""

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlmodel import Session, SQLModel

from models.infra.clock import utcnow
from models.infra.ids import AccountScopeId, ProjectId, new_id
from models.infra.scope import Scope
from models.tables.attio import Company, Deal, Note, Person
from models.tables.chatwoot import Contact, Conversation, Inbox, Message
from models.tables.crm import Opportunity
from models.tables.linear import Comment, Issue, LinearCycle, LinearProject, LinearState
from models.tables.platform import AccountScope, JobRun, Project, VendorConnection
from models.tables.reliability import ConnectorError, ConnectorSyncState, ReconciliationMetric

HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)


@dataclass
class Place:
    """One project and the connections of its scope; `add` makes rows in it."""

    session: Session
    scope: AccountScopeId
    project: ProjectId
    slug: str
    marker: str
    connections: dict[str, UUID]
    made: int = 0

    def row(self, model: type[Any], connector: str, **values: Any) -> Any:
        """Insert a raw row with what every raw row needs."""
        self.made += 1
        # The same vendor ids in every scope: the worst look-alike there is.
        vendor_id = values.pop("vendor_id", f"{self.slug}-{self.made}")
        held = model(
            account_scope_id=self.scope,
            project_id=self.project,
            connection_id=self.connections[connector],
            vendor_id=vendor_id,
            url=f"http://vendor.example/{self.marker}/{vendor_id}",
            content_hash=f"{self.marker}-{self.made}",
            payload={"marker": self.marker},
            synced_at=utcnow(),
            **{"source_created_at": utcnow(), "source_updated_at": utcnow(), **values},
        )
        self.session.add(held)
        self.session.flush()
        return held

    def conversation(self, **values: Any) -> Conversation:
        defaults: dict[str, Any] = {
            "status": "open",
            "contact_name": f"Client {self.marker}",
            "inbox_name": f"mail {self.marker}",
            "subject": f"Deadline {self.marker}",
        }
        return self.row(Conversation, "chatwoot", **{**defaults, **values})

    def message(self, conversation: Conversation, at: dt.datetime, kind: int, **values: Any) -> Message:
        defaults: dict[str, Any] = {
            "body": f"We promised the deadline on Friday, says {self.marker}.",
            "sender_name": f"Sender {self.marker}",
            "private": False,
        }
        return self.row(
            Message,
            "chatwoot",
            conversation_id=conversation.id,
            sent_at=at,
            message_type=kind,
            source_created_at=at,
            **{**defaults, **values},
        )

    def issue(self, **values: Any) -> Issue:
        self.made += 1
        defaults: dict[str, Any] = {
            "identifier": f"{self.slug[:3].upper()}-{self.made}",
            "title": f"Deadline issue {self.marker}",
            "description": f"The promised deadline of {self.marker}",
            "state_name": "In Progress",
            "state_type": "started",
            "team_key": self.slug[:3].upper(),
            "assignee_name": f"Assignee {self.marker}",
        }
        return self.row(Issue, "linear", **{**defaults, **values})

    def deal(self, **values: Any) -> Deal:
        defaults: dict[str, Any] = {
            "name": f"Deadline deal {self.marker}",
            "stage": "Proposal",
            "value": Decimal("1000.50"),
            "currency": "EUR",
            "owner_name": f"Owner {self.marker}",
            "next_step": f"Call {self.marker}",
        }
        return self.row(Deal, "attio", **{**defaults, **values})


@dataclass
class World:
    """A scope with its places by slug."""

    scope: AccountScopeId
    places: dict[str, Place] = field(default_factory=dict)

    def of(self, *slugs: str) -> Scope:
        """The scope of some of its projects, of all without names."""
        return Scope.of(
            self.scope, (each.project for slug, each in self.places.items() if not slugs or slug in slugs)
        )


def make_world(
    session: Session,
    scope_slug: str,
    projects: tuple[str, ...] = ("alpha", "beta"),
    *,
    zone: str = "Europe/Belgrade",
) -> World:
    """A scope with client projects, an unassigned one and a connection a vendor; no business rows yet."""
    scope = _add(
        session, AccountScope(slug=scope_slug, name=f"Scope {scope_slug}", timezone=zone, base_currency="EUR")
    )
    connections = {
        connector: _add(
            session,
            VendorConnection(
                account_scope_id=scope.id,
                connector=connector,
                name=f"{connector} {scope_slug}",
                base_url=f"http://{connector}-{scope_slug}.example",
                token_encrypted=f"secret-{scope_slug}",
            ),
        ).id
        for connector in ("chatwoot", "linear", "attio")
    }
    world = World(AccountScopeId(scope.id))
    for slug in (*projects, "unassigned"):
        kind = "unassigned" if slug == "unassigned" else "client"
        project = _add(
            session,
            Project(account_scope_id=scope.id, slug=slug, name=f"{slug.title()} of {scope_slug}", kind=kind),
        )
        world.places[slug] = Place(
            session, world.scope, ProjectId(project.id), slug, marker(scope_slug, slug), connections
        )
    return world


def marker(scope_slug: str, project_slug: str) -> str:
    """The text that stands in every row of a project and nowhere else."""
    return f"mark{scope_slug}{project_slug}"


def fill(place: Place, now: dt.datetime) -> None:
    """One row of everything, so that every list and every figure of the project has something to show or to leak."""
    talk = place.conversation()
    place.message(talk, now - 30 * HOUR, 0)
    place.message(talk, now - 29 * HOUR, 1)
    place.message(talk, now - 2 * HOUR, 0)
    place.row(Inbox, "chatwoot", name=f"Inbox {place.marker}")
    place.row(Contact, "chatwoot", name=f"Contact {place.marker}")
    late = place.issue(due_date=(now - 3 * DAY).date())
    place.issue(blocked_by=[late.identifier])
    place.issue(state_type="completed", state_name="Done", completed_at=now - DAY)
    place.row(
        Comment, "linear", issue_id=late.id, body=f"Deadline comment {place.marker}", author_name=place.marker
    )
    place.row(LinearProject, "linear", name=f"Workstream {place.marker}")
    place.row(LinearState, "linear", name=f"State {place.marker}", type="started")
    place.row(LinearCycle, "linear", number=1, name=f"Cycle {place.marker}")
    place.deal()
    place.deal(value=Decimal(70000), currency="USD")
    company = place.row(
        Company, "attio", name=f"Company {place.marker}", description=f"Deadline {place.marker}"
    )
    place.row(Person, "attio", name=f"Person {place.marker}")
    place.row(
        Note,
        "attio",
        parent_object="companies",
        parent_vendor_id=company.vendor_id,
        title=f"Note {place.marker}",
        body=f"They asked about the deadline of {place.marker}.",
        author_name=place.marker,
    )
    opportunity = Opportunity(
        account_scope_id=place.scope,
        project_id=place.project,
        name=f"Opportunity {place.marker}",
        stage="unmapped",
        vendor_stage=f"Stage {place.marker}",
    )
    _add(place.session, opportunity)
    connection = place.connections["linear"]
    _add(
        place.session,
        ConnectorError(
            account_scope_id=place.scope,
            project_id=place.project,
            connection_id=connection,
            stream="issues",
            unit=f"unit {place.marker}",
            error_kind="bad_record",
            message=f"message {place.marker}",
            payload={"marker": place.marker, "access_token": "hidden"},
        ),
    )
    _add(
        place.session,
        JobRun(
            job="sync",
            subject=place.marker,
            account_scope_id=place.scope,
            project_id=place.project,
            status="succeeded",
        ),
    )
    state = place.session.get(ConnectorSyncState, connection)
    if state is None:
        _add(
            place.session,
            ConnectorSyncState(
                connection_id=connection, account_scope_id=place.scope, status="ok", last_success_at=now
            ),
        )


def compare(session: Session, world: World) -> None:
    """A comparison of Linear's issues with the vendor: four records a project, one of each difference."""

    def row(count: int, **values: Any) -> None:
        metric = ReconciliationMetric(
            account_scope_id=world.scope,
            connection_id=next(iter(world.places.values())).connections["linear"],
            stream="issues",
            method="ids",
            vendor_count=4 * count,
            local_count=4 * count,
            missing=count,
            extra=count,
            stale=count,
            duplicates=0,
            ids_seen=4 * count,
            completeness_pct=75.0,
            measured_at=now,
            **values,
        )
        _add(session, metric)

    now = utcnow()
    row(len(world.places))
    for place in world.places.values():
        row(
            1,
            project_id=place.project,
            missing_ids={f"missing-{place.marker}": None},
            extra_ids=[f"extra-{place.marker}"],
            stale_ids=[f"stale-{place.marker}"],
        )


def _add(session: Session, row: Any) -> Any:
    assert isinstance(row, SQLModel)
    session.add(row)
    session.flush()
    return row


def unused_id() -> str:
    """An id that no row has."""
    return str(new_id())
