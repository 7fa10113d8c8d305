"""A creating request with an Idempotency-Key happens once."""

import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
from sqlmodel import select

from models.infra.clock import utcnow
from models.infra.database import transaction
from models.queries import idempotency
from models.tables.crm import Account
from models.tables.outbound import IdempotencyKey
from tests.tools_app.commerce import error_code
from tests.tools_app.world import World

BODY = {"project_id": "alpha", "name": "Lumen"}


def create(client: httpx.Client, key: str | None, **changes: str) -> httpx.Response:
    headers = {} if key is None else {"idempotency-key": key}
    return client.post("/api/crm/accounts", json={**BODY, **changes}, headers=headers)


def count() -> int:
    with transaction() as session:
        return len(session.exec(select(Account)).all())


def test_the_same_key_and_body_again_get_the_first_answer(client: httpx.Client) -> None:
    first, again = create(client, "key-1"), create(client, "key-1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["account"] == again.json()["account"]
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    assert again.json()["request_id"] == again.headers["x-request-id"] != first.json()["request_id"]
    assert count() == 1


def test_the_same_key_with_another_body_is_409(client: httpx.Client) -> None:
    create(client, "key-1")
    assert error_code(create(client, "key-1", name="Another"), 409) == "idempotency_key_reused"
    assert count() == 1


def test_without_a_key_and_under_another_key_or_route_each_request_creates(client: httpx.Client) -> None:
    for key in (None, None, "key-1", "key-2"):
        assert create(client, key).status_code == 201
    body = {"project_id": "alpha", "name": "Lumen"}
    assert (
        client.post("/api/crm/opportunities", json=body, headers={"idempotency-key": "key-1"}).status_code
        == 201
    )
    assert count() == 4


def test_another_account_scope_has_keys_of_its_own(
    client: httpx.Client, login: Callable[..., httpx.Client], worlds: dict[str, World]
) -> None:
    mine, theirs = create(client, "key-1").json(), create(login("two"), "key-1").json()
    assert mine["account"]["id"] != theirs["account"]["id"]


def test_equal_requests_at_the_same_moment_create_once(client: httpx.Client) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: create(client, "key-1"), range(6)))
    assert {each.status_code for each in answers} == {201}
    assert len({each.json()["account"]["id"] for each in answers}) == 1
    assert sum("idempotency-replayed" not in each.headers for each in answers) == 1
    assert count() == 1


def test_a_refused_request_leaves_its_key_free(client: httpx.Client) -> None:
    body = {"project_id": "alpha", "name": "Portal", "amount": "1.00"}
    headers = {"idempotency-key": "key-1"}
    assert client.post("/api/crm/opportunities", json=body, headers=headers).status_code == 400
    body["currency"] = "EUR"
    assert client.post("/api/crm/opportunities", json=body, headers=headers).status_code == 201


def test_a_key_holds_for_a_day(client: httpx.Client) -> None:
    create(client, "key-1")
    with transaction() as session:
        row = session.exec(select(IdempotencyKey)).one()
        row.created_at = utcnow() - idempotency.KEPT - dt.timedelta(seconds=1)
        session.add(row)
    create(client, "key-1")
    assert count() == 2
    with transaction() as session:
        assert idempotency.forget_old(session, utcnow()) == 0
        assert idempotency.forget_old(session, utcnow() + idempotency.KEPT + dt.timedelta(seconds=1)) == 1


def test_a_project_is_created_once_too_and_a_key_has_no_spaces(client: httpx.Client) -> None:
    body, headers = {"slug": "gamma", "name": "Gamma"}, {"idempotency-key": "key-1"}
    first, again = (client.post("/api/projects", json=body, headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["project"] == again.json()["project"]
    for key in ("", "a b", "x" * 201):
        assert create(client, key).status_code == 400, key
