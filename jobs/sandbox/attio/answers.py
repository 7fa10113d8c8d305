"""How Attio words its answers: the data envelope, its one error shape, throttling."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final

import orjson
from starlette.responses import Response

from jobs.sandbox.serving.gate import FaultAnswers


class Refused(Exception):
    """An answer other than the data asked for."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


def reply(data: Any) -> Response:
    """Attio: success is always `{"data": …}`."""
    return Response(orjson.dumps({"data": data}), media_type="application/json")


def failure(
    status: int, kind: str, code: str, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Attio: an error is always `{"status_code", "type", "code", "message"}`."""
    body = {"status_code": status, "type": kind, "code": code, "message": message}
    return Response(orjson.dumps(body), status, headers=dict(headers or {}), media_type="application/json")


def not_found(what: str) -> Refused:
    """A 404."""
    return Refused(failure(404, "invalid_request_error", "not_found", f"{what} could not be found."))


def bad_request(code: str, message: str) -> Refused:
    """A 400."""
    return Refused(failure(400, "invalid_request_error", code, message))


def throttled(now: datetime) -> Response:
    """Attio: 429 with Retry-After as an HTTP date, usually the next second."""
    again = format_datetime((now + timedelta(seconds=1)).replace(microsecond=0), usegmt=True)
    message = "Rate limit exceeded, please try again later"
    return failure(429, "rate_limit_error", "rate_limit_exceeded", message, {"Retry-After": again})


def broken(status: int) -> Response:
    """A failure on Attio's side, or a 404."""
    if status == 404:
        return not_found("Record").response
    return failure(status, "api_error", "internal_error", "An unexpected error happened")


def unauthorized() -> Response:
    """Attio: a missing or unknown token is 401."""
    return failure(401, "auth_error", "unauthorized", "The access token is missing or invalid.")


ANSWERS: Final = FaultAnswers(throttled, broken, unauthorized)
