"""A small collection goes the whole way: raw rows, the real indexing, every system, the report."""

from pathlib import Path

import pytest

from jobs.indexing import index_pending
from models.infra.database import reading, transaction
from models.infra.scope import Scope
from models.infra.settings import get_settings
from retrieval.embedding import embedding_model
from retrieval.evaluation import comparison, predecessor, run
from retrieval.evaluation.collection import KIND, PARTS, import_part
from retrieval.evaluation.datasets import JudgedCollection
from retrieval.evaluation.sets import collection_set
from retrieval.evaluation.systems import PREDECESSOR, ask_all, systems
from retrieval.profile import load_profile
from retrieval.retrievers import query_vector
from tests.retrieval.corpus import rows

EN = {
    "en-1": "Choose Save As to store the document under another name.",
    "en-2": "The printer dialog lets you choose the paper and the number of copies.",
    "en-3": "Insert a chart from the cells that are selected.",
}
RU = {
    "ru-1": "Выберите «Сохранить как», чтобы сохранить документ под другим именем.",
    "ru-2": "В диалоге принтера выбирают бумагу и число копий.",
    "ru-3": "Вставьте диаграмму из выделенных ячеек.",
}
PAGES = JudgedCollection(
    "pages",
    {**{key: ("en", text) for key, text in EN.items()}, **{key: ("ru", text) for key, text in RU.items()}},
    {"q-en-1": ("en", "printer paper and copies"), "q-ru-1": ("ru", "бумага и копии принтера")},
    {"q-en-1": frozenset({"en-2", "ru-2"}), "q-ru-1": frozenset({"en-2", "ru-2"})},
)


def index_all() -> dict[str, Scope]:
    scopes: dict[str, Scope] = {}
    for part in PARTS:
        with transaction() as session:
            scopes[part] = import_part(session, PAGES, part)
        index_pending(scopes[part].account_scope_id, budget_s=120)
    return scopes


def test_every_system_is_measured_on_every_task_and_finds_the_page(database: str, tmp_path: Path) -> None:
    scopes = index_all()
    found = []
    with reading() as session:
        for task in ("mono", "cross", "mix"):
            judged = collection_set(PAGES, task, scopes.__getitem__, KIND)
            runs = ask_all(session, judged, systems(load_profile()))
            assert set(runs) >= {"hybrid", "lexical", "hybrid, rrf", "hybrid, weighted", PREDECESSOR}
            found.append(comparison.compare(judged, runs, "default"))
    for item in found:
        assert item.row("all", "hybrid").recall.mean == 1.0
    written = run.write_report(found, {"world": "no demo"}, "head", tmp_path / "reports")
    assert [path.name for path in written] == ["comparison.md", "comparison.json", "quality.png", "ahead.png"]
    assert all(path.stat().st_size for path in written)


def test_a_second_import_writes_nothing_and_a_changed_page_is_embedded_alone(database: str) -> None:
    scopes = index_all()
    changed = JudgedCollection(
        "pages", {**PAGES.documents, "en-3": ("en", "Delete a chart.")}, PAGES.queries, PAGES.relevant
    )
    with transaction() as session:
        assert import_part(session, PAGES, "en") == scopes["en"]
    assert index_pending(scopes["en"].account_scope_id, budget_s=60).written == 0
    with transaction() as session:
        import_part(session, changed, "en")
    assert index_pending(scopes["en"].account_scope_id, budget_s=60).embedded == 1


def test_both_languages_share_the_vectors_of_one(database: str) -> None:
    index_all()
    assert rows("SELECT count(DISTINCT content_hash) AS texts FROM rag_embeddings")[0].texts == 6


def test_a_collection_that_was_not_imported_is_named(database: str) -> None:
    with reading() as session, pytest.raises(LookupError, match="pages is not imported"):
        run.collection_scopes(session, "pages")


def test_the_predecessor_puts_vector_hits_before_word_hits_and_knows_its_scope(database: str) -> None:
    scopes = index_all()
    model = embedding_model(get_settings())
    question = "printer paper"
    with reading() as session:
        found = predecessor.search(
            session, question, scopes["en"], model.spec, query_vector(model, question), keys="vendor", top_k=1
        )
    assert found.keys[0] == "note:en-2"
    assert all(key.startswith("note:en-") for key in found.keys)


def test_the_predecessor_looks_for_six_tokens_at_most() -> None:
    assert predecessor.tokens("Is it the Save or the print dialog, the chart, a copy or paper?") == [
        "the", "save", "print", "dialog", "chart", "copy",
    ]  # fmt: skip
