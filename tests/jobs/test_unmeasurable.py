"""A comparison that cannot come to its end leaves no figure standing as if it were today's."""

from collections.abc import Callable

import httpx
import pytest
from rq.timeouts import JobTimeoutException

from jobs.reconciliation import reconcile
from jobs.sync import Progress
from models.infra.database import reading
from models.queries.completeness import list_completeness
from tests.jobs.copies import measure, run_sync
from tests.jobs.small_vendors import SmallVendors
from tests.scopes import MadeScope


def shown(scope: MadeScope) -> dict[str, float | None]:
    with reading() as session:
        return {each.stream: each.pct for each in list_completeness(session, scope.all)}


def without_page_info(
    answer: Callable[[httpx.Request], httpx.Response],
) -> Callable[[httpx.Request], httpx.Response]:
    def changed(request: httpx.Request) -> httpx.Response:
        response = answer(request)
        body = response.json()
        for each in (body.get("data") or {}).values():
            if isinstance(each, dict):
                each.pop("pageInfo", None)
        return httpx.Response(response.status_code, json=body)

    return changed


def test_an_answer_nobody_expected_makes_every_figure_unknown(
    small: SmallVendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope, connection = small.connect("linear")
    run_sync(connection)
    measure(connection)
    assert set(shown(scope).values()) == {100.0}
    monkeypatch.setattr(small.bridge, "handle_request", without_page_info(small.bridge.handle_request))
    found = measure(connection)
    assert {each.pct for each in found.streams.values()} == {None}
    assert all("pageInfo" in str(each.error) for each in found.streams.values())
    assert set(shown(scope).values()) == {None}


def test_a_pass_that_runs_out_of_time_leaves_unknown_what_it_did_not_reach(small: SmallVendors) -> None:
    scope, connection = small.connect("chatwoot")
    run_sync(connection)
    measure(connection)

    def late(progress: Progress) -> None:
        if progress.stream == "contacts":
            raise JobTimeoutException

    with pytest.raises(JobTimeoutException):
        reconcile(connection, deep=True, progress=late)
    after = shown(scope)
    assert {stream for stream, pct in after.items() if pct is not None} == {"inboxes", "conversations"}
    assert {"contacts", "messages", "attachments"} <= after.keys()


def test_messages_that_no_sync_can_read_are_unknown_however_young_their_last_figure_is(
    small: SmallVendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope, connection = small.connect("chatwoot")
    run_sync(connection)
    measure(connection, deep=False)
    assert shown(scope)["messages"] == 100.0
    run_sync(connection)
    assert "messages" not in measure(connection, deep=False).streams, "a young figure stands"
    conversation = next(iter(small.tenant.account.conversations))
    change = {"conversation": conversation, "text": "new"}
    small.control("POST", "change", vendor="chatwoot", name="message", fields=change)
    answer = small.bridge.handle_request

    def without_messages(request: httpx.Request) -> httpx.Response:
        broken = request.url.path.endswith("/messages")
        return httpx.Response(500, json={"error": "down"}) if broken else answer(request)

    with monkeypatch.context() as patch:
        patch.setattr(small.bridge, "handle_request", without_messages)
        assert run_sync(connection).status == "degraded"
        small.forget_failures()
        measure(connection, deep=False)
    assert shown(scope)["messages"] is None
    small.forget_failures()
    run_sync(connection)
    measure(connection, deep=False)
    assert shown(scope)["messages"] == 100.0
