"""/crm: accounts, contacts, opportunities and the pipeline. What is mirrored from Attio stays the vendor's."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from models.infra.database import in_db
from models.queries.crm import UnmappedStage
from models.queries.opportunities import Wanted
from models.tables.crm_stages import Stage
from tools_app.api.crm_inputs import (
    AccountChange,
    AccountInput,
    ContactChange,
    ContactInput,
    OpportunityChange,
    OpportunityInput,
    StageInput,
)
from tools_app.api.deps import Changer, Cursor, IdempotencyKey, Limit, ReadScope, once_key, tell_replay
from tools_app.api.etags import NOT_MODIFIED, tagged
from tools_app.api.schemas import Answer, ItemList
from tools_app.services import accounts, crm, opportunities, projects
from tools_app.services.crm_views import (
    AccountView,
    ContactView,
    Currency,
    OpportunityDetail,
    OpportunityView,
    OverviewView,
)

router = APIRouter(prefix="/crm", tags=["crm"])

Search = Annotated[str | None, Query(min_length=1, max_length=200, description="Words of the name.")]
Mirrored = Annotated[
    bool | None, Query(description="Only rows that follow a vendor's record, or only those made here.")
]


class AccountAnswer(Answer):
    """One account."""

    account: AccountView


class ContactAnswer(Answer):
    """One contact."""

    contact: ContactView


class OpportunityAnswer(Answer):
    """One opportunity with its stages."""

    opportunity: OpportunityDetail


class OverviewAnswer(Answer):
    """The pipeline."""

    overview: OverviewView


@router.get("/accounts", summary="Accounts", response_model=ItemList[AccountView], responses=NOT_MODIFIED)
async def list_accounts(
    request: Request,
    scope: ReadScope,
    q: Search = None,
    is_mirrored: Mirrored = None,
    sort: Literal["name", "-name", "created_at", "-created_at", "updated_at", "-updated_at"] = "name",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Companies with the number of their contacts and open opportunities; `q` looks into name and domain."""
    items, after = await in_db(
        accounts.list_accounts,
        scope,
        search=q,
        is_mirrored=is_mirrored,
        sort=sort,
        cursor=cursor,
        limit=limit,
    )
    return tagged(request, ItemList[AccountView](items=tuple(items), next_cursor=after))


@router.post("/accounts", status_code=201, summary="Add an account")
async def create_account(
    request: Request,
    response: Response,
    session: Changer,
    body: AccountInput,
    idempotency_key: IdempotencyKey = None,
) -> AccountAnswer:
    """An account that no vendor knows. Nothing is written to Attio."""
    scope = await in_db(projects.one_project, session, body.project_id)
    once = once_key(request, idempotency_key, body)
    made = await in_db(accounts.create_account, session, scope, body.values(), once)
    tell_replay(response, replayed=made.replayed)
    return AccountAnswer(account=made.view)


@router.get("/accounts/{account_id}", summary="One account")
async def get_account(scope: ReadScope, account_id: UUID) -> AccountAnswer:
    """The account with its version, which a change has to name."""
    return AccountAnswer(account=await in_db(accounts.get_account, scope, account_id))


@router.patch("/accounts/{account_id}", summary="Change an account")
async def change_account(session: Changer, account_id: UUID, body: AccountChange) -> AccountAnswer:
    """Only the fields that are sent. 409 for another version, or for a field that belongs to the vendor."""
    scope = await in_db(projects.one_project, session, body.project_id)
    changed = await in_db(
        accounts.change_account, session, scope, account_id, body.expected_version, body.values()
    )
    return AccountAnswer(account=changed)


@router.get("/accounts/{account_id}/contacts", summary="Contacts of an account")
async def list_contacts(
    scope: ReadScope, account_id: UUID, cursor: Cursor = None, limit: Limit = 50
) -> ItemList[ContactView]:
    """By name."""
    items, after = await in_db(accounts.list_contacts, scope, account_id, cursor=cursor, limit=limit)
    return ItemList[ContactView](items=tuple(items), next_cursor=after)


@router.post("/accounts/{account_id}/contacts", status_code=201, summary="Add a contact")
async def create_contact(
    request: Request,
    response: Response,
    session: Changer,
    account_id: UUID,
    body: ContactInput,
    idempotency_key: IdempotencyKey = None,
) -> ContactAnswer:
    """A person at an account, mirrored or not. Nothing is written to Attio."""
    scope = await in_db(projects.one_project, session, body.project_id)
    once = once_key(request, idempotency_key, body)
    made = await in_db(accounts.create_contact, session, scope, account_id, body.values(), once)
    tell_replay(response, replayed=made.replayed)
    return ContactAnswer(contact=made.view)


@router.patch("/contacts/{contact_id}", summary="Change a contact")
async def change_contact(session: Changer, contact_id: UUID, body: ContactChange) -> ContactAnswer:
    """Only the fields that are sent. 409 for another version, or for a mirrored contact."""
    scope = await in_db(projects.one_project, session, body.project_id)
    changed = await in_db(
        accounts.change_contact, session, scope, contact_id, body.expected_version, body.values()
    )
    return ContactAnswer(contact=changed)


@router.get(
    "/opportunities",
    summary="Opportunities",
    response_model=ItemList[OpportunityView],
    responses=NOT_MODIFIED,
)
async def list_opportunities(
    request: Request,
    scope: ReadScope,
    stage: Annotated[Stage | Literal["unmapped"] | None, Query(description="Only this stage.")] = None,
    account_id: Annotated[UUID | None, Query(description="Only of this account.")] = None,
    currency: Annotated[Currency | None, Query(description="Only amounts in this currency.")] = None,
    q: Search = None,
    is_mirrored: Mirrored = None,
    sort: Literal[
        "name", "-name", "created_at", "-created_at", "updated_at", "-updated_at", "amount", "-amount", "close_date",
        "-close_date",
    ] = "-updated_at",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:  # fmt: skip
    """Possible sales. Sorting by amount compares numbers of all currencies: narrow it to one to make sense of it."""
    wanted = Wanted(stage, account_id, currency, q, is_mirrored)
    items, after = await in_db(
        opportunities.list_opportunities, scope, wanted, sort=sort, cursor=cursor, limit=limit
    )
    return tagged(request, ItemList[OpportunityView](items=tuple(items), next_cursor=after))


@router.post("/opportunities", status_code=201, summary="Add an opportunity")
async def create_opportunity(
    request: Request,
    response: Response,
    session: Changer,
    body: OpportunityInput,
    idempotency_key: IdempotencyKey = None,
) -> OpportunityAnswer:
    """An opportunity that no vendor knows, with its first stage event. An amount needs a currency."""
    scope = await in_db(projects.one_project, session, body.project_id)
    once = once_key(request, idempotency_key, body)
    values = {"stage": body.stage, **body.values()}
    made = await in_db(opportunities.create_opportunity, session, scope, values, once)
    tell_replay(response, replayed=made.replayed)
    return OpportunityAnswer(opportunity=made.view)


@router.get("/opportunities/{opportunity_id}", summary="One opportunity")
async def get_opportunity(scope: ReadScope, opportunity_id: UUID) -> OpportunityAnswer:
    """The opportunity with the stages it went through."""
    return OpportunityAnswer(opportunity=await in_db(opportunities.get_opportunity, scope, opportunity_id))


@router.patch("/opportunities/{opportunity_id}", summary="Change an opportunity")
async def change_opportunity(
    session: Changer, opportunity_id: UUID, body: OpportunityChange
) -> OpportunityAnswer:
    """Only the fields that are sent. 409 for another version, or for a field that belongs to the vendor."""
    scope = await in_db(projects.one_project, session, body.project_id)
    changed = await in_db(
        opportunities.change_opportunity,
        session,
        scope,
        opportunity_id,
        body.expected_version,
        body.values(),
    )
    return OpportunityAnswer(opportunity=changed)


@router.post("/opportunities/{opportunity_id}/stage", summary="Move an opportunity to a stage")
async def move_to_stage(session: Changer, opportunity_id: UUID, body: StageInput) -> OpportunityAnswer:
    """Adds a stage event. 409 when it is no longer in `expected_stage`, or when its stage is the vendor's."""
    scope = await in_db(projects.one_project, session, body.project_id)
    moved = await in_db(
        opportunities.move_to_stage, session, scope, opportunity_id, body.stage, body.expected_stage
    )
    return OpportunityAnswer(opportunity=moved)


@router.get("/overview", summary="The pipeline", response_model=OverviewAnswer, responses=NOT_MODIFIED)
async def overview(request: Request, scope: ReadScope) -> Response:
    """By stage and currency, and totals in the base currency; what cannot be converted stands apart and is in none."""
    return tagged(request, OverviewAnswer(overview=await in_db(crm.overview, scope)))


@router.get("/unmapped-stages", summary="Deal stages that are not known")
async def unmapped_stages(scope: ReadScope) -> ItemList[UnmappedStage]:
    """The vendor's titles with live deals in them and times a deal was in them; such deals count in no stage."""
    return ItemList[UnmappedStage](items=await in_db(crm.unmapped_stages, scope))
