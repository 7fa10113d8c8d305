"""/offers: write an offer, submit it, approve its discount and its sending, note what became of it."""

from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field, StringConstraints

from models.infra.database import in_db
from tools_app.api.crm_inputs import ProjectInput, VersionedInput
from tools_app.api.deps import (
    Caller,
    Changer,
    Cursor,
    IdempotencyKey,
    Limit,
    ReadScope,
    once_key,
    tell_replay,
)
from tools_app.api.etags import NOT_MODIFIED, tagged
from tools_app.api.schemas import Answer, Input, ItemList, example
from tools_app.services import offers, projects
from tools_app.services.crm_views import Amount, Currency, Name, Percent, Text
from tools_app.services.offer_views import DiscountPolicyView, OfferDetail, OfferStatus, OfferView

router = APIRouter(prefix="/offers", tags=["offers"])

_ITEM = {"description": "Design of the portal", "quantity": "2", "unit_price": "4500.00"}


class ItemInput(Input):
    """A line: a quantity of something at a price."""

    description: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
    quantity: Annotated[Decimal, Field(gt=0, max_digits=12, decimal_places=2)]
    unit_price: Amount


Items = Annotated[list[ItemInput], Field(max_length=100)]


class OfferInput(ProjectInput):
    """A new offer, a draft."""

    model_config = example(
        project_id="studio-site",
        title="Patient portal, phase 1",
        currency="EUR",
        discount_pct="5",
        items=[_ITEM],
    )

    title: Name
    currency: Currency
    opportunity_id: UUID | None = None
    discount_pct: Percent = Decimal(0)
    notes: Text | None = None
    items: Items = Field(default_factory=list[ItemInput])


class OfferChange(VersionedInput):
    """Fields of a draft to change; `items` replaces all of them."""

    model_config = example(project_id="studio-site", expected_version=1, discount_pct="7.5", items=[_ITEM])

    title: Name = Field(default_factory=str)
    currency: Currency = Field(default_factory=str)
    opportunity_id: UUID | None = None
    discount_pct: Percent = Field(default_factory=Decimal)
    notes: Text | None = None
    items: Items = Field(default_factory=list[ItemInput])


class StepInput(VersionedInput):
    """A step of the offer that the caller saw: another version since is 409."""

    model_config = example(project_id="studio-site", expected_version=3)


class OutcomeInput(VersionedInput):
    """What the client said."""

    model_config = example(project_id="studio-site", expected_version=5, outcome="signed")

    outcome: Literal["signed", "declined"]


class OfferAnswer(Answer):
    """One offer with the policy's word on its discount."""

    offer: OfferDetail


class PolicyAnswer(Answer):
    """The discount policy."""

    policy: DiscountPolicyView


@router.get("", summary="Offers", response_model=ItemList[OfferView], responses=NOT_MODIFIED)
async def list_offers(
    request: Request,
    scope: ReadScope,
    status: Annotated[OfferStatus | None, Query(description="Only this status.")] = None,
    opportunity_id: Annotated[UUID | None, Query(description="Only of this opportunity.")] = None,
    q: Annotated[str | None, Query(min_length=1, max_length=200, description="Words of the title.")] = None,
    sort: Literal[
        "title", "-title", "created_at", "-created_at", "updated_at", "-updated_at"
    ] = "-updated_at",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """With their items and totals."""
    items, after = await in_db(
        offers.list_offers,
        scope,
        status=status,
        opportunity_id=opportunity_id,
        search=q,
        sort=sort,
        cursor=cursor,
        limit=limit,
    )
    return tagged(request, ItemList[OfferView](items=tuple(items), next_cursor=after))


@router.get("/discount-policy", summary="The discount policy")
async def discount_policy(session: Caller) -> PolicyAnswer:
    """How much discount a client may get without approval, by what the client has bought so far."""
    return PolicyAnswer(policy=await in_db(offers.discount_policy, session))


@router.post("", status_code=201, summary="Write an offer")
async def create_offer(
    request: Request,
    response: Response,
    session: Changer,
    body: OfferInput,
    idempotency_key: IdempotencyKey = None,
) -> OfferAnswer:
    """A draft. A discount above the policy is allowed here and approved later."""
    scope = await in_db(projects.one_project, session, body.project_id)
    values, items = _parts(body)
    made = await in_db(
        offers.create_offer, session, scope, values, items or [], once_key(request, idempotency_key, body)
    )
    tell_replay(response, replayed=made.replayed)
    return OfferAnswer(offer=made.view)


@router.get("/{offer_id}", summary="One offer")
async def get_offer(scope: ReadScope, offer_id: UUID) -> OfferAnswer:
    """The offer with items, totals and what the policy says about its discount."""
    return OfferAnswer(offer=await in_db(offers.get_offer, scope, offer_id))


@router.patch("/{offer_id}", summary="Change a draft")
async def change_offer(session: Changer, offer_id: UUID, body: OfferChange) -> OfferAnswer:
    """Only the fields that are sent. 409 for another version or an offer that is no draft."""
    scope = await in_db(projects.one_project, session, body.project_id)
    values, items = _parts(body)
    changed = await in_db(offers.change_offer, session, scope, offer_id, body.expected_version, values, items)
    return OfferAnswer(offer=changed)


@router.post("/{offer_id}/submit", summary="Ask for approval")
async def submit(session: Changer, offer_id: UUID, body: StepInput) -> OfferAnswer:
    """Draft → pending_approval."""
    scope = await in_db(projects.one_project, session, body.project_id)
    return OfferAnswer(offer=await in_db(offers.submit, session, scope, offer_id, body.expected_version))


@router.post("/{offer_id}/approve-discount", summary="Approve the discount")
async def approve_discount(session: Changer, offer_id: UUID, body: StepInput) -> OfferAnswer:
    """For a discount above what the client's value allows; it does not approve sending. 409 when none is needed."""
    scope = await in_db(projects.one_project, session, body.project_id)
    approved = await in_db(offers.approve_discount, session, scope, offer_id, body.expected_version)
    return OfferAnswer(offer=approved)


@router.post("/{offer_id}/approve-send", summary="Approve sending")
async def approve_send(session: Changer, offer_id: UUID, body: StepInput) -> OfferAnswer:
    """pending_approval → approved. 409 while its discount waits for an approval."""
    scope = await in_db(projects.one_project, session, body.project_id)
    approved = await in_db(offers.approve_send, session, scope, offer_id, body.expected_version)
    return OfferAnswer(offer=approved)


@router.post("/{offer_id}/reopen", summary="Make it a draft again")
async def reopen(session: Changer, offer_id: UUID, body: StepInput) -> OfferAnswer:
    """pending_approval or approved → draft; approvals are forgotten."""
    scope = await in_db(projects.one_project, session, body.project_id)
    return OfferAnswer(offer=await in_db(offers.reopen, session, scope, offer_id, body.expected_version))


@router.post("/{offer_id}/mark-sent", summary="Note that it was sent")
async def mark_sent(session: Changer, offer_id: UUID, body: StepInput) -> OfferAnswer:
    """Approved → sent."""
    scope = await in_db(projects.one_project, session, body.project_id)
    return OfferAnswer(offer=await in_db(offers.mark_sent, session, scope, offer_id, body.expected_version))


@router.post("/{offer_id}/outcome", summary="Note what the client said")
async def decide(session: Changer, offer_id: UUID, body: OutcomeInput) -> OfferAnswer:
    """Sent → signed or declined."""
    scope = await in_db(projects.one_project, session, body.project_id)
    decided = await in_db(offers.decide, session, scope, offer_id, body.expected_version, body.outcome)
    return OfferAnswer(offer=decided)


def _parts(body: OfferInput | OfferChange) -> tuple[dict[str, Any], list[dict[str, Any]] | None]:
    """The offer's own fields that were sent, and its items if they were."""
    values = body.values()
    return values, values.pop("items", None)
