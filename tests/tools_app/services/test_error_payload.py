"""What the vendor sent of a failed unit: readable, bounded, without secrets, inside the scope."""

import json
from uuid import UUID

import pytest
from sqlmodel import select

from models.infra.database import reading, transaction
from models.infra.errors import InvalidInput, NotFound
from models.tables.reliability import ConnectorError
from tests.tools_app.world import World, unused_id
from tools_app.services.error_payload import SHOWN_AT_MOST, error_payload, readable


def error_of(world: World, slug: str) -> str:
    with reading() as session:
        project = world.places[slug].project
        return str(session.exec(select(ConnectorError.id).where(ConnectorError.project_id == project)).one())


def test_a_payload_is_indented_json_with_its_secrets_masked() -> None:
    payload = {
        "id": 7,
        "name": "Борис",
        "contact_inbox": {"pubsub_token": "abc123", "source_id": "s"},
        "meta": [{"api_key": "k-1"}],
        "url": "https://files.example/a.pdf?X-Amz-Signature=0badc0de&name=a#page",
        "note": "Authorization: Bearer eyJhbGciOi.J9.x-y_z",
    }
    text = readable(payload)
    for secret in ("abc123", "k-1", "0badc0de", "eyJhbGciOi"):
        assert secret not in text
    kept = json.loads(text)
    assert (kept["id"], kept["name"], kept["contact_inbox"]["source_id"]) == (7, "Борис", "s")
    assert kept["url"] == "https://files.example/a.pdf?X-Amz-Signature=***&name=a#page"
    assert "\n  " in text


def test_an_empty_payload_is_no_text() -> None:
    assert readable({}) == ""


def test_a_long_payload_is_cut_and_says_by_how_much(worlds: dict[str, World]) -> None:
    world = worlds["one"]
    identity = error_of(world, "alpha")
    with transaction() as session:
        held = session.get(ConnectorError, UUID(identity))
        assert held is not None
        held.payload = {"body": "x" * 20_000}
        session.add(held)
    found = error_payload(world.of("alpha"), identity)
    assert len(found.text) == SHOWN_AT_MOST
    assert found.cut == len(readable({"body": "x" * 20_000})) - SHOWN_AT_MOST


def test_only_errors_of_the_scope_show_theirs(worlds: dict[str, World]) -> None:
    world = worlds["one"]
    identity = error_of(world, "alpha")
    assert world.places["alpha"].marker in error_payload(world.of("alpha"), identity).text
    for scope in (world.of("beta"), worlds["two"].of()):
        with pytest.raises(NotFound):
            error_payload(scope, identity)
    with pytest.raises(NotFound):
        error_payload(world.of(), unused_id())
    with pytest.raises(InvalidInput):
        error_payload(world.of(), "7")
