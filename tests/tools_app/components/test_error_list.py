"""A failed unit says what it is, why, and what becomes of it, in both languages."""

import datetime as dt
from dataclasses import replace

from tools_app.components.error_list import present, present_payload
from tools_app.services.error_payload import ErrorPayload
from tools_app.services.views import ErrorRow

ROW = ErrorRow(
    "e1", "linear", "issues", "HPN-1", "bad_record", "KeyError: 'state'", "pending", 2,
    dt.datetime(2026, 5, 4, 12, 0, tzinfo=dt.UTC),
)  # fmt: skip


def test_a_record_is_named_with_its_stream_and_the_vendors_message_stays() -> None:
    line = present(ROW, "en")
    assert line.unit == "Linear · Issues · HPN-1"
    assert line.reason.startswith("A record could not be read.")
    assert line.detail == "KeyError: 'state'"
    assert (line.attempts, line.chip.label, line.chip.tone) == ("2 attempts", "Waiting", "warn")
    assert line.next_iso == "2026-05-04T12:00:00+00:00"


def test_a_whole_stream_is_named_without_a_record() -> None:
    assert present(replace(ROW, unit="stream"), "ru").unit == "Linear · Задачи"
    assert present(replace(ROW, unit="page:2"), "ru").unit == "Linear · Задачи · страница 2"
    assert present(replace(ROW, unit="conversation:17"), "en").unit == "Linear · Issues · conversation 17"


def test_a_dead_letter_has_no_next_time_and_counts_in_russian() -> None:
    line = present(replace(ROW, status="dead_letter", attempt=5, next_retry_at=None), "ru")
    assert (line.next_iso, line.attempts, line.chip.label) == ("", "5 попыток", "Отложено")
    assert line.is_dead
    assert not present(ROW, "en").is_dead


def test_a_payload_says_what_is_missing_of_it() -> None:
    assert present_payload("e1", ErrorPayload("{}", 0), "en").note == ""
    assert present_payload("e1", ErrorPayload("{", 1200), "en").note == "1,200 more characters are not shown."
    assert present_payload("e1", ErrorPayload("", 0), "en").note == "The vendor sent nothing of it."
