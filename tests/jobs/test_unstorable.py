"""A record that the database refuses is set aside like one that cannot be read, wherever it is met."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlmodel import Session

from jobs.refetch import refetch_connection
from jobs.repair import repair_connection
from jobs.retry import retry_connection
from models.infra.database import transaction
from models.queries.storable import write_what_fits
from tests.jobs.copies import change, measure, run_sync
from tests.jobs.small_vendors import SmallVendors
from tests.jobs.spoiling import Spoil, Spoiler, errors, rows, state

Change = Callable[[dict[str, Any]], object]


def first(path: str, change: Change) -> Spoil:
    """Changes the first record of the answers of a REST path."""

    def spoil(request: httpx.Request, body: Any) -> None:
        if request.url.path.endswith(path):
            found = body.get("payload") or body.get("data")
            items = found["payload"] if isinstance(found, dict) else found
            for item in items[:1]:
                change(item)

    return spoil


def first_node(name: str, change: Change) -> Spoil:
    """Changes the first node of Linear's answers of that name."""

    def spoil(_request: httpx.Request, body: Any) -> None:
        nodes = ((body.get("data") or {}).get(name) or {}).get("nodes") or []
        for node in nodes[:1]:
            change(node)

    return spoil


def worth(amount: int, currency: str) -> list[dict[str, Any]]:
    """Attio's value of a deal."""
    return [
        {
            "active_from": "2026-01-01T00:00:00Z",
            "active_until": None,
            "attribute_type": "currency",
            "currency_value": amount,
            "currency_code": currency,
        }
    ]


DEALS = "/objects/deals/records/query"
CASES = [
    (
        "attio",
        "deals",
        first(DEALS, lambda item: item["values"].update(value=worth(2_500_000_000_000, "VND"))),
    ),
    ("attio", "deals", first(DEALS, lambda item: item["values"].update(value=worth(5, "USDT")))),
    ("chatwoot", "contacts", first("/contacts", lambda item: item.update(name={"first": "A"}))),
    (
        "chatwoot",
        "contacts",
        first("/contacts", lambda item: item.update(name=bytes(range(256)).hex() * 20_000)),
    ),
    ("chatwoot", "inboxes", first("/inboxes", lambda item: item.update(name=None))),
    ("linear", "issues", first_node("issues", lambda node: node.update(title=None))),
    ("linear", "issues", first_node("issues", lambda node: node.update(estimate="XL"))),
]


@pytest.mark.parametrize(("connector", "stream", "spoil"), CASES)
def test_one_record_that_does_not_fit_is_set_aside_and_all_others_are_here(
    small: SmallVendors, spoiled: Spoiler, connector: str, stream: str, spoil: Spoil
) -> None:
    _, connection_id = small.connect(connector)
    patch = spoiled(spoil)
    result = run_sync(connection_id)
    assert (result.status, dict(result.errors)) == ("ok", {})
    refused = {unit for kind_of, unit, kind in errors() if (kind_of, kind) == (stream, "bad_record")}
    patch.undo()
    small.hours.forward(600)
    retry_connection(connection_id)
    small.hours.forward(600)
    run_sync(connection_id)
    assert errors() == []
    table = {"attio": "attio", "chatwoot": "cw", "linear": "linear"}[connector]
    query = f"SELECT vendor_id FROM {table}_{stream} WHERE deleted_at IS NULL"  # noqa: S608 - our own names
    held = {row[0] for row in rows(query)}
    assert refused <= held
    assert {each.missing for each in measure(connection_id).streams.values()} == {0}


def test_what_kept_a_record_out_is_said_without_the_record(small: SmallVendors, spoiled: Spoiler) -> None:
    _, connection_id = small.connect("linear")
    spoiled(first_node("issues", lambda node: node.update(title=None)))
    run_sync(connection_id)
    [(message,)] = rows("SELECT message FROM connector_errors WHERE stream = 'issues'")
    assert "title" in message
    assert "Failing row" not in message


def test_comments_of_an_issue_that_does_not_fit_wait_for_it(small: SmallVendors, spoiled: Spoiler) -> None:
    tables = small.tenant.linear.tables
    victim = next(iter(tables["comments"].values()))["issue"]["id"]
    waiting = sorted(key for key, each in tables["comments"].items() if each["issue"]["id"] == victim)

    def spoil(_request: httpx.Request, body: Any) -> None:
        data = body.get("data") or {}
        for node in [*((data.get("issues") or {}).get("nodes") or []), data.get("issue") or {}]:
            if node.get("id") == victim and "title" in node:
                node["title"] = None

    _, connection_id = small.connect("linear")
    patch = spoiled(spoil)
    run_sync(connection_id)
    assert errors() == [
        *(("comments", each, "bad_record") for each in waiting),
        ("issues", victim, "bad_record"),
    ]
    patch.undo()
    small.hours.forward(60)
    retry_connection(connection_id)
    assert errors() == []
    assert rows("SELECT count(*) FROM linear_comments") == [(len(tables["comments"]),)]


def test_a_retry_that_fails_once_more_is_counted_and_stops_no_other(
    small: SmallVendors, spoiled: Spoiler
) -> None:
    _, connection_id = small.connect("linear")
    run_sync(connection_id)
    victims = [row[0] for row in rows("SELECT vendor_id FROM linear_issues ORDER BY vendor_id LIMIT 2")]
    for victim in victims:
        small.hours.forward(1)
        change(
            "INSERT INTO connector_errors (id, account_scope_id, connection_id, stream, unit, error_kind, message,"
            " payload, status, attempt, next_retry_at) SELECT gen_random_uuid(), account_scope_id, id, 'issues', :unit,"
            " 'bad_record', 'x', '{}', 'pending', 1, now() FROM vendor_connections RETURNING unit AS vendor_id",
            unit=victim,
        )

    def spoil(_request: httpx.Request, body: Any) -> None:
        issue = (body.get("data") or {}).get("issue") or {}
        if issue.get("id") == victims[0]:
            issue["title"] = None

    spoiled(spoil)
    small.hours.forward(60)
    outcome = retry_connection(connection_id)
    assert (outcome.tried, outcome.resolved, outcome.failed) == (2, 1, 1)
    assert rows("SELECT unit, attempt FROM connector_errors WHERE status <> 'resolved'") == [(victims[0], 2)]


def test_a_hint_of_what_does_not_fit_is_followed_once(small: SmallVendors, spoiled: Spoiler) -> None:
    _, connection_id = small.connect("attio")
    run_sync(connection_id)
    deals = [row[0] for row in rows("SELECT vendor_id FROM attio_deals ORDER BY vendor_id")]
    for deal in deals:
        change(
            "INSERT INTO record_hints (connection_id, account_scope_id, stream, vendor_id, asked_at)"
            " SELECT id, account_scope_id, 'deals', :deal, now() FROM vendor_connections RETURNING vendor_id",
            deal=deal,
        )

    def spoil(request: httpx.Request, body: Any) -> None:
        if request.url.path.endswith(f"/records/{deals[0]}"):
            body["data"]["values"]["value"] = worth(2_500_000_000_000, "VND")

    spoiled(spoil)
    outcome = refetch_connection(connection_id)
    assert outcome.failed == 1
    assert rows("SELECT count(*) FROM record_hints") == [(0,)]
    assert errors() == [("deals", deals[0], "bad_record")]


def test_a_comparison_says_stale_and_a_repair_goes_on(small: SmallVendors, spoiled: Spoiler) -> None:
    _, connection_id = small.connect("attio")
    run_sync(connection_id)
    spoiled(first(DEALS, lambda item: item["values"].update(value=worth(2_500_000_000_000, "VND"))))
    assert measure(connection_id).streams["deals"].stale == 1
    gone = change("DELETE FROM attio_notes RETURNING vendor_id")
    measure(connection_id)
    repair_connection(connection_id)
    assert rows("SELECT count(*) FROM attio_notes") == [(len(gone),)]


@pytest.mark.parametrize("odd", ["a\x00b", "a\ud800b"])
def test_what_is_kept_of_an_unreadable_record_can_be_stored(
    small: SmallVendors, spoiled: Spoiler, odd: str
) -> None:
    _, connection_id = small.connect("chatwoot")
    spoiled(first("/messages", lambda item: item.update(content=odd, created_at=None)))
    assert run_sync(connection_id).status == "ok"
    assert {(stream, kind) for stream, _, kind in errors()} == {("messages", "bad_record")}


@pytest.mark.parametrize("no_id", [None, {"a": 1}, [1], "None", ""])
def test_what_has_no_usable_id_never_becomes_a_row(
    small: SmallVendors, spoiled: Spoiler, no_id: object
) -> None:
    _, connection_id = small.connect("chatwoot")
    spoiled(first("/contacts", lambda item: item.update(id=no_id)))
    result = run_sync(connection_id)
    assert (result.status, dict(result.errors)) == ("ok", {})
    assert {(stream, kind) for stream, _, kind in errors()} == {("contacts", "bad_record")}
    assert rows("SELECT vendor_id FROM cw_contacts WHERE vendor_id !~ '^[0-9]+$'") == []


def test_secrets_of_an_unreadable_inbox_are_not_kept(small: SmallVendors, spoiled: Spoiler) -> None:
    def spoil(item: dict[str, Any]) -> None:
        del item["name"]
        item |= {
            "imap_password": "hunter2",
            "hmac_token": "hunter2",
            "provider_config": {"api_key": "hunter2"},
        }

    _, connection_id = small.connect("chatwoot")
    spoiled(first("/inboxes", spoil))
    run_sync(connection_id)
    [(payload,)] = rows("SELECT payload::text FROM connector_errors WHERE stream = 'inboxes'")
    assert "hunter2" not in payload


def test_that_none_of_many_can_be_read_is_a_changed_schema(small: SmallVendors, spoiled: Spoiler) -> None:
    def spoil(request: httpx.Request, body: Any) -> None:
        if request.url.path.endswith("/messages"):
            for item in body["payload"]:
                item["created_at"] = "2026-11-29T05:00:00Z"

    _, connection_id = small.connect("chatwoot")
    spoiled(spoil)
    result = run_sync(connection_id)
    assert (result.status, [*result.errors]) == ("degraded", ["messages"])
    assert state() == [("degraded", "schema_changed")]


def test_of_a_batch_all_is_written_but_what_is_refused(database: str) -> None:
    with transaction() as session:
        session.execute(text("CREATE TEMPORARY TABLE narrow (vendor_id text, worth numeric(3, 1))"))

        def write(part: Any) -> int:
            for row in part:
                session.execute(text("INSERT INTO narrow VALUES (:vendor_id, :worth)"), row)
            return len(part)

        batch = [{"vendor_id": str(at), "worth": 1000 if at in (3, 4, 17) else at} for at in range(20)]
        written, refused = write_what_fits(session, batch, write)
        assert sum(written) == 17
        assert refused.keys() == {"3", "4", "17"}
        assert session.execute(text("SELECT count(*) FROM narrow")).scalar_one() == 17


def test_an_error_that_is_not_the_rows_own_is_raised(database: str) -> None:
    def lost(_part: Any, session: Session) -> None:
        session.execute(text("SELECT nothing FROM nowhere"))

    with transaction() as session, pytest.raises(Exception, match="nowhere"):
        write_what_fits(session, [{"vendor_id": "1"}, {"vendor_id": "2"}], lambda part: lost(part, session))
