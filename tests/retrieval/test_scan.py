"""However the vector index is searched, a search sees its own scope; exact search is the measure of the others."""

import pytest

from models.infra.database import reading, transaction
from models.infra.settings import get_settings
from retrieval.embedding import embedding_model
from retrieval.filters import Filters
from retrieval.retrievers import query_vector
from retrieval.store import Scan, search_vectors
from tests.retrieval.corpus import QUESTION, index, make_corpus
from tests.tools_app.world import make_world


@pytest.mark.parametrize("scan", [Scan(), Scan(way="index"), Scan(40, iterative=True, way="index")])
def test_each_way_finds_what_exact_search_finds(database: str, scan: Scan) -> None:
    with transaction() as session:
        world = make_world(session, "studio")
        make_corpus(world.places["alpha"])
        make_corpus(world.places["beta"])
    index(world.scope)
    model = embedding_model(get_settings())
    vector, filters = query_vector(model, QUESTION), Filters(world.of("alpha"))
    with reading() as session:
        found = search_vectors(session, filters, model.spec, vector, 20, scan)
    with reading() as session:
        exact = search_vectors(session, filters, model.spec, vector, 20, Scan(way="exact"))
    assert len(exact) == 6
    assert {key for key, _ in found} == {key for key, _ in exact}


def test_a_single_pass_is_set_off_and_the_width_is_a_number() -> None:
    assert Scan(20, iterative=False).settings() == (
        "SET LOCAL hnsw.iterative_scan = off",
        "SET LOCAL hnsw.ef_search = 20",
    )
