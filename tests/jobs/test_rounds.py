"""Messages of very many conversations are read again in parts, all of them within a day."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import rounds
from jobs.repair import repair_connection
from jobs.rounds import PASSES_A_ROUND, Position, choose, read_position
from models.infra.database import reading
from models.infra.ids import ConnectionId
from tests.jobs.copies import change, measure, metrics, run_sync
from tests.jobs.small_vendors import SmallVendors


@pytest.fixture
def copied(small: SmallVendors, monkeypatch: pytest.MonkeyPatch) -> ConnectionId:
    """A copy of an account that is too big for one pass: two conversations a pass, and no full list when cheap."""
    _, connection_id = small.connect("chatwoot")
    run_sync(connection_id)
    monkeypatch.setattr("jobs.rounds.THREADS_AT_MOST", 2)
    monkeypatch.setattr("jobs.reconciliation._COUNT_ABOVE", 1)
    assert len(conversations()) > 4
    return connection_id


def conversations() -> list[str]:
    return change("SELECT vendor_id FROM cw_conversations WHERE deleted_at IS NULL")


def position(connection_id: ConnectionId) -> Position:
    with reading() as session:
        return read_position(session, connection_id)


def stale_messages() -> set[str]:
    return {each for row in metrics("messages") if row.project_id for each in row.stale_ids}


def passes_of_a_round(connection_id: ConnectionId) -> int:
    """The passes until the round ends, the daily one first and then those that follow syncs."""
    measure(connection_id)
    for number in range(1, 2 * len(conversations())):
        if not position(connection_id).is_under_way:
            return number
        measure(connection_id, deep=False)
    raise AssertionError("the round goes on for ever")


def test_the_passes_after_the_syncs_carry_on_what_the_daily_one_began(copied: ConnectionId) -> None:
    measure(copied)
    for _ in range(len(conversations())):
        messages = metrics("messages")[0]
        assert messages.method == "ids"
        if not position(copied).is_under_way:
            break
        measured = measure(copied, deep=False)
        assert measured.streams["messages"].stale == 0, "contents are compared by a cheap pass too"
        assert measured.streams["conversations"].method == "counts"
    assert not position(copied).is_under_way
    assert "messages" not in measure(copied, deep=False).streams, "the round is over until the next day"


def test_a_missed_daily_comparison_is_begun_by_the_pass_after_a_sync(
    small: SmallVendors, copied: ConnectionId
) -> None:
    measure(copied)
    while position(copied).is_under_way:
        measure(copied, deep=False)
    small.hours.forward(24 * 3600)
    assert "messages" not in measure(copied, deep=False).streams
    small.hours.forward(2 * 3600)
    change("UPDATE cw_messages SET body = 'forged' WHERE vendor_id = '1' RETURNING vendor_id")
    assert measure(copied, deep=False).streams["messages"].stale == 1
    assert position(copied) == Position("", 1)


def test_a_silent_edit_of_any_conversation_is_found_and_mended_within_one_round(
    small: SmallVendors, copied: ConnectionId
) -> None:
    account = small.tenant.account
    for conversation in account.conversations.values():
        for message in conversation.messages:
            message.content = "silently edited"
    small.hours.forward(60)
    measure(copied)
    repair_connection(copied)
    passes = 1
    while position(copied).is_under_way:
        measure(copied, deep=False)
        repair_connection(copied)
        passes += 1
        assert passes < 3 * len(conversations())
    assert set(change("SELECT DISTINCT body FROM cw_messages WHERE deleted_at IS NULL")) == {
        "silently edited"
    }


def test_a_part_with_more_to_mend_than_a_repair_takes_is_read_again_before_the_next(
    copied: ConnectionId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.repair.RECORDS_AT_MOST", 1)
    change("UPDATE cw_messages SET body = 'forged' RETURNING vendor_id")
    measure(copied)
    first, began = stale_messages(), position(copied)
    assert len(first) > 1
    repair_connection(copied)
    measure(copied, deep=False)
    assert len(stale_messages()) == len(first) - 1
    assert stale_messages() < first
    assert position(copied).after == began.after


def test_a_part_that_mending_cannot_help_does_not_hold_up_the_round(copied: ConnectionId) -> None:
    change("UPDATE cw_messages SET body = 'forged' RETURNING vendor_id")
    # Nobody repairs: each part is read twice, and the round comes to its end.
    assert passes_of_a_round(copied) <= len(conversations()) + 2


def test_conversations_that_went_away_meanwhile_do_not_stop_the_round(copied: ConnectionId) -> None:
    measure(copied)
    change("UPDATE cw_conversations SET deleted_at = now() WHERE vendor_id <> '1' RETURNING vendor_id")
    measure(copied, deep=False)
    assert not position(copied).is_under_way


def test_a_vendor_that_is_away_leaves_the_position_where_it_was(
    small: SmallVendors, copied: ConnectionId
) -> None:
    measure(copied)
    kept = position(copied)
    assert kept.is_under_way
    small.fault(vendor="chatwoot", kind="500", times=None)
    assert measure(copied, deep=False).streams["messages"].method == "unknown"
    assert position(copied) == kept
    small.calm()
    measure(copied, deep=False)
    assert position(copied) != kept


@given(
    st.sets(st.integers(1, 20_000), min_size=1, max_size=400).map(lambda ids: [str(each) for each in ids]),
    st.integers(1, 60),
)
def test_parts_cover_every_conversation_once_in_half_the_passes_of_a_day(
    ids: list[str], at_most: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rounds, "THREADS_AT_MOST", at_most)
        part = choose(ids, Position())
        if part is None:
            assert len(ids) <= max(at_most, 1 + len(ids) // PASSES_A_ROUND)
            return
        read: list[str] = []
        for _ in range(PASSES_A_ROUND):
            assert part is not None
            read.extend(part.threads)
            if part.last is None:
                break
            part = choose(ids, Position(part.last))
    assert sorted(read) == sorted(ids)
    assert part is not None
    assert part.left == 0


def test_what_is_missing_in_one_part_is_missing_in_the_figure_of_all(copied: ConnectionId) -> None:
    oldest = sorted(conversations(), key=rounds.order)[:2]
    lost = change(
        "DELETE FROM cw_messages WHERE conversation_id IN"
        " (SELECT id FROM cw_conversations WHERE vendor_id = ANY(:oldest)) RETURNING vendor_id",
        oldest=oldest,
    )
    assert lost
    passes_of_a_round(copied)
    measure(copied)
    measure(copied, deep=False)  # of other conversations
    newest = next(row for row in metrics("messages") if row.project_id is None)
    here = int(change("SELECT count(*) FROM cw_messages WHERE deleted_at IS NULL")[0])
    assert (newest.missing, newest.local_count) == (len(lost), here)
    assert newest.completeness_pct == pytest.approx(100 * here / (here + len(lost)))
    assert {each for row in metrics("messages") if row.project_id for each in row.missing_ids} >= set(lost)
    repair_connection(copied)
    measure(copied, deep=False)
    whole = next(row for row in metrics("messages") if row.project_id is None)
    assert (whole.missing, whole.completeness_pct) == (0, 100.0)


def test_an_account_that_fits_into_one_pass_again_is_counted_anew(
    copied: ConnectionId, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes_of_a_round(copied)
    monkeypatch.setattr("jobs.rounds.THREADS_AT_MOST", 5_000)
    measure(copied)
    newest = next(row for row in metrics("messages") if row.project_id is None)
    here = int(change("SELECT count(*) FROM cw_messages WHERE deleted_at IS NULL")[0])
    assert (newest.vendor_count, newest.local_count, newest.completeness_pct) == (here, here, 100.0)
