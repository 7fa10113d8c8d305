"""Within a day everything is seen: edits and deletes that no list of changes shows are found and mended by the schedule."""

import pytest

from jobs import schedule
from jobs.sandbox.sandbox import MAIN
from jobs.sandbox.world.authored import StudioWorld
from tests.jobs.copies import follow_daily_comparison, run_sync
from tests.jobs.histories import Change, Silent, edit_silently, fields_of
from tests.jobs.sandbox.harness import write_studio
from tests.jobs.small_vendors import SmallVendors
from tests.jobs.vendor_truth import local, vendor

DAY_S = 86_400
DELETES = {
    "chatwoot": ("delete_message", "delete_conversation", "merge_contacts"),
    "linear": ("delete_issue", "delete_comment"),
    "attio": ("delete", "delete_note", "merge_companies"),
}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> StudioWorld:
    return write_studio(tmp_path_factory.mktemp("studio"), 6)


def test_a_deep_comparison_comes_every_day() -> None:
    assert {each.name: each.every_s for each in schedule.CADENCES}["reconcile"] <= DAY_S


@pytest.mark.parametrize("connector", sorted(DELETES))
def test_what_happens_in_silence_is_here_within_a_day(small: SmallVendors, connector: str) -> None:
    _, connection_id = small.connect(connector)
    run_sync(connection_id)
    small.hours.forward(600)
    edited = {edit_silently(Silent(which, which), connector, small.tenant) for which in range(4)}
    assert len(edited) > 1
    for which, name in enumerate(DELETES[connector]):
        fields = fields_of(Change(name, which, which + 1), small.tenant)
        assert fields is not None
        small.sandbox.change(MAIN, connector, name, fields)
    wanted = vendor(connector, small.tenant)
    wanted.pop("unlisted", None)
    assert local(connector, connection_id) != wanted
    small.hours.forward(DAY_S)
    follow_daily_comparison(connection_id)
    assert local(connector, connection_id) == wanted
