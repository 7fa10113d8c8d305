"""The jobs page: payloads on demand, lists that unfold, no other project's rows, and secrets that only go in."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlmodel import select

from models.infra.crypto import decrypt
from models.infra.database import reading, transaction
from models.infra.ids import new_id
from models.tables.platform import AuditEvent, VendorConnection
from models.tables.reliability import ConnectorError
from tests.tools_app.world import World
from tools_app.components.error_list import OpenPayload
from tools_app.pages.jobs import JobsState
from tools_app.pages.shell_state import ShellState
from tools_app.pages.webhooks_section import WebhooksState
from tools_app.services import jobs as service

Tab = Callable[[str], Any]


def loaded(tab: Tab, path: str) -> tuple[Any, Any]:
    """The root of a tab at `path`, and its jobs page, filled."""
    root = tab(path)
    page = root.substates[JobsState.get_name()]
    asyncio.run(page.refresh())
    return root, page


def show(page: Any, error_id: str) -> None:
    asyncio.run(JobsState.show_payload.fn(page, error_id))


def test_a_payload_opens_and_closes_again(tab: Tab, worlds: dict[str, World]):
    _, page = loaded(tab, "/jobs?project=alpha")
    (line,) = page.errors
    show(page, line.id)
    assert page.payload.error_id == line.id
    assert worlds["one"].places["alpha"].marker in page.payload.text
    assert "hidden" not in page.payload.text, "a token of the vendor"
    show(page, line.id)
    assert (page.payload.error_id, page.payload.text) == ("", "")


def test_a_payload_of_another_project_is_not_shown(tab: Tab, worlds: dict[str, World]):
    _, everything = loaded(tab, "/jobs?project=all")
    _, page = loaded(tab, "/jobs?project=alpha")
    foreign = next(each.id for each in everything.errors if each.id not in {line.id for line in page.errors})
    show(page, foreign)
    assert page.payload.text == ""


def test_a_payload_whose_error_is_gone_is_said_and_not_kept(tab: Tab):
    root, page = loaded(tab, "/jobs?project=all")
    show(page, str(new_id()))
    assert page.payload.error_id == ""
    assert [each.tone for each in root.substates[ShellState.get_name()].toasts] == ["bad"]


def test_a_payload_closes_when_its_error_leaves_the_list(tab: Tab):
    _, page = loaded(tab, "/jobs?project=alpha")
    show(page, page.errors[0].id)
    page.payload = OpenPayload(str(new_id()), "of another", "")
    asyncio.run(page.refresh())
    assert page.payload.text == ""


def fail(world: World, count: int, status: str) -> None:
    place = world.places["alpha"]
    with transaction() as session:
        for _ in range(count):
            session.add(
                ConnectorError(
                    account_scope_id=world.scope,
                    project_id=place.project,
                    connection_id=place.connections["linear"],
                    stream="issues",
                    unit=str(new_id()),
                    error_kind="bad_record",
                    message="unreadable",
                    status=status,
                )
            )


def test_older_errors_unfold_and_what_was_given_up_is_shown_alone(
    tab: Tab, worlds: dict[str, World], monkeypatch: pytest.MonkeyPatch
):
    fail(worlds["one"], 3, "pending")
    fail(worlds["one"], 1, "dead_letter")
    monkeypatch.setattr(service, "SHOWN_ERRORS", 2)
    root = tab("/jobs?project=alpha")
    page = root.substates[JobsState.get_name()]
    page._errors_shown = 2
    asyncio.run(page.refresh())
    assert (len(page.errors), page.more_errors) == (2, "and 3 older errors.")
    asyncio.run(JobsState.unfold_errors.fn(page))
    assert (len(page.errors), page.more_errors) == (4, "and one older error.")
    assert page.dead_letters == "Given up: 1"
    asyncio.run(JobsState.choose_dead.fn(page))
    assert ([line.is_dead for line in page.errors], page.more_errors) == ([True], "")
    asyncio.run(JobsState.choose_dead.fn(page))
    assert len(page.errors) == 2


def test_all_errors_that_are_shown_are_tried_again_and_no_others(tab: Tab, worlds: dict[str, World]):
    world = worlds["one"]
    fail(world, 3, "dead_letter")
    root, page = loaded(tab, "/jobs?project=alpha")
    page.only_dead = True
    asyncio.run(page.refresh())
    shown = {each.id for each in page.errors}
    assert len(shown) == 3
    asyncio.run(JobsState.retry_shown.fn(page))
    with reading() as session:
        (event,) = session.exec(select(AuditEvent).where(AuditEvent.action == "connector.retry_errors"))
        assert event.after is not None
        assert set(event.after["error_ids"]) == shown
        dead = session.exec(select(ConnectorError).where(ConnectorError.status == "dead_letter")).all()
    assert [each for each in dead if each.account_scope_id == world.scope] == []
    assert page.errors == []
    (said,) = root.substates[ShellState.get_name()].toasts
    assert said.message == "3 errors are tried again now."


def test_another_projects_rows_are_gone_before_its_own_come(tab: Tab):
    root, page = loaded(tab, "/jobs?project=alpha")
    assert (page.ready, page.shown_project) == (True, "alpha")

    async def at_first_and_then(path: str) -> list[bool]:
        root.router_data = {**root.router_data, "asPath": path}
        root._update_router_vars(root.router_data, {})
        seen = [page.ready async for _ in JobsState.load.fn(page)]
        return [*seen, page.ready]

    assert asyncio.run(at_first_and_then("/jobs?project=beta")) == [False, True]
    assert page.shown_project == "beta"
    # The same project again keeps its rows while they are read anew.
    assert asyncio.run(at_first_and_then("/jobs?project=beta")) == [True]


def test_a_webhook_secret_goes_in_and_never_comes_out(tab: Tab, worlds: dict[str, World]):
    secret = "a secret that nobody may see"
    connection = str(worlds["one"].places["alpha"].connections["linear"])
    root, _ = loaded(tab, "/jobs?project=all")
    page = root.substates[WebhooksState.get_name()]
    form = {"connector": "linear", "connection": connection, "secret": secret}
    asyncio.run(WebhooksState.save.fn(page, form))
    (row,) = [each for each in page.rows if each.id == connection]
    assert (row.has_secret, row.chip.label) == (True, "Secret set")
    assert row.url.endswith(f"/api/webhooks/linear/{connection}")
    assert secret not in str(root.dict())
    with reading() as session:
        stored = session.get_one(VendorConnection, worlds["one"].places["alpha"].connections["linear"])
        assert decrypt(stored.webhook_secret_encrypted or "") == secret
    asyncio.run(WebhooksState.remove.fn(page, "linear", connection))
    assert not any(each.has_secret for each in page.rows if each.id == connection)


def test_a_secret_for_another_scopes_connection_is_refused(tab: Tab, worlds: dict[str, World]):
    foreign = str(worlds["two"].places["alpha"].connections["linear"])
    root, _ = loaded(tab, "/jobs?project=all")
    page = root.substates[WebhooksState.get_name()]
    assert foreign not in {each.id for each in page.rows}
    form = {"connector": "linear", "connection": foreign, "secret": "0123456789abcdef"}
    asyncio.run(WebhooksState.save.fn(page, form))
    assert [each.tone for each in root.substates[ShellState.get_name()].toasts] == ["bad"]
    with reading() as session:
        held = session.get_one(VendorConnection, worlds["two"].places["alpha"].connections["linear"])
        assert held.webhook_secret_encrypted is None
