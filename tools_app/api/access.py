"""/auth/sessions and /auth/keys: who is signed in, which programs have a key. For people only, never for a key."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field, StringConstraints

from models.infra.database import in_db
from tools_app.api.deps import Owner, OwnerChanging
from tools_app.api.schemas import Answer, Input, ItemList, NoInput, example
from tools_app.services import api_keys, sessions
from tools_app.services.api_keys import DEFAULT_DAYS, MAX_DAYS, ApiKeyView
from tools_app.services.sessions import SignedInView

router = APIRouter(prefix="/auth", tags=["auth"])


class EndedAnswer(Answer):
    """How many sessions ended."""

    ended: int


class KeyInput(Input):
    """A new key. Left out, `project_ids` means the whole account scope; ids or slugs limit it to those projects."""

    model_config = example(
        name="Nightly report", read_only=True, project_ids=["studio-site"], expires_in_days=90
    )

    name: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    read_only: bool = True
    project_ids: Annotated[list[str] | None, Field(max_length=200)] = None
    expires_in_days: Annotated[int, Field(ge=1, le=MAX_DAYS)] = DEFAULT_DAYS


class KeyAnswer(Answer):
    """A key."""

    key: ApiKeyView


class NewKeyAnswer(KeyAnswer):
    """A new key; its token is shown here and never again."""

    token: str


@router.get("/sessions", summary="One's live sessions")
async def list_sessions(session: Owner) -> ItemList[SignedInView]:
    """The last used first; `current` is the one that asks."""
    return ItemList[SignedInView](items=await in_db(sessions.list_sessions, session))


@router.delete("/sessions", summary="End all other sessions")
async def end_others(session: OwnerChanging, _body: NoInput | None = None) -> EndedAnswer:
    """Ends every session of the user but the one that asks."""
    return EndedAnswer(ended=await in_db(sessions.end_others, session))


@router.delete("/sessions/{session_id}", summary="End a session")
async def end_session(session: OwnerChanging, session_id: UUID, _body: NoInput | None = None) -> EndedAnswer:
    """Ends one of the user's sessions on the server at once; 404 for one that is not live."""
    await in_db(sessions.end_session, session, str(session_id))
    return EndedAnswer(ended=1)


@router.get("/keys", summary="API keys")
async def list_keys(session: Owner) -> ItemList[ApiKeyView]:
    """Keys of the account scope, the newest first, without their tokens; revoked and expired ones too."""
    return ItemList[ApiKeyView](items=await in_db(api_keys.list_keys, session))


@router.post("/keys", status_code=201, summary="Make an API key")
async def create_key(session: OwnerChanging, body: KeyInput) -> NewKeyAnswer:
    """The token goes into `Authorization: Bearer …`; it is stored as a hash and cannot be shown again."""
    made = await in_db(
        api_keys.create,
        session,
        body.name,
        read_only=body.read_only,
        project_names=body.project_ids,
        days=body.expires_in_days,
    )
    return NewKeyAnswer(key=made.key, token=made.token)


@router.delete("/keys/{key_id}", summary="Revoke an API key")
async def revoke_key(session: OwnerChanging, key_id: UUID, _body: NoInput | None = None) -> KeyAnswer:
    """Ends the key at once and for good; 404 for one that is not there or revoked already."""
    return KeyAnswer(key=await in_db(api_keys.revoke, session, str(key_id)))
