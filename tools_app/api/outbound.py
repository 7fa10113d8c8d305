"""/outbound: draft, approve, cancel; opt-out and the other policies. Nothing leaves without an approval."""

import unicodedata
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import AfterValidator, Field, StringConstraints

from models.infra.database import in_db
from tools_app.api.crm_inputs import ProjectInput, VersionedInput
from tools_app.api.deps import Changer, Cursor, IdempotencyKey, Limit, ReadScope, once_key, tell_replay
from tools_app.api.etags import NOT_MODIFIED, tagged
from tools_app.api.schemas import Answer, ItemList, example
from tools_app.services import outbound, projects
from tools_app.services.outbound import Channel, OutboundStatus, OutboundView, PolicyView

router = APIRouter(prefix="/outbound", tags=["outbound"])

_PROJECT = "studio-site"
_CONTACT = "019a1b2c-0000-7000-8000-000000000001"


def _one_line(value: str) -> str:
    if any(unicodedata.category(each) in ("Cc", "Zl", "Zp") for each in value):
        raise ValueError("a subject is one line")
    return value


Subject = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_one_line),
]
Body = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000)]


class DraftInput(ProjectInput):
    """A new message to a contact."""

    model_config = example(
        project_id=_PROJECT,
        contact_id=_CONTACT,
        channel="email",
        subject="Next step",
        body="Shall we talk on Monday?",
    )

    contact_id: UUID
    channel: Channel = "email"
    subject: Subject
    body: Body


class MessageChange(VersionedInput):
    """The text to change. An approval is gone then."""

    model_config = example(project_id=_PROJECT, expected_version=1, body="Shall we talk on Tuesday?")

    subject: Subject = Field(default_factory=str)
    body: Body = Field(default_factory=str)


class MessageStep(VersionedInput):
    """A step of the message that the caller saw: another version since is 409."""

    model_config = example(project_id=_PROJECT, expected_version=1)


class ResolveInput(VersionedInput):
    """What became of a message of which nobody knew."""

    model_config = example(project_id=_PROJECT, expected_version=3, outcome="not_sent")

    outcome: Literal["sent", "not_sent"]


class OptOutInput(ProjectInput):
    """A contact's wish not to be written to (or, with `opted_out` false, to be written to again)."""

    model_config = example(project_id=_PROJECT, contact_id=_CONTACT, channel="email", opted_out=True)

    contact_id: UUID
    channel: Channel = "email"
    opted_out: bool = True


class PolicyInput(ProjectInput):
    """Policies to set; what is left out stays as it is."""

    model_config = example(project_id=_PROJECT, channel="email", max_per_week=1, stop_on_reply=True)

    channel: Channel = "email"
    opted_out: bool = Field(default_factory=bool)
    max_per_week: Annotated[int, Field(ge=0, le=100)] = Field(default_factory=int)
    stop_on_reply: bool = Field(default_factory=bool)


class MessageAnswer(Answer):
    """One message."""

    message: OutboundView


class PolicyAnswer(Answer):
    """The policies of a contact on a channel."""

    policy: PolicyView


@router.get("", summary="Outbound messages", response_model=ItemList[OutboundView], responses=NOT_MODIFIED)
async def list_messages(
    request: Request,
    scope: ReadScope,
    status: Annotated[OutboundStatus | None, Query(description="Only this status.")] = None,
    contact_id: Annotated[UUID | None, Query(description="Only to this contact.")] = None,
    sort: Literal["created_at", "-created_at", "updated_at", "-updated_at"] = "-updated_at",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Drafts, what waits, what was sent, and what was not and why."""
    items, after = await in_db(
        outbound.list_messages,
        scope,
        status=status,
        contact_id=contact_id,
        sort=sort,
        cursor=cursor,
        limit=limit,
    )
    return tagged(request, ItemList[OutboundView](items=tuple(items), next_cursor=after))


@router.post("/draft", status_code=201, summary="Draft a message")
async def draft(
    request: Request,
    response: Response,
    session: Changer,
    body: DraftInput,
    idempotency_key: IdempotencyKey = None,
) -> MessageAnswer:
    """Writes a draft; nothing is sent."""
    scope = await in_db(projects.one_project, session, body.project_id)
    values = {"channel": body.channel, **body.values()}
    made = await in_db(outbound.draft, session, scope, values, once_key(request, idempotency_key, body))
    tell_replay(response, replayed=made.replayed)
    return MessageAnswer(message=made.view)


@router.post("/opt-out", summary="Opt a contact out")
async def opt_out(session: Changer, body: OptOutInput) -> PolicyAnswer:
    """Holds for every contact of the project with the same address; what waits for it is not sent."""
    scope = await in_db(projects.one_project, session, body.project_id)
    wanted = {"opted_out": body.opted_out}
    policy = await in_db(outbound.set_policy, session, scope, body.contact_id, body.channel, wanted)
    return PolicyAnswer(policy=policy)


@router.get("/policies/{contact_id}", summary="Policies of a contact")
async def get_policy(scope: ReadScope, contact_id: UUID, channel: Channel = "email") -> PolicyAnswer:
    """Opt-out, messages a week, and whether a reply stops what is queued."""
    return PolicyAnswer(policy=await in_db(outbound.get_policy, scope, contact_id, channel))


@router.put("/policies/{contact_id}", summary="Set policies of a contact")
async def set_policy(session: Changer, contact_id: UUID, body: PolicyInput) -> PolicyAnswer:
    """Only the policies that are sent."""
    scope = await in_db(projects.one_project, session, body.project_id)
    wanted = body.values()
    wanted.pop("channel", None)
    policy = await in_db(outbound.set_policy, session, scope, contact_id, body.channel, wanted)
    return PolicyAnswer(policy=policy)


@router.get("/{message_id}", summary="One message")
async def get_message(scope: ReadScope, message_id: UUID) -> MessageAnswer:
    """The message with its version, which every step has to name."""
    return MessageAnswer(message=await in_db(outbound.get_message, scope, message_id))


@router.patch("/{message_id}", summary="Change a message")
async def change(session: Changer, message_id: UUID, body: MessageChange) -> MessageAnswer:
    """Makes a draft of what was queued, blocked or failed: it needs another approval. 409 for what was sent."""
    scope = await in_db(projects.one_project, session, body.project_id)
    changed = await in_db(outbound.change, session, scope, message_id, body.expected_version, body.values())
    return MessageAnswer(message=changed)


@router.post("/{message_id}/approve", summary="Approve a message and queue it")
async def approve(session: Changer, message_id: UUID, body: MessageStep) -> MessageAnswer:
    """Text and address as they are now. 409 with the policy's code (`opted_out`, `frequency_cap`, `replied` …)."""
    scope = await in_db(projects.one_project, session, body.project_id)
    return MessageAnswer(
        message=await in_db(outbound.approve, session, scope, message_id, body.expected_version)
    )


@router.post("/{message_id}/cancel", summary="Cancel a message")
async def cancel(session: Changer, message_id: UUID, body: MessageStep) -> MessageAnswer:
    """It will never be sent. 409 for what is being sent or was."""
    scope = await in_db(projects.one_project, session, body.project_id)
    return MessageAnswer(
        message=await in_db(outbound.cancel, session, scope, message_id, body.expected_version)
    )


@router.post("/{message_id}/resolve", summary="Settle an unknown message")
async def resolve(session: Changer, message_id: UUID, body: ResolveInput) -> MessageAnswer:
    """For a message of which nobody knows whether it was sent: say so after looking at the mail server."""
    scope = await in_db(projects.one_project, session, body.project_id)
    settled = await in_db(
        outbound.resolve,
        session,
        scope,
        message_id,
        body.expected_version,
        was_sent=body.outcome == "sent",
    )
    return MessageAnswer(message=settled)
