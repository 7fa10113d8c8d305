"""A page or a conversation that cannot be read is set aside; what is behind it is read, and it comes when it can be."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
from sqlalchemy import text

from jobs.retry import retry_connection
from models.infra.database import reading, transaction
from models.infra.ids import ConnectionId
from models.queries.records import tombstone
from tests.jobs.copies import measure, run_sync
from tests.jobs.small_vendors import SmallVendors
from tests.jobs.vendor_truth import local, vendor

Broken = Callable[[httpx.Request], bool]


@contextmanager
def breaking(small: SmallVendors, broken: Broken) -> Iterator[list[httpx.Request]]:
    """Let the vendor fail at some requests for a while; gives the list of those."""
    answer, failed = small.bridge.handle_request, list[httpx.Request]()

    def handle(request: httpx.Request) -> httpx.Response:
        if not broken(request):
            return answer(request)
        failed.append(request)
        return httpx.Response(500, json={"error": "cannot render"})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small.bridge, "handle_request", handle)
        yield failed


def page(path: str, *numbers: int) -> Broken:
    """These pages of a list of Chatwoot's."""
    wanted = {str(each) for each in numbers}
    return lambda request: request.url.path.endswith(path) and request.url.params.get("page") in wanted


def errors() -> set[tuple[str, str, str]]:
    with reading() as session:
        found = session.execute(
            text("SELECT stream, unit, error_kind FROM connector_errors WHERE status <> 'resolved'")
        )
        return {(row.stream, row.unit, row.error_kind) for row in found}


def missing(small: SmallVendors, connection_id: ConnectionId, connector: str = "chatwoot") -> dict[str, int]:
    """How many records of each stream are not here, or not as the vendor has them."""
    theirs, ours = vendor(connector, small.tenant), local(connector, connection_id)
    return {stream: len(theirs[stream].items() - ours[stream].items()) for stream in ours}


def later(small: SmallVendors) -> None:
    """A quarter of an hour passes, in which every circuit closes."""
    small.hours.forward(900)
    small.forget_failures()


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chatwoot's pages hold so few that the small studio has several of them."""
    monkeypatch.setattr("jobs.sandbox.chatwoot.app.CONVERSATIONS_A_PAGE", 5)
    monkeypatch.setattr("jobs.sandbox.chatwoot.app.CONTACTS_A_PAGE", 2)


@pytest.mark.parametrize("number", [1, 2, 6, 7])
def test_a_page_of_conversations_that_cannot_be_read_hides_itself_alone(
    small: SmallVendors, narrow: None, number: int
) -> None:
    _, connection_id = small.connect("chatwoot")
    with breaking(small, page("/conversations", number)) as failed:
        assert run_sync(connection_id).status == "degraded"
        assert 1 <= missing(small, connection_id)["conversations"] <= 5
        assert errors() == {
            ("conversations", "stream", "vendor_down"),
            ("conversations", f"page:{number}", "vendor_down"),
        }
        tried = len(failed)
        later(small)
        assert run_sync(connection_id).status == "degraded"
        assert len(failed) == tried + 1, "what failed before is asked for once"
        assert measure(connection_id).streams["conversations"].pct is None
    later(small)
    assert retry_connection(connection_id).needs_sync
    assert run_sync(connection_id).status == "ok"
    assert set(missing(small, connection_id).values()) == {0}
    assert errors() == set()


def test_what_deletes_move_out_of_a_page_that_cannot_be_read_is_not_lost(
    small: SmallVendors, narrow: None
) -> None:
    _, connection_id = small.connect("chatwoot")
    account = small.tenant.account
    with breaking(small, page("/conversations", 3)):
        run_sync(connection_id)
        for conversation in sorted(account.conversations)[:3]:
            fields = {"conversation": conversation}
            small.control("POST", "change", vendor="chatwoot", name="delete_conversation", fields=fields)
        text_of_a_new_one = {"conversation": max(account.conversations), "text": "new"}
        small.control("POST", "change", vendor="chatwoot", name="message", fields=text_of_a_new_one)
        later(small)
        run_sync(connection_id)
        assert missing(small, connection_id)["conversations"] > 0
        with reading() as session:
            assert session.execute(text("SELECT count(*) FROM cw_messages WHERE body = 'new'")).scalar() == 1
    later(small)
    assert run_sync(connection_id).status == "ok"
    assert set(missing(small, connection_id).values()) == {0}


def test_neighbours_that_cannot_be_read_are_passed_one_after_the_other(
    small: SmallVendors, narrow: None
) -> None:
    _, connection_id = small.connect("chatwoot")
    with breaking(small, page("/conversations", 2, 3, 4, 5, 6)):
        for _ in range(6):
            run_sync(connection_id)
            later(small)
        assert missing(small, connection_id)["conversations"] == 25
        parked = {f"page:{number}" for number in (2, 3, 4, 5, 6)}
        assert {unit for stream, unit, _ in errors() if stream == "conversations"} == {"stream", *parked}
    with breaking(small, page("/conversations", 5)):
        for _ in range(3):
            run_sync(connection_id)
            later(small)
        assert missing(small, connection_id)["conversations"] == 5
        assert {unit for stream, unit, _ in errors() if stream == "conversations"} == {"stream", "page:5"}
    run_sync(connection_id)
    assert set(missing(small, connection_id).values()) == {0}
    assert errors() == set()


def test_changes_that_cannot_be_shown_in_one_answer_are_read_page_by_page(
    small: SmallVendors, narrow: None
) -> None:
    _, connection_id = small.connect("chatwoot")
    run_sync(connection_id)
    later(small)
    change = {"conversation": min(small.tenant.account.conversations), "text": "new"}
    small.control("POST", "change", vendor="chatwoot", name="message", fields=change)
    with breaking(small, lambda request: "updated_within" in request.url.params):
        assert run_sync(connection_id).status == "ok"
    assert set(missing(small, connection_id).values()) == {0}


def test_a_vendor_that_is_away_parks_no_page(small: SmallVendors) -> None:
    for connector in ("chatwoot", "attio"):
        _, connection_id = small.connect(connector)
        with breaking(small, lambda _: True):
            run_sync(connection_id)
        assert {unit for _, unit, _ in errors()} == {"stream"}
        small.forget_failures()


@pytest.mark.parametrize("number", [1, 2])
def test_a_page_of_contacts_that_cannot_be_read_hides_itself_alone(
    small: SmallVendors, narrow: None, number: int
) -> None:
    _, connection_id = small.connect("chatwoot")
    with breaking(small, page("/contacts", number)):
        assert run_sync(connection_id).status == "degraded"
        assert 1 <= missing(small, connection_id)["contacts"] <= 2
        assert ("contacts", f"page:{number}", "vendor_down") in errors()
        later(small)
        assert run_sync(connection_id).status == "degraded"
        assert missing(small, connection_id)["messages"] == 0
        later(small)
    assert run_sync(connection_id).status == "ok"
    assert set(missing(small, connection_id).values()) == {0}
    assert errors() == set()


@pytest.mark.parametrize("number", [1, 2])
def test_a_page_of_notes_that_cannot_be_read_hides_itself_alone_and_removes_nothing(
    small: SmallVendors, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr("jobs.connectors.attio.client._NOTES_LIMIT", 20)
    _, connection_id = small.connect("attio")
    offset = str((number - 1) * 20)
    broken: Broken = lambda request: (  # noqa: E731
        request.url.path == "/v2/notes" and request.url.params["offset"] == offset
    )
    there = len(small.tenant.attio.notes)
    assert there > 20
    with breaking(small, broken):
        assert run_sync(connection_id).status == "degraded"
        assert missing(small, connection_id, "attio")["notes"] == min(20, there - int(offset))
        assert ("notes", f"page:{number}", "vendor_down") in errors()
    later(small)
    assert run_sync(connection_id).status == "ok"
    assert set(missing(small, connection_id, "attio").values()) == {0}
    assert errors() == set()
    with breaking(small, broken):
        for _ in range(3):
            later(small)
            run_sync(connection_id)
    assert set(missing(small, connection_id, "attio").values()) == {0}


@pytest.mark.parametrize("how_many", [1, 4, 6])
def test_conversations_that_always_fail_leave_the_others_alone(small: SmallVendors, how_many: int) -> None:
    _, connection_id = small.connect("chatwoot")
    account = small.tenant.account
    newest = sorted(account.conversations.values(), key=lambda each: each.last_activity_at)[-how_many:]
    paths = {f"/conversations/{each.id}/messages" for each in newest}
    with breaking(small, lambda request: request.url.path.partition("/accounts/1")[2] in paths) as failed:
        for _ in range(5):
            assert run_sync(connection_id).status == "degraded"
            later(small)
        with reading() as session:
            read = session.execute(text("SELECT count(DISTINCT conversation_id) FROM cw_messages")).scalar()
        assert read == len(account.conversations) - how_many
        assert {unit for _, unit, _ in errors()} == {
            "stream",
            *(f"conversation:{each.id}" for each in newest),
        }
        tried = len(failed)
        run_sync(connection_id)
        assert len(failed) - tried <= how_many, "what failed before is asked for once"
        later(small)
    assert run_sync(connection_id).status == "ok"
    assert set(missing(small, connection_id).values()) == {0}
    assert errors() == set()


def test_the_error_of_a_conversation_that_is_gone_ends(small: SmallVendors) -> None:
    _, connection_id = small.connect("chatwoot")
    gone = min(small.tenant.account.conversations)
    with breaking(small, lambda request: request.url.path.endswith(f"/conversations/{gone}/messages")):
        run_sync(connection_id)
        assert ("messages", f"conversation:{gone}", "vendor_down") in errors()
        with transaction() as session:
            tombstone(session, "cw_conversations", connection_id, [str(gone)])
        later(small)
        assert run_sync(connection_id).status == "ok"
    assert errors() == set()
