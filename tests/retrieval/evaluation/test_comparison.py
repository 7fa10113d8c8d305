"""Runs become rows: who is ahead, by how much, and for which part of a set."""

from collections.abc import Sequence
from uuid import UUID

import pytest

from models.infra.ids import AccountScopeId, ProjectId
from models.infra.scope import Scope
from retrieval.evaluation.comparison import as_markdown, as_table, compare, verdicts
from retrieval.evaluation.datasets import JudgedCollection, is_held_out
from retrieval.evaluation.sets import Case, JudgedSet, collection_set
from retrieval.evaluation.systems import Run
from retrieval.schemas import Lang

SCOPE = Scope.of(AccountScopeId(UUID(int=1)), [ProjectId(UUID(int=2))])


def case(name: str, lang: Lang = "en", *relevant: str, held_out: bool = True) -> Case:
    return Case(name, lang, f"question {name}", SCOPE, frozenset(relevant), held_out)


def run(name: str, *ranked: str, answered: bool = True, cited: Sequence[str] | None = None) -> Run:
    return Run(name, ranked, answered, None if cited is None else tuple(cited), 5.0)


def judged(*cases: Case) -> JudgedSet:
    return JudgedSet("small", "a small set", "vendor", cases)


CASES = judged(case("a", "en", "note:1"), case("b", "ru", "note:2"), case("c", "en"))
RUNS = {
    "hybrid": [
        run("a", "note:1", cited=["note:1"]),
        run("b", "note:2", cited=["note:9"]),
        run("c", answered=False),
    ],
    "vector": [run("a", "note:9", "note:1"), run("b", "note:2"), run("c", "note:4")],
    "lexical": [run("a", "note:9"), run("b", "note:9"), run("c")],
    "predecessor": [run("a", "note:9", "note:1"), run("b", "note:8"), run("c", "note:4")],
}
FOUND = compare(CASES, RUNS, "default")


def test_every_system_has_a_row_for_the_whole_and_for_each_language() -> None:
    assert {(row.part, row.system) for row in FOUND.rows} == {
        (part, system) for part in ("all", "en", "ru") for system in RUNS
    }


def test_the_best_single_search_is_the_one_with_the_best_ndcg() -> None:
    assert FOUND.best_single("all").system == "vector"


def test_a_row_tells_how_far_hybrid_is_ahead_of_it() -> None:
    theirs = FOUND.row("all", "lexical")
    assert theirs.ahead is not None
    assert theirs.ahead.mean == pytest.approx(1.0)
    assert FOUND.row("all", "hybrid").ahead is None


def test_a_question_without_an_answer_counts_for_refusals_alone() -> None:
    row = FOUND.row("all", "hybrid")
    assert (row.questions, row.ndcg.count) == (3, 2)
    assert (row.refusals.precision, row.refusals.recall) == (1.0, 1.0)
    assert FOUND.row("all", "predecessor").refusals.recall == 0.0


def test_support_is_the_share_of_answers_that_quote_a_relevant_record() -> None:
    assert FOUND.row("all", "hybrid").support.mean == 0.5
    assert FOUND.row("all", "vector").support.count == 0


def test_halves_are_told_apart_where_a_set_has_both() -> None:
    both = judged(case("a", "en", "note:1"), case("b", "en", "note:2", held_out=False))
    found = compare(both, {"hybrid": [run("a", "note:1"), run("b")]}, "default")
    assert found.row("held out", "hybrid").ndcg.mean == 1.0
    assert found.row("all", "hybrid").ndcg.mean == 0.5


def test_the_table_has_a_line_for_every_row() -> None:
    assert len(as_table([FOUND]).splitlines()) == 2 + len(FOUND.rows)


def test_the_verdict_names_the_best_single_search_and_the_predecessor() -> None:
    assert any("best single (vector)" in line and "predecessor" in line for line in verdicts(FOUND))


def test_what_was_left_out_is_said_with_its_reason() -> None:
    assert "**office-help-mono**: left out, not there" in as_markdown(
        [FOUND], {"office-help-mono": "not there"}, ""
    )


PAGES = JudgedCollection(
    "pages",
    {"en-1": ("en", "Save a file"), "ru-1": ("ru", "Сохранить файл"), "en-2": ("en", "Print")},
    {"title-en-1": ("en", "saving"), "title-ru-1": ("ru", "сохранение"), "title-en-2": ("en", "printing")},
    {
        "title-en-1": frozenset({"en-1", "ru-1"}),
        "title-ru-1": frozenset({"en-1", "ru-1"}),
        "title-en-2": frozenset({"en-2"}),
    },
)


def relevant(task: str) -> dict[str, frozenset[str]]:
    found = collection_set(PAGES, task, lambda _: SCOPE, "note")  # pyright: ignore[reportArgumentType]
    return {item.id: item.relevant for item in found.cases}


def test_mono_counts_the_page_in_the_language_of_the_question() -> None:
    assert relevant("mono")["title-ru-1"] == {"note:ru-1"}


def test_cross_counts_the_page_in_the_other_language_and_leaves_out_pages_without_one() -> None:
    assert relevant("cross") == {"title-en-1": {"note:ru-1"}, "title-ru-1": {"note:en-1"}}


def test_mix_counts_both_pages() -> None:
    assert relevant("mix")["title-en-1"] == {"note:en-1", "note:ru-1"}


def test_translations_of_a_query_are_in_the_same_half() -> None:
    assert all(is_held_out(f"title-en-{n:04}") == is_held_out(f"title-ru-{n:04}") for n in range(50))


def test_about_half_of_the_queries_is_held_out() -> None:
    assert 0.4 < sum(is_held_out(f"index-en-{n:04}") for n in range(500)) / 500 < 0.6
