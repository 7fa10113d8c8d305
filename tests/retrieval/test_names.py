"""The names of a scope are found in a question however they are spelled."""

from uuid import UUID

import pytest

from models.infra.ids import new_id
from retrieval.names import Gazetteer, Name

HARBOR, BEREG, MEDISYNC = new_id(), new_id(), new_id()
GAZETTEER = Gazetteer.of(
    [
        Name("project", "Harbor & Pine", HARBOR),
        Name("project", "Северный Берег", BEREG),
        Name("project", "Alder Health", MEDISYNC),
        Name("company", "Alder MediSync Ltd", MEDISYNC),
        Name("person", "Anna Berg", HARBOR),
        Name("person", "Anna Sorokina", BEREG),
        Name("person", "Дмитрий Сорокин", BEREG),
    ]
)


@pytest.mark.parametrize("typed", ["Anna Berg", "Анна Берг", "Анны Берг", "с Анной Берг", "anna berg"])
def test_a_person_is_found_in_either_alphabet_and_any_case_form(typed: str) -> None:
    assert GAZETTEER.match(f"Что писала {typed}?").people["Anna Berg"] == 1.0


@pytest.mark.parametrize(
    "question", ["What did we promise Harbor & Pine?", "Что обещали Харбор и Пайн?", "Что нового у Харбора?"]
)
def test_a_latin_client_is_found_in_either_alphabet(question: str) -> None:
    assert GAZETTEER.match(question).projects[HARBOR] >= 0.5


@pytest.mark.parametrize(
    "question", ["Сроки Северного Берега", "What about Severny Bereg?", "Созвон с Северным Берегом"]
)
def test_a_russian_client_is_found_in_either_alphabet(question: str) -> None:
    assert GAZETTEER.match(question).projects == {BEREG: 1.0}


def test_a_first_name_alone_matches_its_namesakes_in_part() -> None:
    people = GAZETTEER.match("What did Anna say?").people
    assert people == {"Anna Berg": 0.5, "Anna Sorokina": 0.5}


def test_a_first_name_of_two_clients_points_to_neither() -> None:
    assert GAZETTEER.match("What did Anna say?").projects == {}


def test_a_full_name_points_to_the_client_of_the_person() -> None:
    assert GAZETTEER.match("What did Anna Sorokina say?").projects[BEREG] == 1.0


def test_a_word_of_one_client_alone_hints_at_it() -> None:
    assert GAZETTEER.match("How does MediSync work?").projects == {MEDISYNC: 0.5}


def test_one_wrong_letter_in_a_long_name_is_forgiven() -> None:
    assert "Anna Sorokina" in GAZETTEER.match("What did Sorokyna write?").people


def test_a_question_without_names_points_nowhere() -> None:
    match = GAZETTEER.match("Когда следующий созвон по плану?")
    assert (match.spellings, match.projects, match.people) == ({}, {}, {})


def test_other_spellings_of_a_typed_name_are_the_ones_in_the_records() -> None:
    assert GAZETTEER.match("Что сказала Анна?").spellings == {"анна": ("anna",)}


def test_a_name_typed_as_it_is_recorded_needs_no_other_spelling() -> None:
    assert GAZETTEER.match("What did Berg say?").spellings == {}


def test_an_empty_gazetteer_matches_nothing() -> None:
    empty: dict[UUID, float] = {}
    assert Gazetteer.of([]).match("What did Anna Berg say?").projects == empty


def test_the_name_of_a_client_is_left_out_of_the_question() -> None:
    assert GAZETTEER.without_projects("When does Harbor & Pine go live?") == "When does go live?"


def test_the_name_of_a_client_is_left_out_in_the_other_alphabet_too() -> None:
    assert GAZETTEER.without_projects("Когда у Северного Берега запуск?") == "Когда у запуск?"


def test_a_question_that_is_little_but_a_name_stays_whole() -> None:
    assert GAZETTEER.without_projects("Harbor & Pine deadline") == "Harbor & Pine deadline"


def test_an_everyday_word_of_a_name_stays_in_the_question() -> None:
    assert GAZETTEER.without_projects("Which health checks fail today?") == "Which health checks fail today?"


@pytest.mark.parametrize(
    "question", ["What did we tell Alder Health so far?", "What did Alder Health say so far?"]
)
def test_an_everyday_word_beside_the_rest_of_a_name_is_part_of_it(question: str) -> None:
    assert "Health" not in GAZETTEER.without_projects(question)
