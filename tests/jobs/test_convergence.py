"""Whatever happens at a vendor, on the way and to our runs: in the end the copy is what the vendor has.

Random changes, faults, page sizes and kills, before syncs and in the middle of them. Then the vendor is well and a sync
runs through: everything that the vendor's incremental API can show must be here, as it is there. Then a deep comparison
and a repair: nothing may differ any more, and a further sync may write nothing.
"""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from jobs import page_writer, sync
from jobs.repair import repair_connection
from jobs.retry import retry_connection
from jobs.sandbox.changes import ChangeRefused
from jobs.sandbox.sandbox import MAIN
from jobs.sandbox.world.authored import StudioWorld
from tests.jobs.copies import measure, run_sync
from tests.jobs.histories import Change, Fault, Silent, Sync, Wait, edit_silently, fields_of, steps
from tests.jobs.sandbox.harness import CONVERSATIONS, DEALS, write_studio
from tests.jobs.small_vendors import SmallVendors
from tests.jobs.vendor_truth import Rows, local, tolerant, vendor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7_200)]


class Killed(BaseException):
    """The process is gone."""


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> StudioWorld:
    # As few records as make several pages of every list: what an example costs is what it reads.
    deals = {**DEALS, "notes": DEALS["notes"][:7]}
    return write_studio(tmp_path_factory.mktemp("studio"), 4, conversations=CONVERSATIONS, deals=deals)


class History:
    """Plays one example against one connector."""

    def __init__(self, small: SmallVendors, connector: str) -> None:
        self.small = small
        self.connector = connector
        small.restart()
        self._forget_cycles()
        _, self.connection_id = small.connect(connector)
        # Vendor ids whose last change no list of the vendor tells of.
        self.unseen: set[str] = set()

    def _forget_cycles(self) -> None:
        """Two cycles are as good as twenty, which would be most of what an example costs."""
        cycles = self.small.tenant.linear.tables["cycles"]
        used = {
            issue["cycle"]["id"]
            for issue in self.small.tenant.linear.tables["issues"].values()
            if issue.get("cycle")
        }
        for key in sorted(cycles.keys() - used)[2:]:
            del cycles[key]

    def play(self, step: Any) -> None:
        """Let one step happen."""
        match step:
            case Change():
                self.change(step)
            case Silent():
                self.unseen.add(edit_silently(step, self.connector, self.small.tenant) or "")
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
        # An edited message is perhaps older than the newest that are read again; of contacts no list tells an edit.
        unseen = {"edit_message": ["message"], "rename_contact": ["contact"], "merge_contacts": ["base"]}
        self.unseen.update(str(fields[name]) for name in unseen.get(change.name, ()))

    def sync(self, step: Sync) -> None:
        """One sync of ours, disturbed, perhaps killed: at a request, after a page, or with a page not yet committed."""
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

        def write_page(*page: Any) -> None:
            page_writer.write_page(*page)
            in_turn()

        self.small.bridge.before = tick
        try:
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(sync, "write_page", write_page)
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


def incremental(connector: str, unseen: set[str]) -> Callable[[str, Rows, Rows], tuple[Rows, Rows]]:
    """What the incremental API shows of a stream, without the records named (no change feed tells of the rest)."""

    def narrowed(stream: str, ours: Rows, theirs: Rows) -> tuple[Rows, Rows]:
        if connector != "attio":  # which is read whole, contents and all
            ours, theirs = _without(ours, unseen), _without(theirs, unseen)
        match connector, stream:
            case (
                ("chatwoot", "messages" | "contacts")
                | ("linear", "comments")
                | ("attio", "notes")
                | (_, "conversations")
            ):
                # Deletes show in no list; an edited message older than the newest 20 neither.
                return {key: ours[key] for key in ours.keys() & theirs.keys()}, theirs
            case "linear", "issues":
                # Deleted for good: in no list either.
                return {key: ours[key] for key in ours.keys() & theirs.keys()}, theirs
            case _:
                return ours, theirs

    return narrowed


def _without(rows: Rows, keys: set[str]) -> Rows:
    return {key: values for key, values in rows.items() if key not in keys}


def whole(_: str, ours: Rows, theirs: Rows) -> tuple[Rows, Rows]:
    """Everything."""
    return ours, theirs


@pytest.mark.parametrize("connector", ["attio", "chatwoot", "linear"])
def test_the_copy_becomes_what_the_vendor_has(
    small: SmallVendors, monkeypatch: pytest.MonkeyPatch, connector: str
) -> None:
    # 100 examples; `--hypothesis-profile thorough` tries thousands, other ones every time.
    @settings(
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(
        history=steps(connector),
        page=st.sampled_from([2, 3, 7, 50]),
        narrow=st.booleans(),
        to_the_end=st.sampled_from([True, False, False]),
    )
    def check(history: list[Any], page: int, narrow: bool, to_the_end: bool) -> None:
        set_page_sizes(monkeypatch, page, narrow=narrow)
        played = History(small, connector)
        for step in history:
            played.play(step)
        played.settle()
        played.compare(incremental(connector, played.unseen))
        measure(played.connection_id)
        repair_connection(played.connection_id)
        played.compare(whole)
        if to_the_end:
            again = measure(played.connection_id)
            counts = again.counts()
            assert (counts["missing"], counts["extra"], counts["stale"]) == (0, 0, 0)
            assert {each.pct for each in again.streams.values()} == {100.0}
            assert run_sync(played.connection_id).counts()["written"] == 0

    check()


def set_page_sizes(monkeypatch: pytest.MonkeyPatch, page: int, *, narrow: bool) -> None:
    """Pages of about this many records, and windows of messages that are narrower than a conversation or wider."""
    newest, after = (3, 4) if narrow else (20, 100)
    for name, value in {
        "jobs.connectors.attio.client._RECORDS_LIMIT": page,
        "jobs.connectors.attio.client._NOTES_LIMIT": page,
        "jobs.connectors.linear.client._PAGE_SIZES": (page,),
        "jobs.sandbox.chatwoot.app.CONVERSATIONS_A_PAGE": page,
        "jobs.sandbox.chatwoot.app.CONTACTS_A_PAGE": page,
        "jobs.connectors.chatwoot.messages._MESSAGES_NEWEST": newest,
        "jobs.connectors.chatwoot.messages._MESSAGES_AFTER": after,
        "jobs.sandbox.chatwoot.finders.MESSAGES_NEWEST": newest,
        "jobs.sandbox.chatwoot.finders.MESSAGES_AFTER": after,
    }.items():
        monkeypatch.setattr(name, value)
