"""Whatever happens at a vendor, on the way and to our runs: in the end the copy is what the vendor has.

Random changes, faults, page sizes and kills, before syncs and in the middle of them. Then the vendor is well and a sync
runs through: everything that the vendor's incremental API can show must be here, as it is there. Then a deep comparison
and a repair: nothing may differ any more, and a further sync may write nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from jobs import sync
from jobs.repair import repair_connection
from jobs.retry import retry_connection
from jobs.sandbox.changes import CHANGES, ChangeRefused
from jobs.sandbox.sandbox import MAIN
from jobs.sandbox.serving.fault_kinds import kinds_of
from jobs.sandbox.tenant import Tenant
from jobs.sandbox.world.authored import StudioWorld
from tests.jobs.copies import measure, run_sync
from tests.jobs.sandbox.harness import CONVERSATIONS, write_studio
from tests.jobs.small_vendors import SmallVendors, small_vendors
from tests.jobs.vendor_truth import Rows, local, tolerant, vendor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# Waiting for a hung connection costs real time; it fails like a reset one.
FAULTS = {
    name: sorted(k.name for k in kinds_of(name) if not k.delivery and k.name not in ("timeout", "slow"))
    for name in ("chatwoot", "linear", "attio")
}
NAMES = {name: sorted(change for owner, change in CHANGES if owner == name) for name in FAULTS}


class Killed(BaseException):
    """The process is gone."""


@dataclass(frozen=True)
class Change:
    """A change of some record: `which` and `other` choose among those there are."""

    name: str
    which: int
    other: int


@dataclass(frozen=True)
class Fault:
    """A fault for any request of the vendor."""

    kind: str
    skip: int
    times: int
    probability: float


@dataclass(frozen=True)
class Wait:
    """Time passes."""

    seconds: int


@dataclass(frozen=True)
class Sync:
    """A sync; so many requests in, changes happen, or the process is killed."""

    meanwhile: tuple[tuple[int, Change], ...]
    killed_after: int | None


def steps(connector: str) -> st.SearchStrategy[list[Any]]:
    """Up to eight steps of a history."""
    numbers = st.integers(0, 40)
    changes = st.builds(Change, st.sampled_from(NAMES[connector]), numbers, numbers)
    faults = st.builds(
        Fault,
        st.sampled_from(FAULTS[connector]),
        st.integers(0, 8),
        st.integers(1, 6),
        st.sampled_from([1.0, 0.3]),
    )
    waits = st.builds(Wait, st.sampled_from([1, 90, 400, 3_600, 30_000, 700_000]))
    syncs = st.builds(
        Sync,
        st.lists(st.tuples(st.integers(0, 20), changes), max_size=3).map(tuple),
        st.none() | st.integers(0, 45),
    )
    return st.lists(st.one_of(changes, changes, faults, waits, syncs, syncs), max_size=8)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> StudioWorld:
    return write_studio(tmp_path_factory.mktemp("studio"), conversations=CONVERSATIONS)


@pytest.fixture
def small(
    database: str, studio: StudioWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SmallVendors]:
    yield from small_vendors(studio, tmp_path, database, monkeypatch)


def fields_of(change: Change, tenant: Tenant) -> dict[str, Any] | None:
    """The fields of a change, its records chosen among the living; None when there is none to choose."""
    account, tables, records = tenant.account, tenant.linear.tables, tenant.attio.records
    which, other = change.which, change.other

    def one(rows: Any, number: int) -> Any:
        kept = sorted(rows)
        return kept[number % len(kept)] if kept else None

    told = f"said {which} {other}"
    conversation, contact = one(account.conversations, which), one(account.contacts, which)
    message = one(account.message_home, which * 41 + other)
    issue, second = one(tables["issues"], which), one(tables["issues"], other)
    comment = one(tables["comments"], which)
    company, mate = one(records["companies"], which), one(records["companies"], other)
    blocks = one(((r["issue"]["id"], r["relatedIssue"]["id"]) for r in tables["relations"].values()), which)
    state = ("Todo", "In Progress", "Done", "Canceled")[other % 4]
    fields: dict[str, dict[str, Any]] = {
        "contact": {"name": told, "email": f"new-{which}@acme.example" if other % 2 else ""},
        "conversation": {"contact": contact, "inbox": one(account.inboxes, other), "text": told},
        "message": {"conversation": conversation, "text": told, "reply": other % 2},
        "edit_message": {"message": message, "text": told},
        "delete_message": {"message": message},
        "status": {"conversation": conversation, "status": ("open", "resolved", "pending")[other % 3]},
        "label": {"conversation": conversation, "label": ("vip", "later")[other % 2]},
        "rename_contact": {"contact": contact, "name": told},
        "delete_conversation": {"conversation": conversation},
        "merge_contacts": {"base": contact, "mergee": one(account.contacts, other)},
        "issue": {"team": ("ACM", "BET")[other % 2], "title": told},
        "edit_issue": {"issue": issue, "title": told},
        "move_issue": {"issue": issue, "state": state},
        "trash_issue": {"issue": issue},
        "delete_issue": {"issue": issue},
        "comment": {"issue": issue, "text": told},
        "edit_comment": {"comment": comment, "text": told},
        "delete_comment": {"comment": comment},
        "block": {"blocker": issue, "blocked": second},
        "unblock": {"blocker": blocks and blocks[0], "blocked": blocks and blocks[1]},
        "company": {"name": told, "domain_name": f"made-{which}.example"},
        "person": {"first": "New", "last": told, "company": company},
        "rename_company": {"company": company, "name": told},
        "stage": {"deal": one(records["deals"], which), "stage": ("Lead", "Proposal", "Lost")[other % 3]},
        "delete": {"object_slug": ("companies", "people", "deals")[other % 3], "record": None},
        "merge_companies": {"primary": company, "secondary": mate},
        "note": {"object_slug": "companies", "record": company, "body": told},
        "delete_note": {"note": one(tenant.attio.notes, which)},
        "list": {"company": company, "list_slug": one(tenant.attio.lists, other)},
    }
    chosen = fields[change.name]
    if change.name == "delete":
        chosen["record"] = one(records[chosen["object_slug"]], which)
    return None if None in chosen.values() else chosen


class History:
    """Plays one example against one connector."""

    def __init__(self, small: SmallVendors, connector: str) -> None:
        self.small = small
        self.connector = connector
        small.restart()
        _, self.connection_id = small.connect(connector)
        self._shown: set[int] = set()

    def play(self, step: Any) -> None:
        """Let one step happen."""
        match step:
            case Change():
                self.change(step)
            case Fault():
                self.small.fault(
                    vendor=self.connector,
                    kind=step.kind,
                    skip=step.skip,
                    times=step.times,
                    probability=step.probability,
                )
            case Wait():
                self.small.hours.forward(step.seconds)
                self.small.forget_failures()
            case Sync():
                self.sync(step)

    def change(self, change: Change) -> None:
        """Let somebody at the vendor change something, if there is something to change."""
        fields = fields_of(change, self.small.tenant)
        if fields is None:
            return
        try:
            self.small.sandbox.change(MAIN, self.connector, change.name, fields)
        except ChangeRefused:
            return  # its record went meanwhile

    def sync(self, step: Sync) -> None:
        """One sync of ours, disturbed, perhaps killed between any two of its requests and pages."""
        asked = 0

        def tick() -> None:
            nonlocal asked
            asked += 1
            self.small.hours.forward(0.5)
            for when, change in step.meanwhile:
                if when == asked:
                    self.change(change)
            if step.killed_after is not None and asked > step.killed_after:
                raise Killed

        def in_turn() -> None:
            with self.small.bridge.turn:  # a page of one stream is done while another stream asks
                tick()

        self.small.bridge.before = tick
        try:
            sync.sync_connection(self.connection_id, lambda _: in_turn())
        except Killed:
            return
        finally:
            self.small.bridge.before = lambda: None

    def settle(self) -> None:
        """The vendor is well: what waits is tried again, and a sync runs through."""
        self.small.calm()
        self.small.hours.forward(120)
        retry_connection(self.connection_id)
        result = run_sync(self.connection_id)
        assert result.status == "ok", result.errors

    def compare(self, shown: Callable[[str, Rows, Rows], tuple[Rows, Rows]]) -> None:
        """Hold the copy against the vendor, each as narrowed by `shown`."""
        held, there = local(self.connector, self.connection_id), vendor(self.connector, self.small.tenant)
        unlisted = there.pop("unlisted", {})
        if "contacts" in held:
            held["contacts"] = tolerant(held["contacts"], unlisted)
        for stream, rows in there.items():
            ours, theirs = shown(stream, held[stream], rows)
            assert ours == theirs, (stream, _difference(ours, theirs))


def _difference(ours: Rows, theirs: Rows) -> dict[str, Any]:
    return {
        key: (ours.get(key), theirs.get(key))
        for key in ours.keys() | theirs.keys()
        if ours.get(key) != theirs.get(key)
    }


def incremental(connector: str) -> Callable[[str, Rows, Rows], tuple[Rows, Rows]]:
    """What the incremental API shows of a stream (connector-apis: no change feed tells of the rest)."""

    def narrowed(stream: str, ours: Rows, theirs: Rows) -> tuple[Rows, Rows]:
        match connector, stream:
            case "chatwoot", "contacts":
                # No updated_at: a new name, or a contact nobody talks to, shows in the next whole scan.
                return {}, {}
            case (
                ("chatwoot", "messages") | ("linear", "comments") | ("attio", "notes") | (_, "conversations")
            ):
                # Deletes show in no list; an edited message older than the newest 20 neither.
                return {key: ours[key] for key in ours.keys() & theirs.keys()}, theirs
            case "linear", "issues":
                # Deleted for good: in no list either.
                return {key: ours[key] for key in ours.keys() & theirs.keys()}, theirs
            case _:
                return ours, theirs

    return narrowed


def whole(_: str, ours: Rows, theirs: Rows) -> tuple[Rows, Rows]:
    """Everything."""
    return ours, theirs


EXAMPLES = {"chatwoot": 20, "linear": 20, "attio": 20}


@pytest.mark.parametrize("connector", sorted(EXAMPLES))
def test_the_copy_becomes_what_the_vendor_has(
    small: SmallVendors, monkeypatch: pytest.MonkeyPatch, connector: str
) -> None:
    @settings(
        max_examples=EXAMPLES[connector],
        derandomize=True,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(history=steps(connector), page=st.sampled_from([2, 3, 7, 50]))
    def check(history: list[Any], page: int) -> None:
        monkeypatch.setattr("jobs.connectors.attio.client._RECORDS_LIMIT", page)
        monkeypatch.setattr("jobs.connectors.attio.client._NOTES_LIMIT", page * 4 if page < 8 else page)
        monkeypatch.setattr("jobs.connectors.linear.client._PAGE_SIZES", (page,))
        monkeypatch.setattr("jobs.sandbox.chatwoot.app.CONVERSATIONS_A_PAGE", page * 4)
        monkeypatch.setattr("jobs.sandbox.chatwoot.app.CONTACTS_A_PAGE", page)
        played = History(small, connector)
        for step in history:
            played.play(step)
        played.settle()
        played.compare(incremental(connector))
        measure(played.connection_id)
        repair_connection(played.connection_id)
        played.compare(whole)
        again = measure(played.connection_id)
        assert (again.counts()["missing"], again.counts()["extra"], again.counts()["stale"]) == (0, 0, 0)
        assert {each.pct for each in again.streams.values()} == {100.0}
        assert run_sync(played.connection_id).counts()["written"] == 0

    check()
