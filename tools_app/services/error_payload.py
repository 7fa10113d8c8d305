"""What the vendor sent of a record that could not be read: bounded, and without what looks like a secret."""

import json
import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from models.infra.database import reading
from models.infra.errors import InvalidInput, NotFound
from models.infra.logging import mask_secrets
from models.infra.scope import Scope
from models.queries import connector_overview as overview

SHOWN_AT_MOST = 8_000
# A link may carry what opens it: the values of such parameters, in any text.
_IN_LINKS = re.compile(
    r"(?i)([?&][^=&\s\"]*(?:token|secret|signature|credential|password|key)[^=&\s\"]*=)[^&\s\"#]+"
)
_BEARER = re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]{8,}")


@dataclass(frozen=True, slots=True)
class ErrorPayload:
    """JSON for people to read; `cut` is how many characters were left off at its end."""

    text: str
    cut: int


def error_payload(scope: Scope, error_id: str) -> ErrorPayload:
    """The payload of an unresolved error of the scope, SHOWN_AT_MOST characters of it.

    Raises NotFound for one outside the scope, InvalidInput for a malformed id.
    """
    identity = read_error_id(error_id)
    with reading() as session:
        payload = overview.read_payload(session, scope, identity)
    if payload is None:
        raise NotFound("There is no such error.", error_id=error_id)
    whole = readable(dict(payload))
    return ErrorPayload(whole[:SHOWN_AT_MOST], max(0, len(whole) - SHOWN_AT_MOST))


def read_error_id(error_id: str) -> UUID:
    """The id of an error as its clients write it. Raises InvalidInput."""
    try:
        return UUID(error_id)
    except ValueError as fault:
        raise InvalidInput("error_id is no UUID.", error_id=error_id) from fault


def readable(payload: dict[str, Any]) -> str:
    """A payload as indented JSON, secrets masked; nothing for an empty one."""
    if not payload:
        return ""
    plain = json.dumps(mask_secrets(None, "", payload), ensure_ascii=False, indent=2, default=str)
    return _BEARER.sub(r"\1***", _IN_LINKS.sub(r"\1***", plain))
