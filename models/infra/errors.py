"""The one family of errors that may reach a user. The API has one handler for it, the UI one toast.

`code` is stable and is what the catalogues translate; `message` is English and for developers and logs.
"""

from typing import Any


class AppError(Exception):
    """An error with a stable code, a message and the HTTP status it means."""

    code = "internal"
    status = 500

    def __init__(
        self, message: str = "", *, code: str | None = None, status: int | None = None, **details: Any
    ) -> None:
        super().__init__(message or type(self).__name__)
        self.code = code or type(self).code
        self.status = status or type(self).status
        self.message = message or self.code
        self.details: dict[str, Any] = details


class InvalidInput(AppError):
    """The request cannot be understood: wrong type, out of range, unknown field."""

    code, status = "invalid_input", 400


class Unauthenticated(AppError):
    """No session, or one that ended."""

    code, status = "unauthenticated", 401


class Forbidden(AppError):
    """A session, but not this: wrong CSRF token, foreign origin."""

    code, status = "forbidden", 403


class NotFound(AppError):
    """Nothing of that name inside the caller's scope. Also the answer for what exists outside of it."""

    code, status = "not_found", 404


class Conflict(AppError):
    """The state does not allow it: already running, already decided, changed meanwhile."""

    code, status = "conflict", 409


class TooManyRequests(AppError):
    """A limit was hit; `retry_after` is in whole seconds, at least 1."""

    code, status = "too_many_requests", 429

    def __init__(self, message: str = "", *, retry_after: int, **details: Any) -> None:
        super().__init__(message, **details)
        self.retry_after = max(1, retry_after)


class Unavailable(AppError):
    """Something we depend on is away; trying again later may help."""

    code, status = "unavailable", 503
