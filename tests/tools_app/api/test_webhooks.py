"""Deliveries: who is believed, who is refused and how, what is remembered, and that a record changes in the end."""

import datetime as dt
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlmodel import select

from jobs import enqueue, tasks
from models.infra import metrics
from models.infra.crypto import encrypt
from models.infra.database import transaction
from models.infra.ids import new_id
from models.infra.settings import override_settings
from models.tables.platform import AuditEvent, JobRun, VendorConnection
from models.tables.reliability import RecordHint
from tests import deliveries as made
from tests.tools_app.world import World
from tests.vendors import running_vendors
from tools_app.services import webhooks
from tools_app.services.webhook_vendors import VENDORS

ISSUE = "0b7f6a3e-0000-4000-8000-000000000001"


@pytest.fixture
def hook(client: httpx.Client, worlds: dict[str, World]) -> Callable[[str], str]:
    """The path of a connection of scope `one`, its secret set."""

    def path(connector: str) -> str:
        connection = worlds["one"].places["alpha"].connections[connector]
        answer = client.put(f"/api/webhooks/{connector}/{connection}/secret", json={"secret": made.SECRET})
        assert answer.status_code == 200, answer.text
        return httpx.URL(answer.json()["url"]).path

    return path


def hints() -> set[tuple[str, str, str | None]]:
    with transaction() as session:
        return {(each.stream, each.vendor_id, each.parent) for each in session.exec(select(RecordHint)).all()}


def runs() -> list[tuple[str, str]]:
    with transaction() as session:
        found = session.exec(select(JobRun).where(JobRun.requested_by == "webhook")).all()
        return [(each.job, each.subject) for each in found]


def asked() -> list[tuple[str, str]]:
    """`runs` once there is one: a run is asked for after the answer."""
    for _ in range(200):
        if found := runs():
            return found
        time.sleep(0.05)
    raise AssertionError("no run was asked for")


def counted(connector: str, outcome: str) -> float:
    return metrics.webhook_deliveries.labels(connector, outcome)._value.get()


def assert_refused(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["code"] == code
    assert hints() == set()
    assert runs() == []


DELIVERIES: dict[str, tuple[dict[str, Any], set[tuple[str, str, str | None]]]] = {
    "chatwoot": (made.message(71, 8), {("conversations", "8", None), ("messages", "71", "8")}),
    "linear": (made.issue(ISSUE), {("issues", ISSUE, None)}),
    "attio": (made.record(ISSUE, "obj-1"), {("object", ISSUE, "obj-1")}),
}


@pytest.mark.parametrize("connector", sorted(VENDORS))
def test_a_signed_delivery_is_taken_and_a_run_is_asked_for(
    anonymous: httpx.Client, hook: Callable[[str], str], connector: str
) -> None:
    event, named = DELIVERIES[connector]
    before = counted(connector, "accepted")
    path = hook(connector)
    answer = anonymous.post(path, **getattr(made, connector)(event))
    assert (answer.status_code, answer.json()["outcome"]) == (200, "accepted"), answer.text
    assert hints() == named
    assert asked() == [("refetch", path.rpartition("/")[2])]
    assert counted(connector, "accepted") == before + 1


@pytest.mark.parametrize("connector", sorted(VENDORS))
def test_a_delivery_signed_with_another_secret_or_not_at_all_is_refused(
    anonymous: httpx.Client, hook: Callable[[str], str], connector: str
) -> None:
    event, _ = DELIVERIES[connector]
    sign = getattr(made, connector)
    path, before = hook(connector), counted(connector, "unsigned")
    assert_refused(anonymous.post(path, **sign(event, secret="another-secret-0123")), 401, "webhook_unsigned")
    assert_refused(anonymous.post(path, content=json.dumps(event)), 401, "webhook_unsigned")
    changed = sign(event)
    changed["content"] += b" "
    assert_refused(anonymous.post(path, **changed), 401, "webhook_unsigned")
    for junk in ("", "sha256=", "é".encode().decode("latin-1"), "0" * 64):
        name = {"chatwoot": "x-chatwoot-signature", "linear": "linear-signature", "attio": "attio-signature"}
        answer = anonymous.post(path, content=b"{}", headers={name[connector]: junk.encode("latin-1")})  # type: ignore[dict-item]
        assert_refused(answer, 401, "webhook_unsigned")
    assert counted(connector, "unsigned") == before + 7


def test_what_is_not_there_is_the_same_answer_as_a_bad_signature(
    anonymous: httpx.Client, hook: Callable[[str], str], worlds: dict[str, World]
) -> None:
    path = hook("linear")
    delivery = made.linear(made.issue(ISSUE))
    silent = worlds["one"].places["alpha"].connections["attio"]  # it has no secret
    with transaction() as session:
        off = session.get(VendorConnection, worlds["two"].places["alpha"].connections["linear"])
        assert off is not None
        off.enabled, off.webhook_secret_encrypted = False, None
        session.add(off)
        off_id = off.id
    answers = [
        anonymous.post(where, **delivery)
        for where in (
            f"/api/webhooks/linear/{new_id()}",
            "/api/webhooks/linear/no-id",
            f"/api/webhooks/hubspot/{path.rpartition('/')[2]}",
            f"/api/webhooks/chatwoot/{path.rpartition('/')[2]}",
            f"/api/webhooks/attio/{silent}",
            f"/api/webhooks/linear/{off_id}",
        )
    ]
    answers.append(anonymous.post(path, **made.linear(made.issue(ISSUE), secret="x" * 20)))
    assert {each.status_code for each in answers} == {401}
    assert len({json.dumps(each.json()["error"]) for each in answers}) == 1
    assert hints() == set()
    assert counted("unknown", "unsigned") >= 1


def test_a_delivery_signed_outside_the_window_is_stale(
    anonymous: httpx.Client, hook: Callable[[str], str]
) -> None:
    for connector in ("chatwoot", "linear"):
        path, event = hook(connector), DELIVERIES[connector][0]
        for ago_s in (302, -302, 40_000):
            answer = anonymous.post(path, **getattr(made, connector)(event, ago_s=ago_s))
            assert_refused(answer, 401, "webhook_stale")


def test_the_window_is_a_setting(anonymous: httpx.Client, hook: Callable[[str], str]) -> None:
    path = hook("linear")
    with override_settings(webhook_replay_window_s=30):
        assert_refused(anonymous.post(path, **made.linear(made.issue(ISSUE), ago_s=40)), 401, "webhook_stale")
    assert anonymous.post(path, **made.linear(made.issue(ISSUE), ago_s=40)).status_code == 200


@pytest.mark.parametrize("connector", sorted(VENDORS))
def test_a_replayed_delivery_is_answered_and_changes_nothing(
    anonymous: httpx.Client, hook: Callable[[str], str], connector: str
) -> None:
    path, delivery = hook(connector), getattr(made, connector)(DELIVERIES[connector][0])
    assert anonymous.post(path, **delivery).json()["outcome"] == "accepted"
    assert asked()
    with transaction() as session:
        session.execute(text("DELETE FROM record_hints"))
        session.execute(text("DELETE FROM job_runs"))
    again = anonymous.post(path, **delivery)
    assert (again.status_code, again.json()["outcome"]) == (200, "duplicate")
    assert (hints(), runs()) == (set(), [])


def test_a_replay_under_another_delivery_id_is_known_by_what_was_signed(
    anonymous: httpx.Client, hook: Callable[[str], str]
) -> None:
    for connector, header in (("chatwoot", "x-chatwoot-delivery"), ("linear", "linear-delivery")):
        path, delivery = hook(connector), getattr(made, connector)(DELIVERIES[connector][0])
        assert anonymous.post(path, **delivery).json()["outcome"] == "accepted"
        delivery["headers"][header] = str(new_id())
        assert anonymous.post(path, **delivery).json()["outcome"] == "duplicate"


def test_a_vendors_retry_has_the_same_id_though_it_is_signed_anew(
    anonymous: httpx.Client, hook: Callable[[str], str]
) -> None:
    path, one = hook("linear"), {"linear-delivery": str(new_id())}
    first = anonymous.post(path, **made.linear(made.issue(ISSUE), ago_s=60, **one))
    second = anonymous.post(path, **made.linear(made.issue(ISSUE), **one))
    assert [each.json()["outcome"] for each in (first, second)] == ["accepted", "duplicate"]


def test_two_changes_of_one_attio_record_are_two_deliveries_of_the_same_bytes(
    anonymous: httpx.Client, hook: Callable[[str], str]
) -> None:
    path, event = hook("attio"), DELIVERIES["attio"][0]
    outcomes = [anonymous.post(path, **made.attio(event)).json()["outcome"] for _ in range(2)]
    assert outcomes == ["accepted", "accepted"]
    assert len(hints()) == 1


def test_an_attio_delivery_without_an_id_is_known_by_its_content_for_the_window(
    anonymous: httpx.Client, hook: Callable[[str], str]
) -> None:
    path, delivery = hook("attio"), made.attio(DELIVERIES["attio"][0])
    del delivery["headers"]["idempotency-key"]
    outcomes = [anonymous.post(path, **delivery).json()["outcome"] for _ in range(2)]
    with transaction() as session:
        session.execute(text("UPDATE webhook_deliveries SET received_at = now() - interval '301 seconds'"))
    outcomes.append(anonymous.post(path, **delivery).json()["outcome"])
    assert outcomes == ["accepted", "duplicate", "accepted"]


def test_a_signed_body_that_cannot_be_read_is_400(
    anonymous: httpx.Client, hook: Callable[[str], str]
) -> None:
    path, before = hook("linear"), counted("linear", "malformed")
    bodies = [b"", b"{", b"[]", b"null", b"\xff", b'{"type": "Issue"}', b"[" * 50_000]
    for body in bodies:
        assert_refused(anonymous.post(path, **made.linear(body)), 400, "webhook_malformed")
    assert counted("linear", "malformed") == before + len(bodies)


def test_a_body_over_the_limit_is_413_whether_or_not_it_says_so(
    anonymous: httpx.Client, hook: Callable[[str], str]
) -> None:
    path, before = hook("linear"), counted("linear", "too_large")
    large = made.linear(b"x" * (webhooks.BODY_AT_MOST + 1))
    assert_refused(anonymous.post(path, **large), 413, "too_large")

    def chunks() -> Iterator[bytes]:
        yield from (
            large["content"][start : start + 65_536] for start in range(0, len(large["content"]), 65_536)
        )

    assert_refused(anonymous.post(path, content=chunks(), headers=large["headers"]), 413, "too_large")
    assert counted("linear", "too_large") == before + 2


def test_the_content_type_does_not_matter_and_no_session_or_origin_is_asked_for(
    anonymous: httpx.Client, hook: Callable[[str], str]
) -> None:
    delivery = made.linear(
        made.issue(ISSUE), **{"content-type": "text/plain", "origin": "https://linear.app"}
    )
    assert anonymous.post(hook("linear"), **delivery).status_code == 200


def test_an_event_about_nothing_we_keep_is_answered_and_ignored(
    anonymous: httpx.Client, hook: Callable[[str], str]
) -> None:
    answer = anonymous.post(hook("chatwoot"), **made.chatwoot({"event": "conversation_typing_on", "id": 1}))
    assert (answer.status_code, answer.json()["outcome"]) == (200, "ignored")
    assert (hints(), runs()) == (set(), [])


def test_too_many_deliveries_of_a_connection_are_429_and_others_are_not_held_up(
    anonymous: httpx.Client, hook: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "_AT_MOST", 2)
    linear, attio = hook("linear"), hook("attio")
    answers = [anonymous.post(linear, **made.linear(made.issue(f"i-{number}"))) for number in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert 1 <= int(answers[2].headers["retry-after"]) <= 60
    assert len(hints()) == 2
    assert anonymous.post(attio, **made.attio(DELIVERIES["attio"][0])).status_code == 200
    # What nobody signed does not use the connection's share up.
    with transaction() as session:
        session.execute(text("UPDATE webhook_deliveries SET received_at = now() - interval '61 seconds'"))
    for _ in range(5):
        anonymous.post(linear, content=b"{}")
    assert anonymous.post(linear, **made.linear(made.issue("i-9"))).status_code == 200


def test_when_too_much_waits_one_sync_takes_its_place(
    anonymous: httpx.Client, hook: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "_HINTS_WAITING_AT_MOST", 2)
    path = hook("linear")
    for number in range(4):
        assert anonymous.post(path, **made.linear(made.issue(f"i-{number}"))).status_code == 200
    assert hints() == {("issues", "i-0", None), ("issues", "i-1", None), ("sync", "", None)}


def test_a_delivery_is_taken_while_redis_is_away_and_fetched_when_it_is_back(
    anonymous: httpx.Client, hook: Callable[[str], str]
) -> None:
    path = hook("linear")
    with override_settings(redis_url="redis://127.0.0.1:1/0", cache_redis_url="redis://127.0.0.1:1/0"):
        answer = anonymous.post(path, **made.linear(made.issue(ISSUE)))
        assert (answer.status_code, answer.json()["outcome"]) == (200, "accepted")
        assert anonymous.get("/health").status_code == 200
        assert asked() == [("refetch", path.rpartition("/")[2])]
    assert hints() == {("issues", ISSUE, None)}
    with transaction() as session:
        assert session.execute(text("SELECT count(*) FROM job_outbox")).scalar_one() == 1


def test_hints_that_no_run_was_asked_for_are_found_by_the_schedule(
    anonymous: httpx.Client, hook: Callable[[str], str]
) -> None:
    path = hook("linear")
    assert anonymous.post(path, **made.linear(made.issue(ISSUE))).status_code == 200
    assert asked()
    with transaction() as session:
        session.execute(text("DELETE FROM job_runs"))
    (ref,) = enqueue.request_refetch(None, "schedule")
    assert (ref.job, ref.subject, ref.created) == ("refetch", path.rpartition("/")[2], True)


def test_many_deliveries_are_one_run(anonymous: httpx.Client, hook: Callable[[str], str]) -> None:
    path = hook("linear")
    for number in range(20):
        assert anonymous.post(path, **made.linear(made.issue(f"i-{number}"))).status_code == 200
    assert (len(hints()), len(asked())) == (20, 1)


def test_a_secret_is_set_encrypted_audited_and_never_shown(
    client: httpx.Client, hook: Callable[[str], str], worlds: dict[str, World]
) -> None:
    path = hook("linear")
    with transaction() as session:
        held = session.get(VendorConnection, UUID(path.rpartition("/")[2]))
        assert held is not None
        assert made.SECRET not in str(held.webhook_secret_encrypted)
        (event,) = session.exec(
            select(AuditEvent).where(AuditEvent.action == "connector.webhook_secret")
        ).all()
        assert (event.before, event.after, event.actor) == ({"secret": False}, {"secret": True}, "owner")
    shown = client.get("/api/connectors/state").text + client.get("/api/openapi.json").text
    assert made.SECRET not in shown
    assert client.put(f"{path}/secret", json={"secret": None}).status_code == 200
    assert_refused(client.post(path, **made.linear(made.issue(ISSUE))), 401, "webhook_unsigned")


def test_a_secret_that_cannot_be_one_is_refused_and_not_repeated(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    connection = worlds["one"].places["alpha"].connections["linear"]
    for secret in ("", "short", "x" * 257, "ключ-ключ-ключ-ключ", "tab\t0123456789abcdef"):
        answer = client.put(f"/api/webhooks/linear/{connection}/secret", json={"secret": secret})
        assert answer.status_code == 400
        assert not secret or secret not in answer.text


def test_a_connection_of_another_scope_is_neither_configured_nor_reached(
    client: httpx.Client, anonymous: httpx.Client, hook: Callable[[str], str], worlds: dict[str, World]
) -> None:
    other = worlds["two"].places["alpha"].connections["linear"]
    answer = client.put(f"/api/webhooks/linear/{other}/secret", json={"secret": made.SECRET})
    assert answer.status_code == 404
    mine = hook("linear")
    connection = mine.rpartition("/")[2]
    assert (
        client.put(f"/api/webhooks/attio/{connection}/secret", json={"secret": made.SECRET}).status_code
        == 404
    )
    assert_refused(
        anonymous.post(f"/api/webhooks/linear/{other}", **made.linear(made.issue(ISSUE))),
        401,
        "webhook_unsigned",
    )
    assert anonymous.post(mine, **made.linear(made.issue(ISSUE))).status_code == 200
    assert asked() == [("refetch", connection)]
    with transaction() as session:
        owners = session.execute(text("SELECT DISTINCT account_scope_id FROM record_hints")).scalars().all()
        found = session.exec(select(JobRun).where(JobRun.job == "refetch")).all()
    assert owners == [worlds["one"].scope]
    assert [run.account_scope_id for run in found] == [worlds["one"].scope]


def test_neither_secrets_nor_bodies_are_logged(
    anonymous: httpx.Client, hook: Callable[[str], str], capfd: pytest.CaptureFixture[str]
) -> None:
    path = hook("linear")
    anonymous.post(path, **made.linear({**made.issue(ISSUE), "actor": {"name": "Confidential Carla"}}))
    anonymous.post(path, **made.linear(b'{"Confidential": '))
    anonymous.post(path, content=b"Confidential")
    logged = "".join(capfd.readouterr())
    assert "Confidential" not in logged
    assert made.SECRET not in logged


def test_a_delivery_changes_the_record_in_the_database(
    anonymous: httpx.Client, hook: Callable[[str], str], worlds: dict[str, World], tmp_path: Path
) -> None:
    with running_vendors(tmp_path / "sandbox") as vendors:
        answer = httpx.post(
            f"{vendors.origin('linear')}/graphql",
            json={"query": "{ issues(first: 1) { nodes { id title } } }"},
            headers={"authorization": vendors.tokens["linear"]},
            timeout=20,
        )
        at_vendor = answer.json()["data"]["issues"]["nodes"][0]
        path = hook("linear")
        connection = path.rpartition("/")[2]
        with transaction() as session:
            held = session.get(VendorConnection, UUID(connection))
            assert held is not None
            held.base_url, held.token_encrypted = vendors.origin("linear"), encrypt(vendors.tokens["linear"])
            session.add(held)
        place = worlds["one"].places["unassigned"]
        assert anonymous.post(path, **made.linear(made.issue(at_vendor["id"]))).status_code == 200
        assert asked()
        with transaction() as session:
            run = session.exec(select(JobRun).where(JobRun.job == "refetch")).one()
        tasks.refetch_connection(connection, str(run.id))
    with transaction() as session:
        row = session.execute(
            text("SELECT title, project_id, synced_at FROM linear_issues WHERE vendor_id = :id"),
            {"id": at_vendor["id"]},
        ).one()
        assert (row.title, row.project_id) == (at_vendor["title"], place.project)
        assert dt.datetime.now(dt.UTC) - row.synced_at < dt.timedelta(minutes=2)
        done = session.get(JobRun, run.id)
        assert done is not None
        assert (done.status, done.counts["written"], done.counts["followed"]) == ("succeeded", 1, 1)
    assert hints() == set()
    assert ("index", str(worlds["one"].scope)) in runs()


def test_deliveries_are_counted_by_connection_and_the_secret_is_not_told(
    client: httpx.Client, hook: Callable[[str], str], worlds: dict[str, World]
) -> None:
    path = hook("linear")
    before = webhook_rows(client)["linear"]
    assert client.post(path, json={}).status_code == 401
    assert client.post(f"/api/webhooks/linear/{new_id()}", json={}).status_code == 401
    row = webhook_rows(client)["linear"]
    assert (row["has_secret"], httpx.URL(row["url"]).path) == (True, path)
    assert row["refused"] - before["refused"] == 1
    assert row["refusals"]["unsigned"] - before["refusals"].get("unsigned", 0) == 1
    assert made.SECRET not in client.get("/api/webhooks").text
    foreign = {str(each) for each in worlds["two"].places["alpha"].connections.values()}
    assert foreign.isdisjoint(each["connection_id"] for each in webhook_rows(client).values())


def webhook_rows(client: httpx.Client) -> dict[str, Any]:
    return {each["connector"]: each for each in client.get("/api/webhooks").json()["items"]}
