"""Every fault of a vendor: the kind of error it becomes, what a user reads, and that the copy recovers by itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from jobs.connectors import errors
from jobs.repair import repair_connection
from jobs.retry import retry_connection
from jobs.sandbox.serving.fault_kinds import KINDS, VENDORS, kinds_of
from jobs.sandbox.world.authored import StudioWorld
from models.infra.database import reading
from models.infra.ids import ConnectionId
from tests.jobs.copies import measure, run_sync
from tests.jobs.small_vendors import PATIENCE_S, SmallVendors, small_vendors
from tests.jobs.vendor_truth import Rows, local, vendor
from tools_app.i18n.catalogue import catalogue
from tools_app.i18n.catalogue import text as ui_text

STREAM = {"chatwoot": "conversations", "linear": "issues", "attio": "companies"}
ROUTE = {
    "chatwoot": "/api/v1/accounts/1/conversations",
    "linear": "/graphql",
    "attio": "/v2/objects/companies/records/query",
}
# The error that a lasting fault of a list becomes, and what the connector's card says then.
BECOMES = {
    "429": "rate_limited",
    "500": "vendor_down",
    "503": "vendor_down",
    "timeout": "vendor_down",
    "reset": "vendor_down",
    "truncated": "vendor_down",
    "errors_200": "vendor_down",
    "partial_200": "vendor_down",
    "404": "refused",
    "wrong_token": "credentials",
    "stuck_cursor": "schema_changed",
    "schema_change": "schema_changed",
}
SAYS = {
    "rate_limited": (
        "The vendor asks for a pause. It is asked again",
        "Источник просит сделать паузу. Запрос повторится",
    ),
    "vendor_down": (
        "The vendor does not answer. It is asked again soon",
        "Источник не отвечает. Запрос скоро повторится",
    ),
    "circuit_open": ("it is asked again after half a minute", "следующая попытка через полминуты"),
    "credentials": ("Give the connection a valid token", "Задайте для подключения действующий ключ"),
    "schema_changed": ("Update Control Tower, then try", "Обновите Control Tower и повторите"),
    "refused": ("Check the connection's address and account", "Проверьте адрес и аккаунт подключения"),
    "bad_record": ("correct it at the vendor", "исправьте запись в источнике"),
    "interrupted": ("the next run goes on from there", "следующий запуск продолжит"),
    "vendor_error": ("Try again later", "Повторите позже"),
}
RETRIED = ("rate_limited", "vendor_down")
# A fault of these kinds that comes once is over before the retries of a call are.
PASSING = tuple(kind for kind, becomes in BECOMES.items() if becomes in RETRIED)
PAGING = ("page_shift", "delete_while_paging", "merge_while_paging")
PAIRS = [(name, kind.name) for name in VENDORS for kind in kinds_of(name) if not kind.delivery]


@pytest.fixture
def small(
    database: str, studio: StudioWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SmallVendors]:
    # Pages so small that every list of the small studio has several.
    monkeypatch.setattr("jobs.connectors.attio.client._RECORDS_LIMIT", 2)
    monkeypatch.setattr("jobs.connectors.linear.client._PAGE_SIZES", (2,))
    yield from small_vendors(studio, tmp_path, database, monkeypatch)


def there(connector: str, small: SmallVendors) -> dict[str, Rows]:
    """What the vendor has and shows."""
    found = vendor(connector, small.tenant)
    assert not found.pop("unlisted", {})
    return found


def card(connection_id: ConnectionId) -> tuple[str, str | None]:
    """The status and the error code that the connector's card shows."""
    with reading() as session:
        statement = "SELECT status, last_error_kind FROM connector_sync_state WHERE connection_id = :id"
        row = session.execute(text(statement), {"id": connection_id}).one()
        return row.status, row.last_error_kind


def queue(connection_id: ConnectionId) -> dict[tuple[str, str], tuple[str, str]]:
    """The open units of the error queue: (stream, unit) to (kind, status)."""
    with reading() as session:
        rows = session.execute(
            text(
                "SELECT stream, unit, error_kind, status FROM connector_errors"
                " WHERE connection_id = :id AND status <> 'resolved'"
            ),
            {"id": connection_id},
        )
        return {(row.stream, row.unit): (row.error_kind, row.status) for row in rows}


def switch_on(small: SmallVendors, connector: str, kind: str, *, times: int | None, skip: int = 0) -> None:
    """A fault of the connector's main list."""
    contains = "query Issues" if connector == "linear" else ""
    seconds = {"seconds": 5} if kind == "timeout" else {}
    small.fault(
        vendor=connector,
        kind=kind,
        route=ROUTE[connector],
        contains=contains,
        times=times,
        skip=skip,
        **seconds,
    )


def assert_recovery(small: SmallVendors, connector: str, connection_id: ConnectionId) -> None:
    """The vendor is well again: the next sync is clean, nothing waits in the queue, and the copy is the vendor's."""
    small.calm()
    small.hours.forward(60)
    retry_connection(connection_id)
    result = run_sync(connection_id)
    assert (result.status, card(connection_id)[0]) == ("ok", "ok"), result.errors
    assert queue(connection_id) == {}
    assert local(connector, connection_id) == there(connector, small)


@pytest.mark.parametrize(("connector", "kind"), [(v, k) for v, k in PAIRS if k in BECOMES])
def test_a_lasting_fault_has_a_kind_a_sentence_and_a_recovery(
    small: SmallVendors, connector: str, kind: str
) -> None:
    _, connection_id = small.connect(connector)
    switch_on(small, connector, kind, times=None)
    result = run_sync(connection_id)
    if (connector, kind) == ("attio", "404"):
        # An object that the workspace has switched off is empty, not an error.
        assert result.status == "ok"
        assert local(connector, connection_id)["companies"] == {}
    else:
        # Linear has one address, which is always there: a 404 there is a fault on the way to it.
        becomes = "vendor_down" if (connector, kind) == ("linear", "404") else BECOMES[kind]
        assert card(connection_id) == ("failed" if becomes == "credentials" else "degraded", becomes)
        then = "pending" if becomes in RETRIED else "dead_letter"
        assert queue(connection_id)[STREAM[connector], "stream"] == (becomes, then)
    assert_recovery(small, connector, connection_id)


@pytest.mark.parametrize(
    ("connector", "kind"),
    [(v, k) for v, k in PAIRS if k in (*PASSING, "slow") or (v, k) == ("linear", "404")],
)
def test_a_passing_fault_is_not_even_noticed(small: SmallVendors, connector: str, kind: str) -> None:
    _, connection_id = small.connect(connector)
    if kind == "slow":
        small.fault(vendor=connector, kind=kind, route=ROUTE[connector], seconds=PATIENCE_S / 10)
    else:
        switch_on(small, connector, kind, times=1)
    assert run_sync(connection_id).status == "ok"
    assert queue(connection_id) == {}
    assert local(connector, connection_id) == there(connector, small)


@pytest.mark.parametrize("connector", VENDORS)
def test_one_bad_record_is_set_aside_and_read_when_it_is_mended(small: SmallVendors, connector: str) -> None:
    _, connection_id = small.connect(connector)
    # Chatwoot's first request only asks how long the list is.
    switch_on(small, connector, "bad_record", times=1, skip=int(connector == "chatwoot"))
    assert run_sync(connection_id).status == "ok"
    ((stream, unit), found), *others = queue(connection_id).items()
    assert (stream, found, others) == (STREAM[connector], ("bad_record", "pending"), [])
    held = local(connector, connection_id)[stream]
    assert there(connector, small)[stream].keys() - held.keys() == {unit}
    assert_recovery(small, connector, connection_id)


@pytest.mark.parametrize("connector", VENDORS)
def test_a_vendor_that_fails_on_and_on_is_left_alone_for_a_while(small: SmallVendors, connector: str) -> None:
    _, connection_id = small.connect(connector)
    small.fault(vendor=connector, kind="500", times=None)
    run_sync(connection_id)
    asked = small.control("GET", "requests")["total"]
    run_sync(connection_id)
    assert card(connection_id) == ("degraded", "circuit_open")
    assert small.control("GET", "requests")["total"] == asked
    assert_recovery(small, connector, connection_id)


@pytest.mark.parametrize(("connector", "kind"), [(v, k) for v, k in PAIRS if k in PAGING])
@pytest.mark.parametrize("again", [False, True], ids=["first copy", "later sync"])
def test_rows_that_move_while_a_list_is_paged_are_not_lost(
    small: SmallVendors, connector: str, kind: str, again: bool
) -> None:
    _, connection_id = small.connect(connector)
    if again:
        run_sync(connection_id)
        small.hours.forward(8 * 86_400)  # so long that Chatwoot is paged again, not asked for a span
    switch_on(small, connector, kind, times=1, skip=1 if (connector, kind) == ("attio", "page_shift") else 0)
    small.sandbox.advance()
    before = there(connector, small)
    assert run_sync(connection_id).status == "ok"
    if kind != "page_shift":
        assert there(connector, small) != before
    small.hours.forward(60)
    assert run_sync(connection_id).status == "ok"
    held, wanted = local(connector, connection_id), there(connector, small)
    for stream, rows in wanted.items():
        assert rows.items() <= held[stream].items(), stream
    # What no list tells of is found by the next deep comparison.
    measure(connection_id)
    repair_connection(connection_id)
    assert local(connector, connection_id) == wanted


def test_a_token_that_sees_one_inbox_of_several_removes_nothing(small: SmallVendors) -> None:
    _, connection_id = small.connect("chatwoot")
    small.hours.forward(8 * 86_400)
    run_sync(connection_id)
    whole = local("chatwoot", connection_id)
    small.fault(vendor="chatwoot", kind="one_inbox", times=None)
    for _ in range(3):
        small.hours.forward(8 * 86_400)
        run_sync(connection_id)
        measure(connection_id)
    assert card(connection_id) == ("failed", "credentials")
    assert local("chatwoot", connection_id) == whole
    assert_recovery(small, "chatwoot", connection_id)


def test_every_fault_of_a_request_is_tried_here() -> None:
    tried = {*BECOMES, *PAGING, "slow", "bad_record", "one_inbox"}
    assert {kind.name for kind in KINDS.values() if not kind.delivery} == tried


def test_every_error_kind_has_a_sentence_that_says_what_comes_next() -> None:
    kinds = {each.kind for each in vars(errors).values() if isinstance(each, type) and hasattr(each, "kind")}
    assert kinds == SAYS.keys()
    for kind, (english, russian) in SAYS.items():
        assert english in ui_text("en", f"connector_error.{kind}")
        assert russian in ui_text("ru", f"connector_error.{kind}")
    said = {key.rpartition(".")[2] for key in catalogue("en") if key.startswith("connector_error.")}
    # A comparison by number alone is no failure, but stands where one would.
    assert said == kinds | {"counted_only"}
