"""A note's link is its record's page: it stays while the records cannot be read, and comes back with them."""

from typing import Any

import pytest
from sqlalchemy import text

from models.infra.database import reading
from tests.jobs.copies import change, measure, run_sync
from tests.jobs.small_vendors import SmallVendors

DEALS = "/v2/objects/deals/records/query"


def links() -> dict[str, str | None]:
    with reading() as session:
        found = session.execute(text("SELECT vendor_id, url FROM attio_notes"))
        return {row.vendor_id: row.url for row in found}


def deals_fail(small: SmallVendors, kind: str, times: int | None) -> None:
    small.fault(vendor="attio", kind=kind, route=DEALS, contains="", times=times)


@pytest.mark.parametrize(("kind", "times"), [("500", 4), ("404", None)], ids=["down", "switched off"])
def test_a_note_keeps_its_link_while_its_records_cannot_be_read(
    small: SmallVendors, kind: str, times: int | None
) -> None:
    _, connection_id = small.connect("attio")
    run_sync(connection_id)
    before = links()
    assert before
    assert None not in before.values()
    small.hours.forward(60)
    deals_fail(small, kind, times)
    run_sync(connection_id)
    assert links() == before
    small.calm()
    small.hours.forward(60)
    deals_fail(small, kind, times)
    compared = measure(connection_id).streams
    assert compared["deals"].error
    assert compared["notes"].stale == 0


def test_a_note_that_was_copied_before_its_records_could_be_read_gets_its_link_with_them(
    small: SmallVendors,
) -> None:
    _, connection_id = small.connect("attio")
    deals_fail(small, "500", 4)
    assert run_sync(connection_id).status == "degraded"
    assert None in links().values()
    small.calm()
    small.hours.forward(60)
    assert run_sync(connection_id).status == "ok"
    assert None not in links().values()


def test_a_note_whose_record_is_gone_loses_its_link_and_keeps_no_other_back(small: SmallVendors) -> None:
    _, connection_id = small.connect("attio")
    run_sync(connection_id)
    [deal] = change("SELECT parent_vendor_id FROM attio_notes WHERE parent_object = 'deals' LIMIT 1")
    orphans = set(change("SELECT vendor_id FROM attio_notes WHERE parent_vendor_id = :id", id=deal))
    records: dict[str, Any] = small.tenant.attio.records["deals"]
    del records[deal]
    run_sync(connection_id)
    assert {note for note, url in links().items() if url is None} == orphans
