"""/auth: login, logout, me."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import Field, StringConstraints

from models.infra.database import in_db
from models.infra.errors import InvalidInput
from models.infra.settings import get_settings
from tools_app.api.deps import Caller, OwnerChanging, browser_of, check_origin, session_token
from tools_app.api.schemas import Answer, Input, NoInput, example
from tools_app.services import auth, devices
from tools_app.services.views import SessionView

router = APIRouter(prefix="/auth", tags=["auth"])


class LoginInput(Input):
    """Name and password; `account_scope` is the slug of the portfolio to open (the oldest one if left out)."""

    model_config = example(username="owner", password="a long password")  # noqa: S106 - an example

    username: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    account_scope: Annotated[str | None, Field(max_length=64)] = None


class SessionAnswer(Answer):
    """Who is logged in. `csrf_token` goes into the x-csrf-token header of every mutation; a key needs none (empty)."""

    user: str
    csrf_token: str
    account_scope_id: str
    active_project_id: str | None


class LogoutAnswer(Answer):
    """The session is over."""

    logged_out: bool = True


def session_answer(session: SessionView) -> SessionAnswer:
    """What a browser learns of its session."""
    return SessionAnswer(
        user=session.user,
        csrf_token=session.csrf_token,
        account_scope_id=session.account_scope_id,
        active_project_id=session.active_project_id,
    )


@router.post("/login", summary="Open a session")
async def login(request: Request, response: Response, body: LoginInput) -> SessionAnswer:
    """Checks name and password and sets the session cookie. JSON only, from the same origin or a program."""
    check_origin(request)
    # A form of another site can post text/plain without asking; JSON it cannot.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise InvalidInput("The body must be application/json.", code="json_required")
    opened = await in_db(
        auth.login,
        body.username,
        body.password,
        browser_of(request),
        former_token=session_token(request),
        account_scope=body.account_scope,
    )
    _keep(response, auth.cookie_name(), opened.token, int(auth.ABSOLUTE.total_seconds()))
    if opened.device is not None:
        _keep(response, devices.cookie_name(), opened.device, devices.LIFETIME_S)
    return session_answer(opened.session)


def _keep(response: Response, name: str, value: str, max_age_s: int) -> None:
    response.set_cookie(
        name,
        value,
        max_age=max_age_s,
        path="/",
        secure=get_settings().cookie_is_secure(),
        httponly=True,
        samesite="lax",
    )


@router.post("/logout", summary="End the session")
async def logout(
    request: Request, response: Response, session: OwnerChanging, _body: NoInput | None = None
) -> LogoutAnswer:
    """Ends the session on the server and removes the cookie."""
    del session
    await in_db(auth.logout, session_token(request) or "")
    response.delete_cookie(
        auth.cookie_name(), path="/", secure=get_settings().cookie_is_secure(), httponly=True, samesite="lax"
    )
    return LogoutAnswer()


@router.get("/me", summary="The session")
async def me(session: Caller) -> SessionAnswer:
    """Who is logged in, with the CSRF token and the active project."""
    return session_answer(session)
