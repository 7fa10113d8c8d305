"""Unknown deal stages in words: the vendor's title, how many deals, how many past moves; and where the table is."""

import pytest

from models.queries.crm import UnmappedStage
from tests.conftest import ROOT
from tools_app.components.unmapped_stages import TABLE, present


@pytest.mark.parametrize(
    ("locale", "words"),
    [("en", ("Parked", "2 deals", "1 past move")), ("ru", ("Parked", "2 сделки", "1 прошлый переход"))],
)
def test_an_unknown_stage_is_told_with_its_counts(locale: str, words: tuple[str, str, str]) -> None:
    line = present(UnmappedStage("Parked", 2, 1), locale)
    assert (line.title, line.deals, line.moves) == words


def test_deals_without_a_stage_are_told_as_such() -> None:
    assert present(UnmappedStage("", 1, 0), "en").title == "without a stage"


def test_the_table_that_a_reader_is_sent_to_exists() -> None:
    assert (ROOT / TABLE).is_file()
