"""Changes vendors' answers on their way, and what a sync made of them."""

import functools
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from models.infra.database import reading
from tests.jobs.small_vendors import SmallVendors

Spoil = Callable[[httpx.Request, Any], None]
Spoiler = Callable[[Spoil], pytest.MonkeyPatch]


def spoil_answers(small: SmallVendors) -> Iterator[Spoiler]:
    """Lets a function change the answers on their way; undoing what it returns lets them pass again."""
    with pytest.MonkeyPatch.context() as patch:

        def start(spoil: Spoil) -> pytest.MonkeyPatch:
            def handle(request: httpx.Request) -> httpx.Response:
                answer = small.bridge.handle_request(request)
                body = answer.json()
                spoil(request, body)
                # Escaped, as vendors write what is no valid text.
                content = json.dumps(body).encode()
                return httpx.Response(
                    answer.status_code, content=content, headers={"content-type": "application/json"}
                )

            client = functools.partial(httpx.Client, transport=httpx.MockTransport(handle))
            patch.setattr("jobs.connectors.http.httpx.Client", client)
            return patch

        yield start


def rows(statement: str) -> list[tuple[Any, ...]]:
    """What a query answers."""
    with reading() as session:
        return [tuple(row) for row in session.execute(text(statement))]


def errors() -> list[tuple[Any, ...]]:
    """Stream, unit and kind of the unresolved errors."""
    return rows(
        "SELECT stream, unit, error_kind FROM connector_errors WHERE status <> 'resolved' ORDER BY 1, 2"
    )


def state() -> list[tuple[Any, ...]]:
    """How the last sync ended."""
    return rows("SELECT status, last_error_kind FROM connector_sync_state")
