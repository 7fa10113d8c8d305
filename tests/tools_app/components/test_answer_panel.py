"""What an answer says of its sources' completeness: the figure, that it is unknown and since when, or never measured."""

import datetime as dt

import pytest

from tools_app.components.answer_panel import present
from tools_app.services.views import AnswerView

SINCE = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def answered(**completeness: object) -> AnswerView:
    return AnswerView("run", "query", True, (), (), (), 80.0, (), "hybrid", 12, **completeness)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("completeness", "words", "since"),
    [
        ({"completeness_pct": 97.5}, "97.5%", ""),
        ({"completeness_unknown": True, "completeness_known_at": SINCE}, "unknown", SINCE.isoformat()),
        ({"completeness_unknown": True}, "unknown", ""),
        ({}, "not measured yet", ""),
    ],
)
def test_completeness_is_told_as_it_is(completeness: dict[str, object], words: str, since: str) -> None:
    shown = present(answered(**completeness), "en")
    assert words in shown.completeness.lower()
    assert shown.known_iso == since
