"""A record that cannot be read is set aside; it stops neither its stream, nor the others, nor the job."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from jobs import sync
from jobs.repair import repair_connection
from jobs.retry import retry_connection
from models.infra.database import reading
from models.queries.connector_overview import count_streams, list_connections
from tests.jobs.copies import change, measure, run_sync
from tests.jobs.small_vendors import SmallVendors
from tests.jobs.spoiling import Spoil, Spoiler, errors, rows, state
from tests.jobs.vendor_truth import local, vendor


@pytest.mark.parametrize("created_at", ["yesterday", 1e30, []])
def test_an_unreadable_visitor_is_set_aside_and_every_conversation_is_here(
    small: SmallVendors, spoiled: Spoiler, created_at: object
) -> None:
    def spoil(request: httpx.Request, body: Any) -> None:
        if request.url.path.endswith("/conversations"):
            for item in body["data"]["payload"][:1]:
                item["meta"]["sender"] = {"id": 424242, "name": "Visitor", "created_at": created_at}

    _, connection_id = small.connect("chatwoot")
    spoiled(spoil)
    assert run_sync(connection_id).status == "ok"
    assert errors() == [("contacts", "424242", "bad_record")]
    assert rows("SELECT count(*) FROM cw_conversations") == [(len(small.tenant.account.conversations),)]
    assert state() == [("ok", None)]


def test_the_comments_of_an_unreadable_issue_wait_for_it_and_the_others_are_here(
    small: SmallVendors, spoiled: Spoiler
) -> None:
    tables = small.tenant.linear.tables
    victim = next(iter(tables["comments"].values()))["issue"]["id"]
    waiting = {key for key, comment in tables["comments"].items() if comment["issue"]["id"] == victim}

    def spoil(_request: httpx.Request, body: Any) -> None:
        data = body.get("data") or {}
        for node in [*((data.get("issues") or {}).get("nodes") or []), data.get("issue") or {}]:
            if node.get("id") == victim and "createdAt" in node:
                node["createdAt"] = "yesterday"

    _, connection_id = small.connect("linear")
    patch = spoiled(spoil)
    assert run_sync(connection_id).status == "ok"
    assert errors() == [
        *(("comments", comment, "bad_record") for comment in sorted(waiting)),
        ("issues", victim, "bad_record"),
    ]
    assert rows("SELECT count(*) FROM linear_comments") == [(len(tables["comments"]) - len(waiting),)]
    patch.undo()
    small.hours.forward(60)
    assert retry_connection(connection_id).failed == 0
    assert errors() == []
    assert rows("SELECT count(*) FROM linear_comments") == [(len(tables["comments"]),)]


@pytest.mark.parametrize("stream", ["conversations", "messages"])
def test_what_is_shown_without_an_id_ends_as_a_dead_letter_and_is_never_taken_for_gone(
    small: SmallVendors, spoiled: Spoiler, stream: str
) -> None:
    asked: list[str] = []

    def spoil(request: httpx.Request, body: Any) -> None:
        asked.append(request.url.path)
        if request.url.path.endswith(f"/{stream}"):
            items = body["data"]["payload"] if stream == "conversations" else body["payload"]
            for item in items[:1]:
                del item["id"]

    _, connection_id = small.connect("chatwoot")
    spoiled(spoil)
    assert run_sync(connection_id).status == "ok"
    queued = errors()
    assert queued
    assert {(where, kind) for where, _, kind in queued} == {(stream, "bad_record")}
    asked.clear()
    for _ in range(4):
        small.hours.forward(7 * 3600)
        again = retry_connection(connection_id)
        assert (again.failed, again.resolved, again.needs_sync) == (len(queued), 0, False)
    assert asked == []
    assert errors() == queued
    assert rows("SELECT DISTINCT status, attempt FROM connector_errors") == [("dead_letter", 5)]
    kept = rows("SELECT count(*) FROM connector_errors WHERE payload ? 'created_at'")
    assert kept == [(len(queued),)]


def test_a_relation_without_an_end_is_set_aside_until_it_has_one_or_is_gone(
    small: SmallVendors, spoiled: Spoiler
) -> None:
    broken = {"id": "r", "type": "blocks", "issue": {"id": "a", "identifier": "A-1"}, "relatedIssue": None}

    def spoil(_request: httpx.Request, body: Any) -> None:
        relations = (body.get("data") or {}).get("issueRelations")
        if relations:
            relations["nodes"].insert(0, broken)

    scope, connection_id = small.connect("linear")
    run_sync(connection_id)
    blocked = rows("SELECT vendor_id, blocked_by FROM linear_issues WHERE blocked_by <> '{}' ORDER BY 1")
    patch = spoiled(spoil)
    assert run_sync(connection_id).status == "ok"
    assert errors() == [("relations", "r", "bad_record")]
    with reading() as session:
        connections = list_connections(session, scope.id)
        shown = {each.stream: each.errors for each in count_streams(session, scope.all, connections, {})}
    assert shown["issues"] == 1, "relations have no records: they are counted with those that they are of"
    assert blocked
    assert (
        rows("SELECT vendor_id, blocked_by FROM linear_issues WHERE blocked_by <> '{}' ORDER BY 1") == blocked
    )
    patch.undo()
    run_sync(connection_id)
    assert errors() == []


def _unnamed(relations: list[Any]) -> None:
    for relation in relations:
        relation["issue"] = {"id": relation["issue"]["id"]}


def _nothing_at_all(relations: list[Any]) -> None:
    relations[:] = [None] * len(relations)


@pytest.mark.parametrize("unreadable", [_unnamed, _nothing_at_all])
def test_an_issue_stays_blocked_while_the_relation_that_blocks_it_cannot_be_read(
    small: SmallVendors,
    spoiled: Spoiler,
    unreadable: Callable[[list[Any]], None],
) -> None:
    def spoil(_request: httpx.Request, body: Any) -> None:
        relations = (body.get("data") or {}).get("issueRelations")
        if relations:
            unreadable(relations["nodes"])

    def blocked() -> list[tuple[Any, ...]]:
        return rows("SELECT vendor_id, blocked_by FROM linear_issues WHERE blocked_by <> '{}' ORDER BY 1")

    _, connection_id = small.connect("linear")
    run_sync(connection_id)
    before = blocked()
    assert before
    patch = spoiled(spoil)
    assert run_sync(connection_id).status == "ok"
    assert {(stream, kind) for stream, _, kind in errors()} == {("relations", "bad_record")}
    assert blocked() == before
    assert measure(connection_id).streams["issues"].stale == 0
    # One that somebody altered here is mended from what the relations said last.
    change("UPDATE linear_issues SET blocked_by = '{}' RETURNING vendor_id")
    assert measure(connection_id).streams["issues"].stale == len(before)
    repair_connection(connection_id)
    assert blocked() == before
    # Read again, and gone, they block nothing.
    patch.undo()
    for relation in [*small.tenant.linear.tables["relations"].values()]:
        small.tenant.linear.delete_relation(relation)
    run_sync(connection_id)
    assert (blocked(), errors()) == ([], [])


def _linear(field: str, bad: Any) -> Spoil:
    def spoil(_request: httpx.Request, body: Any) -> None:
        found = (body.get("data") or {}).get(field) or {}
        if found.get("nodes"):
            _put(found["nodes"], bad)

    return spoil


def _others(ending: str, bad: Any) -> Spoil:
    def spoil(request: httpx.Request, body: Any) -> None:
        if not request.url.path.endswith(ending):
            return
        items = body["payload"] if "payload" in body else body["data"]
        items = items["payload"] if isinstance(items, dict) else items
        if items:
            _put(items, bad)

    return spoil


def _put(items: list[Any], bad: Any) -> None:
    """Before the others, or where it is a dict, into the first of them."""
    if isinstance(bad, dict):
        items[0].update(bad)
    else:
        items.insert(0, bad)


ODD = {
    "an issue that is null": ("linear", _linear("issues", None), 0),
    "an issue that is a text": ("linear", _linear("issues", "x"), 0),
    "labels of a strange shape": ("linear", _linear("issues", {"labels": ["x"]}), 1),
    "a label page that is a list": ("linear", _linear("issues", {"labels": {"nodes": [], "pageInfo": ["x"]}}), 1),
    "a comment that is null": ("linear", _linear("comments", None), 0),
    "a relation that is null": ("linear", _linear("issueRelations", None), 0),
    "a message that is null": ("chatwoot", _others("/messages", None), 0),
    "a message id that is no number": ("chatwoot", _others("/messages", {"id": "²"}), None),
    "a message id beyond 64 bits": ("chatwoot", _others("/messages", {"id": 10**25}), None),
    "a conversation that is null": ("chatwoot", _others("/conversations", None), 0),
    "a contact that is null": ("chatwoot", _others("/contacts", None), 0),
    "an inbox that is null": ("chatwoot", _others("/inboxes", None), 0),
    "a company that is null": ("attio", _others("/companies/records/query", None), 0),
    "an entry that is null": ("attio", _others("/entries/query", None), 0),
    "an entry without a record": ("attio", _others("/entries/query", {"parent_record_id": None}), 0),
    "a member that is null": ("attio", _others("/workspace_members", None), 0),
    "a member without an id": ("attio", _others("/workspace_members", {"id": None}), 0),
    "a list that is null": ("attio", _others("/v2/lists", None), 0),
    "a note that is null": ("attio", _others("/v2/notes", None), 0),
    "an object that is null": ("attio", _others("/v2/objects", None), 0),
    "an attribute that is null": ("attio", _others("/deals/attributes", None), 0),
    "a stage that is null": ("attio", _others("/statuses", None), 0),
}  # fmt: skip


@pytest.mark.parametrize("what", ODD)
def test_one_odd_item_of_a_list_ends_no_stream_and_keeps_no_other_out(
    small: SmallVendors, spoiled: Spoiler, what: str
) -> None:
    """`lost` is how many records the oddity itself costs; None where it costs one of every answer."""
    connector, spoil, lost = ODD[what]
    _, connection_id = small.connect(connector)
    spoiled(spoil)
    result = run_sync(connection_id)
    assert (result.status, dict(result.errors)) == ("ok", {})
    there, here = vendor(connector, small.tenant), local(connector, connection_id)
    missing = sum(len(there[stream].keys() - here[stream].keys()) for stream in here)
    if lost is None:
        assert 0 < missing <= len(there["conversations"])
    else:
        assert missing == lost


def test_the_error_of_a_note_that_is_gone_ends_when_two_whole_lists_have_not_shown_it(
    small: SmallVendors, spoiled: Spoiler
) -> None:
    notes = small.tenant.attio.notes
    victim, other = sorted(notes)[:2]

    def spoil(request: httpx.Request, body: Any) -> None:
        if request.url.path == "/v2/notes":
            for item in body["data"]:
                if item["id"]["note_id"] in (victim, other):
                    item["created_at"] = "yesterday"

    _, connection_id = small.connect("attio")
    patch = spoiled(spoil)
    assert run_sync(connection_id).status == "ok"
    assert {unit for _, unit, _ in errors()} == {victim, other}
    del notes[victim]
    for left in ({victim, other}, {other}):
        small.hours.forward(3600)
        run_sync(connection_id)
        assert {unit for _, unit, _ in errors()} == left
    patch.undo()
    run_sync(connection_id)
    assert errors() == []


def test_an_answer_of_a_shape_nobody_foresaw_ends_its_stream_alone(
    small: SmallVendors, spoiled: Spoiler
) -> None:
    def spoil(_request: httpx.Request, body: Any) -> None:
        states = (body.get("data") or {}).get("workflowStates")
        if states:
            del states["pageInfo"]

    _, connection_id = small.connect("linear")
    spoiled(spoil)
    result = run_sync(connection_id)
    assert (result.status, [*result.errors]) == ("degraded", ["states"])
    assert errors() == [("states", "stream", "schema_changed")]
    assert rows("SELECT count(*) FROM linear_issues") == [(len(small.tenant.linear.tables["issues"]),)]
    assert state() == [("degraded", "schema_changed")]


def test_a_run_that_is_stopped_does_not_stand_as_running(small: SmallVendors) -> None:
    class Stopped(BaseException):
        pass

    def stop(_: sync.Progress) -> None:
        raise Stopped

    _, connection_id = small.connect("linear")
    with pytest.raises(Stopped):
        sync.sync_connection(connection_id, stop)
    assert state() == [("degraded", "interrupted")]
