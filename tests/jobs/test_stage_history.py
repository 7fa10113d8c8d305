"""Past stages of deals are read where they changed, once, and a vendor that is away loses nothing."""

import datetime as dt

import pytest
from sqlalchemy import text

from jobs import enqueue, tasks
from jobs.connectors.attio.client import AttioClient
from jobs.connectors.errors import VendorDown
from jobs.crm_mirror import count_differences, mirror_connection
from jobs.crm_stages import normalise_stage
from jobs.stage_history import read_histories
from models.infra.database import reading
from models.infra.ids import ConnectionId
from tests.jobs.copies import change, connect, run_sync
from tests.vendors import Vendors


@pytest.fixture
def mirrored(database: str, still_vendors: Vendors) -> ConnectionId:
    _, connection_id = connect(still_vendors, "attio")
    run_sync(connection_id)
    mirror_connection(connection_id)
    return connection_id


def history(deal: str) -> list[tuple[str, str, dt.datetime]]:
    with reading() as session:
        rows = session.execute(
            text(
                "SELECT e.stage, e.vendor_stage, e.entered_at FROM crm_opportunity_stage_events e"
                " JOIN crm_opportunities o ON o.id = e.opportunity_id WHERE o.name = :name ORDER BY e.entered_at"
            ),
            {"name": deal},
        )
        return [tuple(row) for row in rows]


def test_a_deals_past_stages_are_read_and_the_present_one_is_not_doubled(mirrored: ConnectionId) -> None:
    assert [each[0] for each in history("Thornbury: treatment booking")] == ["lost"]
    done = read_histories(mirrored)
    assert done.read > 0
    assert (done.more, done.error) == (False, "")
    found = history("Thornbury: treatment booking")
    assert [each[:2] for each in found] == [
        ("lead", "Lead"), ("qualified", "Qualified"), ("proposal", "Proposal"), ("lost", "Lost"),
    ]  # fmt: skip
    assert read_histories(mirrored) == type(done)()
    assert mirror_connection(mirrored).written == 0


def test_only_deals_that_moved_are_asked_for_again(database: str, moving_vendors: Vendors) -> None:
    _, connection_id = connect(moving_vendors, "attio")
    run_sync(connection_id)
    mirror_connection(connection_id)
    read_histories(connection_id)
    name = "Villa Tramuntana: own site outside the group"
    before = history(name)
    event = {"kind": "deal_stage", "deal": "hp-tramuntana-own", "stage": "Won 🎉"}
    moving_vendors.control("event", project="harbor-pine", event=event)
    run_sync(connection_id)
    mirror_connection(connection_id)
    assert read_histories(connection_id).read == 1
    assert history(name)[:-1] == before
    assert history(name)[-1][0] == "won"


DEAL = "Thornbury: treatment booking"
PAST = " WHERE stage = 'qualified' AND opportunity_id = (SELECT id FROM crm_opportunities WHERE name = :deal)"


@pytest.mark.parametrize(
    "meddle",
    [
        "DELETE FROM crm_opportunity_stage_events",
        "UPDATE crm_opportunity_stage_events SET entered_at = entered_at + interval '1 hour'",
        "UPDATE crm_opportunity_stage_events SET vendor_stage = 'Won', stage = 'won'",
    ],
    ids=["removed", "moved in time", "retitled"],
)
def test_a_past_stage_that_was_altered_behind_our_back_is_counted_and_comes_back(
    mirrored: ConnectionId, meddle: str
) -> None:
    read_histories(mirrored)
    before = history(DEAL)
    assert count_differences(mirrored) == 0
    assert change(f"{meddle}{PAST} RETURNING id", deal=DEAL)
    assert history(DEAL) != before
    assert count_differences(mirrored) == 1
    mirror_connection(mirrored)
    assert read_histories(mirrored).read == 1
    assert history(DEAL) == before
    assert count_differences(mirrored) == 0


def test_a_past_stage_that_was_added_behind_our_back_goes_again(mirrored: ConnectionId) -> None:
    read_histories(mirrored)
    before = history(DEAL)
    listed = "account_scope_id, project_id, opportunity_id, stage, vendor_stage"
    change(
        f"INSERT INTO crm_opportunity_stage_events ({listed}, entered_at)"  # noqa: S608 - constants
        f" SELECT {listed}, entered_at + interval '1 hour' FROM crm_opportunity_stage_events{PAST} RETURNING id",
        deal=DEAL,
    )
    assert count_differences(mirrored) == 1
    read_histories(mirrored)
    assert history(DEAL) == before


def test_an_answer_without_stages_removes_none(
    mirrored: ConnectionId, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_histories(mirrored)
    before = history(DEAL)
    change("UPDATE crm_opportunities SET history_until = NULL RETURNING id")
    monkeypatch.setattr(AttioClient, "stage_history", lambda *_: [])
    assert read_histories(mirrored).events == 0
    assert history(DEAL) == before


def test_a_renamed_stage_is_the_same_event_whenever_its_title_is_learnt(
    mirrored: ConnectionId, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_histories(mirrored)
    before = history(DEAL)
    change(
        "UPDATE attio_deals SET stage = 'Gone', payload = replace(payload::text, '\"Lost\"', '\"Gone\"')::jsonb"
        " WHERE name = :deal RETURNING id",
        deal=DEAL,
    )
    mirror_connection(mirrored)
    assert history(DEAL) == [*before[:-1], ("unmapped", "Gone", before[-1][2])]
    monkeypatch.setitem(normalise_stage.__globals__["_BY_TITLE"], "gone", "lost")
    mirror_connection(mirrored)
    assert history(DEAL) == [*before[:-1], ("lost", "Gone", before[-1][2])]
    assert mirror_connection(mirrored).written == 0


def test_a_vendor_that_goes_away_keeps_what_was_read_and_the_rest_its_turn(
    mirrored: ConnectionId, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, asked = AttioClient.stage_history, [0]

    def stage_history(self: AttioClient, deal_id: str) -> list[dict]:
        asked[0] += 1
        if asked[0] == 3:
            raise VendorDown("no answer in time")
        return real(self, deal_id)

    monkeypatch.setattr(AttioClient, "stage_history", stage_history)
    done = read_histories(mirrored)
    assert (done.read, done.error, done.more) == (2, "vendor_down", False)
    everything = read_histories(mirrored).read
    assert everything > 0
    assert asked[0] == 3 + everything


def test_a_run_is_bounded_and_asks_for_the_next(
    mirrored: ConnectionId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.stage_history.DEALS_AT_MOST", 2)
    [ref] = enqueue.request_mirror(mirrored, "anna")
    tasks.mirror_connection(str(mirrored), ref.run_id)
    [following] = enqueue.request_mirror(mirrored, "anna")
    assert (following.created, following.status) == (False, "queued")
    with reading() as session:
        counts = session.execute(
            text("SELECT counts FROM job_runs WHERE id = :id"), {"id": ref.run_id}
        ).scalar_one()
    assert (counts["histories"], counts["more_histories"]) == (2, True)
