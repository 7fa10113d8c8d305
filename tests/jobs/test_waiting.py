"""A vendor that makes a run wait, or answers too slowly to be waited for, costs time and no change."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from jobs import sync
from jobs.connectors.body import MAX_BYTES
from jobs.sandbox.sandbox import MAIN
from jobs.sandbox.world.authored import StudioWorld
from models.infra.ids import ConnectionId
from tests.jobs.copies import run_sync
from tests.jobs.small_vendors import SmallVendors, small_vendors
from tests.jobs.test_convergence import Killed, set_page_sizes
from tests.jobs.test_faults import there
from tests.jobs.test_shifting_lists import at_request
from tests.jobs.vendor_truth import local

LONGER_THAN_THE_OVERLAP_S = 400


@pytest.fixture
def small(
    database: str, studio: StudioWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SmallVendors]:
    set_page_sizes(monkeypatch, 2, narrow=False)
    yield from small_vendors(studio, tmp_path, database, monkeypatch)


def snooze_the_newest(small: SmallVendors) -> None:
    """A change that moves no conversation in any list."""
    newest = max(small.tenant.account.conversations)
    small.sandbox.change(MAIN, "chatwoot", "status", {"conversation": newest, "status": "snoozed"})


def assert_nothing_lost(small: SmallVendors, connection: ConnectionId) -> None:
    small.bridge.before = lambda: None
    small.calm()
    for _ in range(2):
        small.hours.forward(900)
        assert run_sync(connection).status == "ok"
    assert local("chatwoot", connection) == there("chatwoot", small)


@pytest.mark.parametrize("slow_request", [1, 2], ids=["the one before", "the first attempt"])
def test_what_changed_since_the_last_run_is_shown_however_late_it_is_asked_for(
    small: SmallVendors, slow_request: int
) -> None:
    _, connection = small.connect("chatwoot")
    assert run_sync(connection).status == "ok"
    small.hours.forward(5)
    snooze_the_newest(small)
    small.hours.forward(900)
    small.fault(vendor="chatwoot", kind="429", route="*/conversations", times=1)
    at_request(small, slow_request, lambda: small.hours.forward(LONGER_THAN_THE_OVERLAP_S))
    assert run_sync(connection).status == "ok"
    assert_nothing_lost(small, connection)


def test_what_changed_since_a_backfill_began_is_shown_however_long_its_second_part_takes(
    small: SmallVendors,
) -> None:
    _, connection = small.connect("chatwoot")
    pages = 0

    def die_after_two_pages(progress: sync.Progress) -> None:
        nonlocal pages
        pages += progress.stream == "conversations"
        if pages == 2:
            raise Killed

    with pytest.raises(Killed):
        sync.sync_connection(connection, die_after_two_pages)
    snooze_the_newest(small)
    small.hours.forward(1_200)
    at_request(small, 3, lambda: small.hours.forward(LONGER_THAN_THE_OVERLAP_S))
    assert run_sync(connection).status == "ok"
    assert_nothing_lost(small, connection)


def too_slow(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("no answer", request=request)


def too_long(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, content=b" " * (MAX_BYTES + 1))


@pytest.mark.parametrize("answer", [too_slow, too_long])
def test_changes_that_one_answer_cannot_bring_are_paged_through_by_the_same_run(
    small: SmallVendors, monkeypatch: pytest.MonkeyPatch, answer: Callable[[httpx.Request], httpx.Response]
) -> None:
    _, connection = small.connect("chatwoot")
    assert run_sync(connection).status == "ok"
    snooze_the_newest(small)
    small.hours.forward(6 * 86_400)
    real = small.bridge.handle_request
    spans: list[int] = []

    def answer_instead(request: httpx.Request) -> httpx.Response:
        span = int(request.url.params.get("updated_within", 0))
        if span:
            spans.append(span)
        return answer(request) if span > 86_400 else real(request)

    monkeypatch.setattr(small.bridge, "handle_request", answer_instead)
    assert run_sync(connection).status == "ok"
    assert local("chatwoot", connection) == there("chatwoot", small)
    small.hours.forward(900)
    assert run_sync(connection).status == "ok"
    # The crawl stands for all that was before it.
    assert 900 <= spans[-1] < 1_800


def test_changes_of_a_vendor_that_knows_no_span_of_time_are_paged_through(
    small: SmallVendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older Chatwoot ignores `updated_within` and answers with the first page of its list."""
    monkeypatch.setattr("jobs.connectors.chatwoot.client._CONVERSATIONS_A_PAGE", 2)
    _, connection = small.connect("chatwoot")
    assert run_sync(connection).status == "ok"
    small.hours.forward(900)
    for conversation in sorted(small.tenant.account.conversations):
        fields = {"conversation": conversation, "label": "changed"}
        small.sandbox.change(MAIN, "chatwoot", "label", fields)
    small.hours.forward(60)
    real = small.bridge.handle_request
    ignored: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        if "updated_within" in request.url.params:
            ignored.append(str(request.url))
            request.url = request.url.copy_remove_param("updated_within")
        return real(request)

    monkeypatch.setattr(small.bridge, "handle_request", handle)
    assert run_sync(connection).status == "ok"
    assert ignored
    assert local("chatwoot", connection) == there("chatwoot", small)


def test_a_pause_without_end_is_over_after_a_day(
    small: SmallVendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, connection = small.connect("attio")
    headers = {"retry-after": "Fri, 31 Dec 2100 23:59:59 GMT"}
    real = small.bridge.handle_request
    refusals = [httpx.Response(429, json={"message": "slow down"}, headers=headers)]

    def refuse_once(request: httpx.Request) -> httpx.Response:
        return refusals.pop() if refusals else real(request)

    monkeypatch.setattr(small.bridge, "handle_request", refuse_once)
    assert run_sync(connection).status == "degraded"
    small.hours.forward(23 * 3600)
    silent = run_sync(connection)
    assert (silent.status, silent.requests) == ("degraded", 0)
    small.hours.forward(2 * 3600)
    assert run_sync(connection).status == "ok"
    assert local("attio", connection) == there("attio", small)
