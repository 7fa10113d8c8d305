"""Times as the vendors write them, and records that cannot be read."""

import datetime as dt
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.connectors.base import Record, has_id, normalise_all, parse_epoch, parse_time


def test_nine_digits_of_a_second_are_read() -> None:
    assert parse_time("2022-11-21T13:22:49.061281000Z") == dt.datetime(
        2022, 11, 21, 13, 22, 49, 61281, tzinfo=dt.UTC
    )


def test_an_offset_is_turned_into_utc() -> None:
    assert parse_time("2026-01-01T02:00:00+02:00") == dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize("empty", [None, 0, ""])
def test_epoch_zero_means_no_time(empty: object) -> None:
    assert parse_epoch(empty) is None


@given(
    st.datetimes(
        min_value=dt.datetime(2000, 1, 1),  # noqa: DTZ001 - hypothesis wants naive bounds beside a zone
        max_value=dt.datetime(2100, 1, 1),  # noqa: DTZ001
        timezones=st.just(dt.UTC),
    )
)
def test_any_time_survives_being_written_and_read(moment: dt.datetime) -> None:
    assert parse_time(moment.isoformat()) == moment
    assert parse_time(moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z") == moment


def test_a_record_that_cannot_be_read_is_set_aside_and_the_others_go_on() -> None:
    def normalise(item: dict[str, str]) -> Record:
        return Record("things", item["id"], {"name": item["name"]}, item)

    records, rejected = normalise_all(
        "things", [{"id": "1", "name": "a"}, {"id": "2"}, None], normalise, lambda item: item["id"]
    )
    assert [record.vendor_id for record in records] == ["1"]
    assert [one.vendor_id for one in rejected[:1]] == ["2"]
    assert rejected[0].payload == {"id": "2"}
    assert [has_id(one.vendor_id) for one in rejected] == [True, False]


@pytest.mark.parametrize("vendor_id", [None, "", {}, [], {"a": 1}])
def test_what_has_no_id_is_known_by_the_same_digest_in_every_process(vendor_id: object) -> None:
    def normalise(item: dict[str, str]) -> Record:
        raise ValueError(item)

    items = [{"id": vendor_id, "name": "a"}, {"name": "a", "id": vendor_id}, {"name": "b"}]
    _, rejected = normalise_all("things", items, normalise, lambda item: str(item["id"]))
    first, same, other = (one.vendor_id for one in rejected)
    written = json.dumps(items[0], sort_keys=True).encode()
    assert first == same == f"unreadable:{hashlib.sha256(written).hexdigest()[:32]}"
    assert other != first
    assert not has_id(first)


def test_a_time_before_the_calendar_is_no_time() -> None:
    with pytest.raises(ValueError, match="not a time"):
        parse_time("0001-01-01T00:00:00+05:00")
