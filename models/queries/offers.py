"""Offers and their items: lists, single rows to read and to change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, func
from sqlmodel import Session, col, select

from models.infra.scope import Scope
from models.queries.accounts import escape_like, within
from models.queries.keyset import keyset_page, sort_keys
from models.tables.crm import Account, Offer, OfferItem, Opportunity

SORTS = sort_keys(
    {
        "title": (func.lower(Offer.title), "text"),
        "created_at": (col(Offer.created_at), "time"),
        "updated_at": (col(Offer.updated_at), "time"),
    }
)


def page_of_offers(
    session: Session,
    scope: Scope,
    *,
    status: str | None,
    opportunity_id: UUID | None,
    search: str | None,
    sort: str,
    cursor: str | None,
    limit: int,
) -> tuple[Sequence[Row[Any]], str | None]:
    """Offers: rows of (Offer, opportunity's name, account's id, account's name), and the next cursor."""
    statement = _offers(scope)
    if status is not None:
        statement = statement.where(col(Offer.status) == status)
    if opportunity_id is not None:
        statement = statement.where(col(Offer.opportunity_id) == opportunity_id)
    if search:
        statement = statement.where(col(Offer.title).ilike(f"%{escape_like(search)}%"))
    return keyset_page(session, statement, SORTS, sort, col(Offer.id), cursor=cursor, limit=limit)


def find_offer(session: Session, scope: Scope, offer_id: UUID) -> Row[Any] | None:
    """One offer, as `page_of_offers` lists it."""
    return session.execute(_offers(scope).where(col(Offer.id) == offer_id)).one_or_none()


def lock_offer(session: Session, scope: Scope, offer_id: UUID) -> Offer | None:
    """The offer, locked until the transaction ends."""
    return session.exec(
        select(Offer).where(*within(Offer, scope), col(Offer.id) == offer_id).with_for_update()
    ).one_or_none()


def items_of(session: Session, scope: Scope, offers: Iterable[UUID]) -> dict[UUID, list[OfferItem]]:
    """The items of offers in their order."""
    found: dict[UUID, list[OfferItem]] = defaultdict(list)
    rows = session.exec(
        select(OfferItem)
        .where(*within(OfferItem, scope), col(OfferItem.offer_id).in_(list(offers)))
        .order_by(col(OfferItem.offer_id), col(OfferItem.position))
    )
    for row in rows:
        found[row.offer_id].append(row)
    return found


def replace_items(session: Session, offer: Offer, items: Iterable[OfferItem]) -> None:
    """Give an offer other items."""
    session.execute(delete(OfferItem).where(col(OfferItem.offer_id) == offer.id))
    # What the session knew of the old items would stand in the way of new ones at the same positions.
    for held in list(session.identity_map.values()):
        if isinstance(held, OfferItem) and held.offer_id == offer.id:
            session.expunge(held)
    session.add_all(items)
    session.flush()


def _offers(scope: Scope) -> Any:
    return (
        select(
            Offer,
            col(Opportunity.name).label("opportunity_name"),
            col(Account.id).label("account_id"),
            col(Account.name).label("account_name"),
        )
        .outerjoin(Opportunity, col(Opportunity.id) == col(Offer.opportunity_id))
        .outerjoin(Account, col(Account.id) == col(Opportunity.account_id))
        .where(*within(Offer, scope))
    )
