"""The vendors' own deliveries with every fault they can have: what is made of each, and that the copy is right in the end."""

import time
from collections.abc import Callable, Iterator
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlmodel import select

from jobs import tasks
from jobs.sandbox.serving.fault_kinds import KINDS
from models.infra import metrics
from models.infra.crypto import encrypt
from models.infra.database import reading, transaction
from models.infra.ids import ConnectionId
from models.tables.platform import JobRun, VendorConnection
from tests import deliveries as made
from tests.jobs.copies import run_sync
from tests.tools_app.world import World
from tests.vendors import Vendors, running_vendors

# What is counted of a fault: (deliveries by outcome). A refused one may come again, well signed, as vendors' retries do.
OUTCOMES = {
    "webhook_duplicate": {"accepted": 1, "duplicate": 1},
    "webhook_reordered": {"accepted": 2},
    "webhook_bad_signature": {"unsigned": 1},
    "webhook_unsigned": {"unsigned": 1},
    "webhook_stale": {"stale": 1},
}
CHANGES = {
    # A message, not a contact: one without a conversation is seen by the contact scan, hours later.
    "chatwoot": ("message", {"conversation": 1, "text": "By a webhook"}, "cw_messages"),
    "linear": ("issue", {"team": "HPN", "title": "By a webhook"}, "linear_issues"),
    "attio": ("company", {"name": "Web Hook Ltd"}, "attio_companies"),
}
PAIRS = [(vendor, kind) for kind in OUTCOMES for vendor in KINDS[kind].vendors]


@pytest.fixture(scope="module")
def vendors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendors]:
    with running_vendors(tmp_path_factory.mktemp("deliveries") / "sandbox") as running:
        yield running


@pytest.fixture
def hooked(
    client: httpx.Client, base_url: str, worlds: dict[str, World], vendors: Vendors
) -> Iterator[Callable[[str], ConnectionId]]:
    """Lets a vendor's deliveries come to a connection of scope `one`, which is copied before."""
    targets: list[str] = []

    def hook(vendor: str) -> ConnectionId:
        connection_id = worlds["one"].places["alpha"].connections[vendor]
        answer = client.put(f"/api/webhooks/{vendor}/{connection_id}/secret", json={"secret": made.SECRET})
        with transaction() as session:
            held = session.get(VendorConnection, UUID(str(connection_id)))
            assert held is not None
            held.base_url, held.token_encrypted = vendors.origin(vendor), encrypt(vendors.tokens[vendor])
            held.external_account = "1"
            session.add(held)
        run_sync(ConnectionId(UUID(str(connection_id))))
        url = base_url + httpx.URL(answer.json()["url"]).path
        target = vendors.control("webhooks", vendor=vendor, url=url, secret=made.SECRET)["target"]
        targets.append(target["id"])
        return ConnectionId(UUID(str(connection_id)))

    yield hook
    vendors.clear_faults()
    for each in targets:
        httpx.delete(f"{vendors.origin('chatwoot')}/_sandbox/webhooks/{each}", timeout=20)


def counted(vendor: str) -> dict[str, float]:
    outcomes = {outcome for expected in OUTCOMES.values() for outcome in expected}
    return {each: metrics.webhook_deliveries.labels(vendor, each)._value.get() for each in outcomes}


def until_counted(vendor: str, before: dict[str, float], expected: dict[str, int]) -> None:
    for _ in range(600):
        now = counted(vendor)
        if all(now[outcome] >= before[outcome] + count for outcome, count in expected.items()):
            return
        time.sleep(0.05)
    raise AssertionError((before, counted(vendor), expected))


def follow_hints(connection_id: ConnectionId) -> None:
    """Do what a worker does once a run was asked for, which comes after the answer."""
    for _ in range(200):
        with reading() as session:
            wanted = select(JobRun).where(
                JobRun.job == "refetch", JobRun.subject == str(connection_id), JobRun.status == "queued"
            )
            run = session.exec(wanted).first()
        if run is not None:
            tasks.refetch_connection(str(connection_id), str(run.id))
            return
        time.sleep(0.05)
    raise AssertionError("no run was asked for")


@pytest.mark.parametrize(("vendor", "kind"), PAIRS)
def test_a_faulty_delivery_is_counted_and_the_copy_is_right_in_the_end(
    hooked: Callable[[str], ConnectionId], vendors: Vendors, vendor: str, kind: str
) -> None:
    connection_id = hooked(vendor)
    change, fields, table = CHANGES[vendor]
    before = counted(vendor)
    vendors.control("faults", vendor=vendor, kind=kind)
    changes = 2 if kind == "webhook_reordered" else 1
    records = [
        str(vendors.control("change", vendor=vendor, name=change, fields=fields)["record"])
        for _ in range(changes)
    ]
    until_counted(vendor, before, OUTCOMES[kind])
    if "accepted" in OUTCOMES[kind]:
        follow_hints(connection_id)
    else:
        # Nobody's word was taken; polling stays the truth.
        assert run_sync(connection_id).status == "ok"
    with reading() as session:
        rows = session.execute(
            text(f"SELECT vendor_id FROM {table} WHERE connection_id = :id AND vendor_id = ANY(:records)"),  # noqa: S608
            {"id": connection_id, "records": records},
        )
        assert sorted(rows.scalars()) == sorted(records)


def test_every_fault_of_a_delivery_is_tried_here() -> None:
    assert {kind.name for kind in KINDS.values() if kind.delivery} == OUTCOMES.keys()
