"""The one shape of every error answer, and the handlers that bring each failure into it.

`{"error": {"code", "message", "details"}, "request_id"}`: domain errors (`AppError`), invalid input (400), unknown
paths and methods (404, 405), an absent database (503) and unexpected faults (500) all answer with it. Causes of a 500 go to the log, not out.
"""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from models.infra.errors import AppError
from models.infra.logging import get_logger
from tools_app.api.request_context import current_request_id
from tools_app.api.schemas import JsonAnswer
from tools_app.services.faults import DATABASE_AWAY, UNSTORABLE

log = get_logger(__name__)

_CODES = {
    400: "invalid_input",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
}


class ErrorBody(BaseModel):
    """What went wrong: a stable code for programs, a sentence for people, details by code."""

    code: str
    message: str
    details: dict[str, Any] = {}


class ErrorAnswer(BaseModel):
    """The body of every answer with a status of 400 or more."""

    error: ErrorBody
    request_id: str


def error_answer(
    status: int,
    code: str,
    message: str,
    details: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JsonAnswer:
    """An error response in the one shape."""
    body = ErrorAnswer(
        error=ErrorBody(code=code, message=message, details=dict(details or {})),
        request_id=current_request_id(),
    )
    return JsonAnswer(body.model_dump(mode="json"), status_code=status, headers=dict(headers or {}))


def _problems(fault: RequestValidationError) -> list[dict[str, str]]:
    """Where the input is wrong and why. The input itself is left out: it may be a password."""
    return [
        {"field": ".".join(str(part) for part in problem["loc"]), "problem": str(problem["msg"])}
        for problem in fault.errors()[:20]
    ]


async def on_app_error(_: Request, fault: Exception) -> JsonAnswer:
    """Answer for a domain error."""
    assert isinstance(fault, AppError)
    retry_after = getattr(fault, "retry_after", None)
    headers = {} if retry_after is None else {"Retry-After": str(int(retry_after))}
    return error_answer(fault.status, fault.code, fault.message, fault.details, headers)


async def on_invalid_input(_: Request, fault: Exception) -> JsonAnswer:
    """Answer 400 for a body or parameter that does not fit its schema."""
    assert isinstance(fault, RequestValidationError)
    return error_answer(400, "invalid_input", "The request is not valid.", {"problems": _problems(fault)})


async def on_http_exception(_: Request, fault: Exception) -> JsonAnswer:
    """Answer for what the framework refuses: unknown path, wrong method, unreadable body."""
    assert isinstance(fault, HTTPException)
    code = _CODES.get(fault.status_code, "http_error")
    return error_answer(fault.status_code, code, str(fault.detail), None, fault.headers)


async def on_unstorable_text(_: Request, _fault: Exception) -> JsonAnswer:
    """Answer 400 for input that no database text can hold, such as a NUL character."""
    return error_answer(400, "invalid_input", "The request contains characters that cannot be stored.")


async def on_database_away(_: Request, fault: Exception) -> JsonAnswer:
    """Answer 503 while the database does not answer: down, restarting, every connection in use, too slow."""
    log.warning("database is away", error=type(fault).__name__)
    return error_answer(503, "database_away", "The database does not answer.", None, {"Retry-After": "5"})


async def on_fault(_: Request, _fault: Exception) -> JsonAnswer:
    """Answer for what nobody expected; its cause is logged where the request is (`request_context`)."""
    return error_answer(500, "internal_error", "The server failed to answer.")


def install_error_handlers(app: FastAPI) -> None:
    """Bring every error of an app into the one shape."""
    app.add_exception_handler(AppError, on_app_error)
    app.add_exception_handler(RequestValidationError, on_invalid_input)
    app.add_exception_handler(HTTPException, on_http_exception)
    for unstorable in UNSTORABLE:
        app.add_exception_handler(unstorable, on_unstorable_text)
    for away in DATABASE_AWAY:
        app.add_exception_handler(away, on_database_away)
    app.add_exception_handler(Exception, on_fault)
