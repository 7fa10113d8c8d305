"""A large table is searched from its rarest words and finds what the exact search finds."""

from uuid import UUID

import pytest
from sqlalchemy import text

from models.infra.database import reading, transaction
from models.infra.ids import AccountScopeId, ProjectId
from models.infra.scope import Scope
from retrieval import lexical
from retrieval.filters import Filters
from retrieval.lexical_large import Plan, make_plan
from retrieval.profile import changed, load_profile
from retrieval.statistics import TableStatistics
from retrieval.terms import Alternative, Term
from tests.retrieval.corpus import QUESTION, index, make_corpus
from tests.tools_app.world import make_world

PROJECT = UUID(int=2)
FILTERS = Filters(Scope.of(AccountScopeId(UUID(int=1)), [ProjectId(PROJECT)]))
KNOWN = TableStatistics(
    100_000, {"launch": 0.3, "date": 0.2, "barcod": 0.001, "loyalti": 0.01, "card": 0.05}, {str(PROJECT): 1.0}
)


def term(*alternatives: tuple[str, float]) -> Term:
    return Term(tuple(Alternative(written, weight) for written, weight in alternatives))


def plan(*asked: str, visited: int = 3000) -> Plan:
    return make_plan([term((word, 1.0)) for word in asked], KNOWN, FILTERS, visited)


def test_rare_words_drive_and_common_words_are_only_looked_for() -> None:
    made = plan("launch", "barcode")
    assert [word.text for word in made.driving] == ["barcode"]
    assert [word.text for word in made.checked] == ["launch"]


def test_what_drives_leads_to_no_more_rows_than_allowed() -> None:
    made = plan("launch", "date", "barcode", "loyalty", "card", visited=1200)
    assert sum(word.rows for word in made.driving) <= 1200


def test_common_words_find_chunks_where_they_meet() -> None:
    assert {frozenset(pair[:2]) for pair in plan("launch", "date").pairs} == {frozenset({"launch", "date"})}


def test_the_rarer_word_weighs_more() -> None:
    made = plan("launch", "barcode")
    assert made.rarity[1] > made.rarity[0] > 0


def test_a_distant_alternative_does_not_drive() -> None:
    made = make_plan([term(("launch", 1.0), ("barcode", 0.05))], KNOWN, FILTERS, 3000)
    assert [word.text for word in made.driving] == []


def test_a_word_that_statistics_do_not_know_counts_as_the_rarest() -> None:
    assert KNOWN.share_of("zeppelin") == 0.001
    assert KNOWN.share_of("launch barcode") == 0.001


@pytest.mark.parametrize("project_ids", [[], [UUID(int=9)]])
def test_unknown_projects_hold_next_to_nothing(project_ids: list[UUID]) -> None:
    assert KNOWN.share_of_projects(project_ids) <= 1 / 100_000


def test_both_ways_find_the_same_chunks_best_first(database: str) -> None:
    with transaction() as session:
        world = make_world(session, "studio", ("one",))
        make_corpus(world.places["one"])
    index(world.scope)
    with transaction() as session:
        session.connection().execute(text("ANALYZE rag_chunks"))
    exact, large = load_profile().lexical, changed(load_profile(), {"lexical.exact_rows": 0}).lexical
    filters = Filters(Scope.of(world.scope, [world.places["one"].project]))
    terms = lexical.build_terms(QUESTION, {}, {}, 0.62)
    with reading() as session:
        one = lexical.search(session, terms, filters, exact, 50)
        other = lexical.search(session, terms, filters, large, 50)
    assert [hit.chunk_id for hit in other.hits][:3] == [hit.chunk_id for hit in one.hits][:3]
    assert {hit.chunk_id for hit in other.hits} == {hit.chunk_id for hit in one.hits}
    assert all(0 < hit.coverage <= 1 for hit in other.hits)
