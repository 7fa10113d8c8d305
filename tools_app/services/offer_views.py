"""View models of offers."""

import datetime as dt
from typing import Literal
from uuid import UUID

from tools_app.services.crm_views import Cents, MoneyTotal, View

OfferStatus = Literal["draft", "pending_approval", "approved", "sent", "signed", "declined"]


class OfferItemView(View):
    """A line of an offer with what it comes to."""

    position: int
    description: str
    quantity: Cents
    unit_price: Cents
    total: Cents


class OfferView(View):
    """An offer. Amounts are in `currency`; the total is the subtotal without the discount."""

    id: UUID
    project_id: UUID
    opportunity_id: UUID | None
    opportunity_name: str | None
    account_id: UUID | None
    account_name: str | None
    title: str
    status: OfferStatus
    currency: str
    discount_pct: Cents
    subtotal: Cents
    discount: Cents
    total: Cents
    items: tuple[OfferItemView, ...]
    discount_approved_by: str | None
    discount_approved_at: dt.datetime | None
    send_approved_by: str | None
    send_approved_at: dt.datetime | None
    sent_at: dt.datetime | None
    decided_at: dt.datetime | None
    notes: str | None
    version: int
    created_at: dt.datetime
    updated_at: dt.datetime


class DiscountView(View):
    """What the policy says about an offer's discount. `client_value` is what its account has bought so far."""

    client_value: MoneyTotal
    max_pct: Cents
    needs_approval: bool
    is_approved: bool


class OfferDetail(OfferView):
    """An offer with the policy's word on its discount."""

    discount_policy: DiscountView


class TierView(View):
    """From this won value on, discounts up to `max_pct` need no approval."""

    won_from: Cents
    max_pct: Cents


class DiscountPolicyView(View):
    """The discount policy; values are in the base currency."""

    base_currency: str
    tiers: tuple[TierView, ...]
