"""Themes are deterministic groups of near vectors, called by the words that tell them apart in both languages."""

import numpy as np
import pytest

from retrieval.overview import asks_for_themes
from retrieval.themes import MIN_CHUNKS, Passage, cluster, label


def _around(centre: list[float], number: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(scale=0.05, size=(number, len(centre)))
    vectors = np.asarray(centre) + noise
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


VECTORS = np.concatenate([_around([1, 0, 0, 0], 20, 1), _around([0, 1, 0, 0], 12, 2)])


def test_near_vectors_are_one_theme_and_the_largest_is_first() -> None:
    found = cluster(VECTORS)
    assert {frozenset(each.members) for each in found} == {
        frozenset(range(20)),
        frozenset(range(20, 32)),
    } or all(max(each.members) < 20 or min(each.members) >= 20 for each in found)
    sizes = [len(each.members) for each in found]
    assert sizes == sorted(sizes, reverse=True)


def test_every_vector_is_in_one_theme_nearest_to_its_centre_first() -> None:
    found = cluster(VECTORS)
    assert sorted(place for each in found for place in each.members) == list(range(len(VECTORS)))
    for each in found:
        assert list(each.similarities) == sorted(each.similarities, reverse=True)


def test_the_same_vectors_give_the_same_themes() -> None:
    assert [each.members for each in cluster(VECTORS)] == [each.members for each in cluster(VECTORS.copy())]


def test_few_vectors_have_no_themes() -> None:
    assert cluster(VECTORS[: MIN_CHUNKS - 1]) == []


def test_equal_vectors_are_one_theme() -> None:
    assert len(cluster(np.repeat(VECTORS[:1], 30, axis=0))) == 1


def test_a_theme_is_called_by_its_own_words_in_each_language() -> None:
    labels = label(
        [
            [Passage("en", "The invoice again. Invoice is late"), Passage("ru", "Счета, счета задержаны")],
            [Passage("en", "Barcode blurred, barcode unreadable, the client"), Passage("en", "client")],
        ]
    )
    assert labels[0]["en"][0] == "invoice"
    assert labels[0]["ru"] == ["счета"]
    assert labels[1]["en"][0] == "barcode"
    assert labels[1]["ru"] == []


def test_names_label_nothing() -> None:
    assert label([[Passage("en", "Anna Anna invoice invoice")]], {"anna"})[0]["en"] == ["invoice"]


@pytest.mark.parametrize(
    "question",
    [
        "What do clients complain about?",
        "Main topics of the project",
        "На что жалуются клиенты?",
        "Какие темы чаще всего?",
    ],
)
def test_a_question_in_general_asks_for_themes(question: str) -> None:
    assert asks_for_themes(question)


@pytest.mark.parametrize("question", ["When is the barcode ready?", "Когда будет готов штрихкод?"])
def test_a_question_for_a_fact_does_not(question: str) -> None:
    assert not asks_for_themes(question)
