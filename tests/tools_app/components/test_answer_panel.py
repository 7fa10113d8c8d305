"""What an answer says of the copies it rests on: how complete, unknown since when or never measured, and how old."""

import datetime as dt

import pytest

from tools_app.components.answer_panel import present
from tools_app.services.answer_views import AnswerSource, AnswerView

SINCE = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
LATER = dt.datetime(2026, 3, 1, 13, tzinfo=dt.UTC)


def answered(*sources: AnswerSource) -> AnswerView:
    return AnswerView("run", "query", True, (), (), (), 80.0, (), "hybrid", 12, sources=sources)


@pytest.mark.parametrize(
    ("source", "words", "since"),
    [
        (AnswerSource("linear", 97.5), "Linear: completeness 97.5%", ""),
        (AnswerSource("linear", None, is_unknown=True, known_at=SINCE), "unknown", SINCE.isoformat()),
        (AnswerSource("linear", None, is_unknown=True), "unknown", ""),
        (AnswerSource("linear", None), "not measured yet", ""),
    ],
)
def test_completeness_is_told_as_it_is(source: AnswerSource, words: str, since: str) -> None:
    [shown] = present(answered(source), "en").sources
    assert words.lower() in shown.words.lower()
    assert shown.known_iso == since


def test_every_source_has_its_own_figure_and_its_own_age() -> None:
    shown = present(
        answered(
            AnswerSource("chatwoot", 100.0, synced_at=LATER), AnswerSource("linear", 50.0, synced_at=SINCE)
        ),
        "ru",
    )
    assert [each.synced_iso for each in shown.sources] == [LATER.isoformat(), SINCE.isoformat()]
    assert [each.words for each in shown.sources] == ["Chatwoot: полнота 100 %", "Linear: полнота 50 %"]
    assert present(answered(AnswerSource("attio", None)), "en").sources[0].synced_iso == ""
