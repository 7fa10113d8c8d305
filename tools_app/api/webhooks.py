"""/webhooks: deliveries of the vendors, and the secrets that sign them."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Path, Request
from pydantic import SecretStr

from models.infra.database import in_db
from models.infra.errors import InvalidInput
from tools_app.api.connectors import Connector
from tools_app.api.deps import Caller, OwnerChanging
from tools_app.api.schemas import Answer, Input, ItemList, example
from tools_app.services import webhook_overview, webhooks
from tools_app.services.webhook_overview import WebhookRow
from tools_app.services.webhooks import BODY_AT_MOST, Delivery, Outcome, TooLarge

router = APIRouter(prefix="/webhooks", tags=["webhooks"])

# A body that comes slower than this is not a vendor's; vendors give up after 5 s themselves.
_READ_S = 5.0

Binding = Annotated[str, Path(description="Id of the vendor connection.")]


class DeliveryAnswer(Answer):
    """`accepted`: the named records will be fetched; `duplicate`: taken before; `ignored`: names nothing we keep."""

    outcome: Outcome


class SecretInput(Input):
    """The secret the vendor signs with, as it shows it; null removes it, and every delivery is refused again."""

    model_config = example(secret="0123456789abcdef0123456789abcdef")  # noqa: S106 - an example

    secret: SecretStr | None


class SecretAnswer(Answer):
    """Where the vendor is to send its deliveries."""

    url: str


@router.get("", summary="Where vendors deliver to, and what came in")
async def list_webhooks(session: Caller) -> ItemList[WebhookRow]:
    """Every connection of the account scope: its URL, whether a secret is set (never the secret), deliveries by outcome
    since this process started.
    """
    return ItemList[WebhookRow](items=await in_db(webhook_overview.list_webhooks, session))


@router.post(
    "/{connector}/{binding}",
    summary="A vendor's delivery",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"type": "object"}}},
        }
    },
)
async def deliver(
    request: Request,
    work: BackgroundTasks,
    connector: Annotated[str, Path(description="Name of the connector.")],
    binding: Binding,
) -> DeliveryAnswer:
    """Signed with the connection's secret over the raw body; no session. 401 for what is not, or was signed long ago.

    A hint only: the records it names are fetched from the vendor afterwards.
    """
    try:
        async with asyncio.timeout(_READ_S):
            body = await _read(request)
    except TooLarge:
        webhooks.count(connector, "too_large")
        raise
    except TimeoutError as fault:
        webhooks.count(connector, "malformed")
        raise InvalidInput("The body did not arrive in time.", code="webhook_malformed") from fault
    received = await in_db(webhooks.receive, Delivery(connector, binding, dict(request.headers), body))
    if received.connection_id is not None:
        work.add_task(in_db, webhooks.ask_for_fetch, received.connection_id)
    return DeliveryAnswer(outcome=received.outcome)


@router.put("/{connector}/{binding}/secret", summary="Set the secret of a connection's webhook")
async def set_secret(
    session: OwnerChanging, connector: Connector, binding: Binding, body: SecretInput
) -> SecretAnswer:
    """Stored encrypted, audited, and never answered again; 404 outside the account scope."""
    secret = None if body.secret is None else body.secret.get_secret_value()
    return SecretAnswer(url=await in_db(webhooks.set_secret, session, connector, binding, secret))


async def _read(request: Request) -> bytes:
    """The raw body. Raises TooLarge as soon as it is known to be, without reading on."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > BODY_AT_MOST:
        raise TooLarge(f"A delivery has at most {BODY_AT_MOST} bytes.")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > BODY_AT_MOST:
            raise TooLarge(f"A delivery has at most {BODY_AT_MOST} bytes.")
    return bytes(body)
