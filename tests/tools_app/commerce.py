"""Commercial rows for tests, made through the API or put into a place with its marker in every text."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
from sqlmodel import Session

from models.infra.clock import utcnow
from models.infra.database import transaction
from models.infra.ids import new_id
from models.queries.audit import add_audit_event
from models.tables.crm import Account, AccountContact, Offer, OfferItem, Opportunity
from models.tables.outbound import OutboundMessage
from tests.tools_app.world import Place


@dataclass(frozen=True)
class Filled:
    """Ids of what `fill_commerce` put into a place."""

    account: UUID
    contact: UUID
    opportunity: UUID
    offer: UUID
    message: UUID


def fill_commerce(place: Place) -> Filled:
    """One row of every commercial table in a place, its marker in every text."""
    with transaction() as session:
        return _fill(session, place)


def _fill(session: Session, place: Place) -> Filled:
    scoped: dict[str, Any] = {"account_scope_id": place.scope, "project_id": place.project}
    mark = place.marker
    account = Account(**scoped, name=f"Account {mark}", domain="same.example", notes=mark)
    contact = AccountContact(
        **scoped, account_id=account.id, name=f"Contact {mark}", email=f"{mark}@same.example"
    )
    opportunity = Opportunity(
        **scoped, account_id=account.id, name=f"Sale {mark}", stage="won", amount=Decimal(100), currency="EUR"
    )
    offer = Offer(**scoped, opportunity_id=opportunity.id, title=f"Offer {mark}", currency="EUR")
    message = OutboundMessage(
        **scoped, contact_id=contact.id, channel="email", subject=f"Subject {mark}", body=f"Body {mark}"
    )
    for row in (account, contact, opportunity, offer, message):
        session.add(row)
        session.flush()
    session.add(
        OfferItem(
            **scoped,
            offer_id=offer.id,
            position=1,
            description=f"Item {mark}",
            quantity=Decimal(1),
            unit_price=Decimal(10),
        )
    )
    add_audit_event(
        session,
        actor=f"actor {mark}",
        action="account.change",
        entity_type="account",
        entity_id=str(account.id),
        account_scope_id=place.scope,
        project_id=place.project,
        before={"name": mark},
    )
    return Filled(account.id, contact.id, opportunity.id, offer.id, message.id)


def mirrored_account(place: Place, name: str = "Mirrored") -> UUID:
    """An account that follows a vendor's record."""
    with transaction() as session:
        row = Account(
            account_scope_id=place.scope,
            project_id=place.project,
            connection_id=place.connections["attio"],
            vendor_id=f"company-{new_id()}",
            name=name,
            domain="mirrored.example",
        )
        session.add(row)
        session.flush()
        return row.id


def mirrored_opportunity(place: Place, **values: Any) -> UUID:
    """An opportunity that follows a vendor's record."""
    with transaction() as session:
        row = Opportunity(
            account_scope_id=place.scope,
            project_id=place.project,
            connection_id=place.connections["attio"],
            vendor_id=f"deal-{new_id()}",
            **{"name": "Mirrored deal", "stage": "proposal", **values},
        )
        session.add(row)
        session.flush()
        return row.id


def add(client: httpx.Client, path: str, key: str, /, **body: Any) -> dict[str, Any]:
    """Create something in project alpha through the API and return it."""
    answer = client.post(f"/api{path}", json={"project_id": "alpha", **body})
    assert answer.status_code == 201, answer.text
    return answer.json()[key]


def error_code(answer: httpx.Response, status: int) -> str:
    """The code of an error answer of that status."""
    assert answer.status_code == status, answer.text
    return answer.json()["error"]["code"]


def today() -> dt.date:
    """The day in UTC."""
    return utcnow().date()
