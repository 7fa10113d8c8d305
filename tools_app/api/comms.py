"""/contacts, /conversations, /messages: the copy of what clients and studio say to each other."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from models.infra.database import in_db
from models.queries.comms_lists import ContactFacts, ConversationFacts, MessageFacts
from tools_app.api.deps import Cursor, Limit, ReadScope
from tools_app.api.rendered import UNCHANGED, answer_model
from tools_app.api.schemas import ItemList
from tools_app.services import comms

router = APIRouter(tags=["communication"])


@router.get(
    "/contacts", summary="Contacts by name", response_model=ItemList[ContactFacts], responses=UNCHANGED
)
async def contacts(
    request: Request,
    scope: ReadScope,
    q: Annotated[str, Query(max_length=200, description="Looked for in name, e-mail and phone.")] = "",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """By name; those without one come last."""
    page = await in_db(comms.contacts, scope, q, cursor=cursor, limit=limit)
    return answer_model(request, ItemList[ContactFacts](items=page.items, next_cursor=page.next_cursor))


@router.get(
    "/conversations",
    summary="Conversations, the last active first",
    response_model=ItemList[ConversationFacts],
    responses=UNCHANGED,
)
async def conversations(
    request: Request,
    scope: ReadScope,
    status: Annotated[
        Literal["open", "pending", "resolved", "snoozed"] | None, Query(description="The vendor's status.")
    ] = None,
    contact_id: Annotated[UUID | None, Query(description="Those of one contact.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """What the vendor has deleted is left out."""
    page = await in_db(
        comms.conversations, scope, status=status or "", contact_id=contact_id, cursor=cursor, limit=limit
    )
    return answer_model(request, ItemList[ConversationFacts](items=page.items, next_cursor=page.next_cursor))


@router.get(
    "/messages",
    summary="Messages, newest first",
    response_model=ItemList[MessageFacts],
    responses=UNCHANGED,
)
async def messages(
    request: Request,
    scope: ReadScope,
    conversation_id: Annotated[UUID | None, Query(description="Those of one conversation.")] = None,
    direction: Annotated[
        Literal["incoming", "outgoing"] | None, Query(description="Who wrote: client or studio.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Without private notes."""
    page = await in_db(
        comms.messages,
        scope,
        conversation_id=conversation_id,
        direction=direction or "",
        cursor=cursor,
        limit=limit,
    )
    return answer_model(request, ItemList[MessageFacts](items=page.items, next_cursor=page.next_cursor))
