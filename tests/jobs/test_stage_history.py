"""Past stages of deals are read where they changed, once, and a vendor that is away loses nothing."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from jobs import enqueue, tasks
from jobs.connectors.attio.client import AttioClient
from jobs.connectors.errors import CircuitOpen, RequestRefused, VendorDown
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
            raise CircuitOpen("failed too often a moment ago")
        return real(self, deal_id)

    monkeypatch.setattr(AttioClient, "stage_history", stage_history)
    done = read_histories(mirrored)
    assert (done.read, done.failed, done.error, done.more) == (2, 0, "circuit_open", False)
    everything = read_histories(mirrored).read
    assert everything > 0
    assert asked[0] == 3 + everything


Answer = Callable[[], Any]


def _raise(error: Exception) -> Any:
    raise error


UNREADABLE: dict[str, tuple[Answer, str]] = {
    "refused": (lambda: _raise(RequestRefused("HTTP 400")), "refused"),
    "always down": (lambda: _raise(VendorDown("HTTP 500")), "vendor_down"),
    "no object": (lambda: [None], "bad_record"),
    "a status that is a text": (lambda: [{"status": "Lead", "active_from": "2026-01-01T00:00:00Z"}], "bad_record"),
    "a time that is none": (lambda: [{"status": {"title": "Lead"}, "active_from": "x"}], "bad_record"),
    "a number without end": (
        lambda: [{"status": {"title": "Lead", "weight": float("inf")}, "active_from": "2026-01-01T00:00:00Z"}], "bad_record",
    ),
    "no time": (lambda: [{"status": {"title": "Lead"}}], "bad_record"),
}  # fmt: skip


def errors() -> list[tuple[str, str, str]]:
    with reading() as session:
        rows = session.execute(
            text("SELECT stream, unit, error_kind FROM connector_errors WHERE status <> 'resolved'")
        )
        return [tuple(row) for row in rows]  # fmt: skip


@pytest.mark.parametrize("what", UNREADABLE)
def test_a_deal_whose_history_cannot_be_read_holds_up_no_other_and_is_asked_for_last(
    mirrored: ConnectionId, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    answer, kind = UNREADABLE[what]
    real = AttioClient.stage_history
    asked: list[str] = []

    def stage_history(self: AttioClient, deal_id: str) -> list[dict]:
        asked.append(deal_id)
        return answer() if deal_id == asked[0] else real(self, deal_id)

    with monkeypatch.context() as patch:
        patch.setattr(AttioClient, "stage_history", stage_history)
        first = read_histories(mirrored)
        assert (first.failed, first.error) == (1, "")
        assert first.read == len(asked) - 1 > 0
        assert errors() == [("stage_history", asked[0], kind)]
        change("UPDATE crm_opportunities SET history_until = NULL WHERE deleted_at IS NULL RETURNING id")
        asked[1:] = []
        again = read_histories(mirrored)
        assert (again.read, again.failed, asked[-1]) == (first.read, 1, asked[0])
    assert read_histories(mirrored).read == 1
    assert errors() == []


def test_the_error_of_a_deal_that_is_gone_is_over(
    mirrored: ConnectionId, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(AttioClient, "stage_history", lambda *_: _raise(RequestRefused("HTTP 400")))
        assert read_histories(mirrored).failed > 1
        # Those that failed have their turns one after the other as long as they go on failing.
        assert read_histories(mirrored).failed == 1
    change("UPDATE attio_deals SET deleted_at = now() RETURNING id")
    assert read_histories(mirrored).read == 0
    assert errors() == []


def test_a_lost_key_is_told_as_refused_credentials(mirrored: ConnectionId) -> None:
    change("UPDATE vendor_connections SET token_encrypted = 'unreadable' RETURNING id")
    assert read_histories(mirrored).error == "credentials"


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
