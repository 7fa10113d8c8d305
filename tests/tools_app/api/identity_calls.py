"""How the leak test calls the endpoints of identity, and pairs that a project has to show."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx

from models.infra.database import transaction
from models.infra.ids import new_id
from models.tables.attio import Company, Person
from models.tables.chatwoot import Contact
from models.tables.identity import IdentityLink, IdentitySuggestion
from tests.tools_app.world import Place

Call = Callable[[httpx.Client, str | None], list[httpx.Response]]
Key = tuple[str, str]
SUGGESTIONS = "/api/identity/suggestions"
LINKS = "/api/identity/links"


def fill_suggestions(place: Place) -> tuple[UUID, UUID]:
    """Two proposed pairs of the place, its marker in every text: a contact and a person, the contact and a company."""
    with transaction() as session:
        place.session = session
        mark = place.marker
        company = place.row(Company, "attio", name=f"Firm {mark}", domains=[f"{mark}.example"])
        person = place.row(Person, "attio", name=f"Anna {mark}", emails=[f"anna@{mark}.example"])
        contact = place.row(Contact, "chatwoot", name=f"Анна {mark}", email=f"Anna@{mark}.example")
        both: dict[str, Any] = {"contact_id": contact.id, **scoped(place)}
        return (
            propose(place, kind="contact_person", person_id=person.id, **both),
            propose(
                place, kind="contact_company", confidence=Decimal("0.873"), company_id=company.id, **both
            ),
        )


def scoped(place: Place, other: Place | None = None) -> dict[str, UUID]:
    """The scope columns of a pair of one place, or of two."""
    return {
        "account_scope_id": place.scope,
        "project_id": place.project,
        "other_project_id": (other or place).project,
    }


def propose(place: Place, **values: Any) -> UUID:
    """Insert a suggestion whose feature shows the place's marker."""
    feature = {"code": "same_email", "weight": 0.9, "left": f"A@{place.marker}", "right": f"a@{place.marker}"}
    row = IdentitySuggestion(**{"confidence": Decimal("0.9"), "features": [feature], **values})
    place.session.add(row)
    place.session.flush()
    return row.id


def fill_identity(place: Place) -> None:
    """A proposed pair and an accepted one."""
    accepted, _ = fill_suggestions(place)
    with transaction() as session:
        row = session.get_one(IdentitySuggestion, accepted)
        row.status = "accepted"
        session.add(row)
        session.add(
            IdentityLink(
                suggestion_id=row.id, created_by=f"user {place.marker}", kind=row.kind, contact_id=row.contact_id,
                person_id=row.person_id, **scoped(place),
            )
        )  # fmt: skip


def _read(path: str, *queries: dict[str, Any]) -> Call:
    def call(client: httpx.Client, project: str | None) -> list[httpx.Response]:
        chosen = {} if project is None else {"project_id": project}
        return [client.get(path, params={**query, **chosen}) for query in queries]

    return call


def _post(path: str, **body: Any) -> Call:
    return lambda client, project: [client.post(path, json={"project_id": project or "all", **body})]


READS: list[Key] = [("get", SUGGESTIONS), ("get", LINKS)]
CALLS: dict[Key, Call] = {
    ("get", SUGGESTIONS): _read(
        SUGGESTIONS, {}, {"sort": "created_at"}, {"status": "proposed"}, {"kind": "contact_person"}
    ),
    ("get", LINKS): _read(LINKS, {}, {"sort": "created_at"}),
    ("post", f"{SUGGESTIONS}/preview"): lambda client, _: [client.post(f"{SUGGESTIONS}/preview")],
    ("post", "/api/identity/apply"): _post("/api/identity/apply", suggestion_ids=[str(new_id())]),
    ("post", "/api/identity/dismiss"): _post("/api/identity/dismiss", suggestion_ids=[str(new_id())]),
    ("post", "/api/identity/unlink"): _post("/api/identity/unlink", link_ids=[str(new_id())]),
}
