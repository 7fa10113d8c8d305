"""What can go wrong between us and a vendor, named by cause. The kind decides whether a retry makes sense."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar, Final

from models.infra.clock import utcnow

LONGEST_PAUSE: Final = dt.timedelta(
    days=1
)  # whatever a vendor asks for; an absurd one must not silence it for good


class VendorError(Exception):
    """A failed call to a vendor. ``kind`` is stored with the error; only ``retryable`` kinds are tried again."""

    kind: ClassVar[str] = "vendor_error"
    retryable: ClassVar[bool] = False


class CredentialsInvalid(VendorError):
    """The vendor refused the token, or the token may not see what was asked for."""

    kind = "credentials"


class RateLimited(VendorError):
    """The vendor asks for a pause until ``retry_at`` (UTC), LONGEST_PAUSE from now at most."""

    kind = "rate_limited"
    retryable = True

    def __init__(self, message: str, retry_at: dt.datetime) -> None:
        super().__init__(message)
        self.retry_at = min(retry_at, utcnow() + LONGEST_PAUSE)


class VendorDown(VendorError):
    """No usable answer: refused or reset connection, timeout, 5xx, truncated body."""

    kind = "vendor_down"
    retryable = True


class NotInTime(VendorDown):
    """No whole answer within the time of one request."""


class UnusableAnswer(VendorDown):
    """The vendor answered, but with what cannot be used: a truncated body, an error of its own inside a 200."""


class CircuitOpen(VendorDown):
    """The breaker refused the call: the vendor failed too often a moment ago. Nothing was sent."""

    kind = "circuit_open"


class SchemaChanged(VendorError):
    """An answer lacks what the connector relies on; ``field`` says where."""

    kind = "schema_changed"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class RequestRefused(VendorError):
    """The vendor understood the request and refused it (4xx other than the above): a mistake of ours."""

    kind = "refused"


class AnswerTooLong(RequestRefused):
    """An answer over the size that is read; asking for less helps."""


class QueryTooComplex(RequestRefused):
    """Linear: one query may cost 10,000 points at most. A smaller page helps."""


class BadRecord(VendorError):
    """One record could not be normalised; the stream goes on without it."""

    kind = "bad_record"

    def __init__(self, vendor_id: str, message: str) -> None:
        super().__init__(f"record {vendor_id}: {message}")
        self.vendor_id = vendor_id


class Interrupted(VendorError):
    """A run ended before its end, whoever was at fault; what it had read is kept."""

    kind = "interrupted"
    retryable = True


UNREADABLE = (BadRecord, KeyError, TypeError, ValueError, AttributeError)
"""What reading one record raises when it is not what it should be."""
SURPRISES = (LookupError, TypeError, ValueError, AttributeError)
"""What reading a stream raises when an answer around the records is not what it should be."""
