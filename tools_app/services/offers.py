"""Offers: write, submit, approve, send, decide. Every step is explicit, checked against what was seen, and audited.

draft → pending_approval → approved → sent → signed or declined; what is not sent yet can be reopened as a draft, which
forgets its approvals. A discount above what the client's value allows needs an approval of its own, before sending is
approved; both are asked about the policy as it is at that moment.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlmodel import Session

from models.infra.clock import utcnow
from models.infra.database import reading, transaction
from models.infra.errors import Conflict, InvalidInput, NotFound
from models.infra.scope import Scope
from models.queries import accounts, money, opportunities
from models.queries import offers as queries
from models.tables.crm import Offer, OfferItem
from tools_app.services.changes import audit, differing, require_status, require_version, scope_of, write
from tools_app.services.idempotency import Made, OnceKey, make_once
from tools_app.services.moments import scope_and_moment
from tools_app.services.money import total
from tools_app.services.offer_terms import DISCOUNT_POLICY, LARGEST, allowed_discount, line_total, totals
from tools_app.services.offer_views import (
    DiscountPolicyView,
    DiscountView,
    OfferDetail,
    OfferItemView,
    OfferStatus,
    OfferView,
    TierView,
)
from tools_app.services.views import SessionView

# From which statuses each step may be taken.
STEPS: Mapping[str, frozenset[OfferStatus]] = {
    "change": frozenset({"draft"}),
    "submit": frozenset({"draft"}),
    "approve_discount": frozenset({"pending_approval"}),
    "approve_send": frozenset({"pending_approval"}),
    "reopen": frozenset({"pending_approval", "approved"}),
    "mark_sent": frozenset({"approved"}),
    "sign": frozenset({"sent"}),
    "decline": frozenset({"sent"}),
}
_NO_APPROVALS = {
    "discount_approved_by": None,
    "discount_approved_at": None,
    "send_approved_by": None,
    "send_approved_at": None,
}


def list_offers(
    scope: Scope,
    *,
    status: OfferStatus | None,
    opportunity_id: UUID | None,
    search: str | None,
    sort: str,
    cursor: str | None,
    limit: int,
) -> tuple[list[OfferView], str | None]:
    """A page of offers and the next cursor. Raises InvalidInput for an unknown sort or cursor."""
    with reading() as db:
        rows, after = queries.page_of_offers(
            db,
            scope,
            status=status,
            opportunity_id=opportunity_id,
            search=search,
            sort=sort,
            cursor=cursor,
            limit=limit,
        )
        items = queries.items_of(db, scope, [row[0].id for row in rows])
        return [OfferView(**_fields(row, items.get(row[0].id, []))) for row in rows], after


def get_offer(scope: Scope, offer_id: UUID) -> OfferDetail:
    """One offer. Raises NotFound."""
    with reading() as db:
        return _read(db, scope, offer_id)


def discount_policy(session: SessionView) -> DiscountPolicyView:
    """The declared policy."""
    with reading() as db:
        return DiscountPolicyView(
            base_currency=money.base_currency(db, scope_of(session)),
            tiers=tuple(TierView(won_from=tier.won_from, max_pct=tier.max_pct) for tier in DISCOUNT_POLICY),
        )


def create_offer(
    session: SessionView,
    scope: Scope,
    values: Mapping[str, Any],
    items: Sequence[Mapping[str, Any]],
    once: OnceKey | None,
) -> Made[OfferDetail]:
    """Add a draft. Raises NotFound for an opportunity of another project, InvalidInput for a total beyond all measure."""

    def work(db: Session) -> OfferDetail:
        now = utcnow()
        row = Offer(
            account_scope_id=scope.account_scope_id,
            project_id=scope.project_ids[0],
            created_at=now,
            updated_at=now,
            **values,
        )
        _check_opportunity(db, scope, row)
        db.add(row)
        db.flush()
        _write_items(db, row, items)
        audit(db, session, row, "offer.create", after={**values, "items": list(items)})
        return _read(db, scope, row.id)

    return make_once(session, once, OfferDetail, work)


def change_offer(
    session: SessionView,
    scope: Scope,
    offer_id: UUID,
    version: int,
    wanted: Mapping[str, Any],
    items: Sequence[Mapping[str, Any]] | None,
) -> OfferDetail:
    """Change a draft. Raises NotFound, and Conflict for another version or status."""
    with transaction() as db:
        row = _at(db, scope, offer_id, version, "change")
        before: dict[str, Any] = {}
        changes = differing(row, wanted)
        before |= {name: getattr(row, name) for name in changes}
        after: dict[str, Any] = dict(changes)
        accounts.apply(db, row, {**changes, "updated_at": utcnow()})
        _check_opportunity(db, scope, row)
        if items is not None:
            before["items"] = [_item(each) for each in queries.items_of(db, scope, [row.id]).get(row.id, [])]
            after["items"] = list(items)
            _write_items(db, row, items)
        audit(db, session, row, "offer.change", before=before, after=after)
        return _read(db, scope, offer_id)


def submit(session: SessionView, scope: Scope, offer_id: UUID, version: int) -> OfferDetail:
    """Ask for approval of a draft. Raises Conflict for one without items."""

    def check(db: Session, row: Offer) -> None:
        if not queries.items_of(db, scope, [row.id]):
            raise Conflict("An offer without items cannot be approved.", code="no_items")

    return _step(session, scope, offer_id, version, "submit", {"status": "pending_approval"}, check)


def approve_discount(session: SessionView, scope: Scope, offer_id: UUID, version: int) -> OfferDetail:
    """Approve a discount that the policy does not allow by itself. Raises Conflict when there is nothing to approve."""

    def check(db: Session, row: Offer) -> None:
        policy = _policy(db, scope, row)
        if policy.is_approved or not policy.needs_approval:
            raise Conflict("This discount needs no approval.", code="approval_not_needed")

    approved = {"discount_approved_by": session.user, "discount_approved_at": utcnow()}
    return _step(session, scope, offer_id, version, "approve_discount", approved, check)


def approve_send(session: SessionView, scope: Scope, offer_id: UUID, version: int) -> OfferDetail:
    """Approve that the offer goes out. Raises Conflict while its discount needs an approval that it has not got."""

    def check(db: Session, row: Offer) -> None:
        policy = _policy(db, scope, row)
        if policy.needs_approval and not policy.is_approved:
            raise Conflict(
                "Its discount has to be approved first.",
                code="discount_not_approved",
                max_pct=str(policy.max_pct),
            )

    approved = {"status": "approved", "send_approved_by": session.user, "send_approved_at": utcnow()}
    return _step(session, scope, offer_id, version, "approve_send", approved, check)


def reopen(session: SessionView, scope: Scope, offer_id: UUID, version: int) -> OfferDetail:
    """Make a draft again of what was not sent; its approvals are gone."""
    return _step(session, scope, offer_id, version, "reopen", {"status": "draft", **_NO_APPROVALS})


def mark_sent(session: SessionView, scope: Scope, offer_id: UUID, version: int) -> OfferDetail:
    """Note that an approved offer went to the client."""
    return _step(session, scope, offer_id, version, "mark_sent", {"status": "sent", "sent_at": utcnow()})


def decide(
    session: SessionView, scope: Scope, offer_id: UUID, version: int, outcome: OfferStatus
) -> OfferDetail:
    """Note what the client said to a sent offer: signed or declined."""
    step = "sign" if outcome == "signed" else "decline"
    return _step(session, scope, offer_id, version, step, {"status": outcome, "decided_at": utcnow()})


def _step(
    session: SessionView,
    scope: Scope,
    offer_id: UUID,
    version: int,
    step: str,
    changes: Mapping[str, Any],
    check: Callable[[Session, Offer], None] | None = None,
) -> OfferDetail:
    with transaction() as db:
        row = _at(db, scope, offer_id, version, step)
        if check is not None:
            check(db, row)
        write(db, session, row, f"offer.{step}", changes)
        return _read(db, scope, offer_id)


def _at(db: Session, scope: Scope, offer_id: UUID, version: int, step: str) -> Offer:
    """The locked offer in a state that allows the step."""
    row = queries.lock_offer(db, scope, offer_id)
    if row is None:
        raise NotFound("There is no such offer.")
    require_version(row, version)
    require_status(row, STEPS[step], "offer")
    return row


def _check_opportunity(db: Session, scope: Scope, row: Offer) -> None:
    if (
        row.opportunity_id is not None
        and opportunities.find_opportunity(db, scope, row.opportunity_id) is None
    ):
        raise NotFound("There is no such opportunity in this project.")


def _write_items(db: Session, row: Offer, items: Sequence[Mapping[str, Any]]) -> None:
    if (
        totals([(item["quantity"], item["unit_price"]) for item in items], row.discount_pct).subtotal
        > LARGEST
    ):
        raise InvalidInput("The total is larger than can be stored.", code="amount_too_large")
    queries.replace_items(
        db,
        row,
        [
            OfferItem(
                account_scope_id=row.account_scope_id,
                project_id=row.project_id,
                offer_id=row.id,
                position=position,
                **item,
            )
            for position, item in enumerate(items, start=1)
        ],
    )


def _policy(db: Session, scope: Scope, row: Offer) -> DiscountView:
    facts, moment = scope_and_moment(db, scope)
    found = queries.find_offer(db, scope, row.id)
    account_id = None if found is None else found.account_id
    won = {} if account_id is None else opportunities.sum_won(db, scope, account_id)
    rates = money.rates_to(db, scope.account_scope_id, facts.base_currency, won, moment.today)
    # What cannot be converted is left out: a client is never taken for a better one than can be shown.
    value = total(facts.base_currency, won, rates)
    most = allowed_discount(value.total)
    return DiscountView(
        client_value=value,
        max_pct=most,
        needs_approval=row.discount_pct > most,
        is_approved=row.discount_approved_by is not None,
    )


def _read(db: Session, scope: Scope, offer_id: UUID) -> OfferDetail:
    row = queries.find_offer(db, scope, offer_id)
    if row is None:
        raise NotFound("There is no such offer.")
    items = queries.items_of(db, scope, [offer_id]).get(offer_id, [])
    # The policy is asked about the project's own sales, whatever set of projects the reader looks at.
    own = Scope.of(scope.account_scope_id, [row[0].project_id])
    return OfferDetail(**_fields(row, items), discount_policy=_policy(db, own, row[0]))


def _item(item: OfferItem) -> dict[str, Any]:
    return {"description": item.description, "quantity": item.quantity, "unit_price": item.unit_price}


def _fields(row: Any, items: Sequence[OfferItem]) -> dict[str, Any]:
    held: Offer = row[0]
    sums = totals([(each.quantity, each.unit_price) for each in items], held.discount_pct)
    return {
        "id": held.id,
        "project_id": held.project_id,
        "opportunity_id": held.opportunity_id,
        "opportunity_name": row.opportunity_name,
        "account_id": row.account_id,
        "account_name": row.account_name,
        "title": held.title,
        "status": held.status,
        "currency": held.currency,
        "discount_pct": held.discount_pct,
        "subtotal": sums.subtotal,
        "discount": sums.discount,
        "total": sums.total,
        "items": tuple(
            OfferItemView(
                position=each.position,
                **_item(each),
                total=line_total(each.quantity, each.unit_price),
            )
            for each in items
        ),
        "discount_approved_by": held.discount_approved_by,
        "discount_approved_at": held.discount_approved_at,
        "send_approved_by": held.send_approved_by,
        "send_approved_at": held.send_approved_at,
        "sent_at": held.sent_at,
        "decided_at": held.decided_at,
        "notes": held.notes,
        "version": held.version,
        "created_at": held.created_at,
        "updated_at": held.updated_at,
    }
