"""A stream's completeness in words: what is unknown says why and since when, what was not compared is no zero."""

import datetime as dt
from dataclasses import replace

from models.queries.completeness_trend import CompletenessPoint
from tools_app.components.completeness_lines import present
from tools_app.services.completeness import CompletenessBlock, CompletenessRow
from tools_app.services.views import RunProgress

AT = dt.datetime(2026, 5, 4, 12, 0, tzinfo=dt.UTC)
ROW = CompletenessRow(
    connection_id="c1", connector="linear", stream="issues", state="measured", method="ids", completeness_pct=99.96,
    vendor_count=123_456, local_count=123_400, missing=56, extra=0, stale=None, duplicates=0, ids_seen=123_456,
    error_code="", measured_at=AT, age_s=5.0, known_at=AT,
)  # fmt: skip
BLOCK = CompletenessBlock("linear", 99.96, (ROW,), {"c1": "http://linear.example"})


def only(row: CompletenessRow, locale: str = "en"):
    (line,) = present(replace(BLOCK, rows=(row,)), locale, "all").lines
    return line


def counts(row: CompletenessRow, locale: str = "en") -> dict[str, str]:
    return {each.name: each.value for each in only(row, locale).counts}


def test_counts_are_shown_in_full_so_that_the_figure_can_be_recomputed():
    shown = counts(ROW)
    assert (shown["vendor"], shown["here"], shown["missing"], shown["extra"]) == (
        "123,456",
        "123,400",
        "56",
        "0",
    )
    assert only(ROW).value == "99.9%", "never rounded up to 100"
    assert present(BLOCK, "en", "all").total == "99.9%"


def test_contents_that_nobody_compared_are_no_zero():
    assert counts(ROW)["stale"] == "not compared"
    assert counts(ROW, "ru")["stale"] == "не сверялись"
    assert counts(replace(ROW, stale=0))["stale"] == "0"


def test_an_unknown_figure_says_why_and_since_when():
    away = replace(
        ROW, state="unknown", method="unknown", completeness_pct=None, error_code="vendor_down", vendor_count=None,
        local_count=None, missing=None, extra=None,
    )  # fmt: skip
    line = only(away)
    assert (line.value, line.known_iso) == ("unknown", AT.isoformat())
    assert line.why.startswith("The vendor does not answer.")
    assert {each.value for each in line.counts} == {"—"}
    assert only(replace(away, known_at=None)).known_iso == ""
    block = present(replace(BLOCK, completeness_pct=None, rows=(away,)), "ru", "all")
    assert (block.total, block.tone) == ("неизвестна", "unknown")


def test_a_connector_that_was_never_compared_is_not_unknown():
    assert present(replace(BLOCK, completeness_pct=None, rows=()), "en", "all").total == "not measured yet"


def test_ids_can_be_downloaded_where_ids_differ_in_the_project_of_the_page():
    (line,) = present(BLOCK, "en", "alpha").lines
    query = "format=csv&connector=linear&stream=issues&project_id=alpha"
    assert line.csv == f"/api/connectors/reconciliation/diff?{query}"
    assert only(replace(ROW, missing=0)).csv == ""
    assert only(replace(ROW, method="counts")).csv == "", "a count knows no ids"


def test_connections_are_told_apart_only_where_there_are_several():
    assert only(ROW).note == ""
    both = replace(BLOCK, origins={"c1": "http://one.example", "c2": "http://two.example"})
    assert present(both, "en", "all").lines[0].note == "http://one.example"


def test_the_trend_says_its_lowest_figure():
    points = tuple(
        CompletenessPoint(AT + dt.timedelta(days=day), pct) for day, pct in ((0, 97.5), (1, None), (2, 100.0))
    )
    line = only(replace(ROW, trend=points))
    assert line.trend_words == "Since 4 May; lowest 97.5%"
    assert line.trend.startswith("M0.0 ")


def test_what_runs_is_said():
    block = replace(BLOCK, job="repair", running=RunProgress("r1", stream="issues", rows=3))
    assert present(block, "en", "all").progress == "Repair of the copy · Issues: 3 rows"
