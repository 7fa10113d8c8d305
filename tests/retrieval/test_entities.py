"""What a text names: full names in either alphabet and case form, unique single names, keys and addresses."""

from uuid import UUID

import pytest

from retrieval.entities import EntityIndex, KnownEntity, name_keys

PROJECT, OTHER = UUID(int=1), UUID(int=2)
ANNA, BORIS, BORIS_TOO, HARBOR, ISSUE, DEAL = (UUID(int=number) for number in range(10, 16))

INDEX = EntityIndex.of(
    [
        KnownEntity(ANNA, PROJECT, "person", "Anna Berg", ("anna@harbor.example",)),
        KnownEntity(BORIS, PROJECT, "person", "Boris Ilic"),
        KnownEntity(BORIS_TOO, PROJECT, "person", "Boris Marin"),
        KnownEntity(HARBOR, PROJECT, "company", "Harbor & Pine", ("harbor.example",)),
        KnownEntity(ISSUE, PROJECT, "issue", "Blurred barcode", ("HPB-12",)),
        KnownEntity(DEAL, PROJECT, "deal", "Loyalty card second phase"),
    ]
)


@pytest.mark.parametrize(
    "text",
    ["Anna Berg called.", "Говорил с Анной Берг.", "Передайте Анне Берг счёт.", "Berg, Anna", "Ask Anna."],
)
def test_a_person_is_named_in_either_alphabet_case_form_and_order(text: str) -> None:
    assert ANNA in INDEX.named_in(text)


def test_a_first_name_of_two_people_names_neither() -> None:
    assert INDEX.named_in("Boris agreed.") == {}


def test_a_surname_tells_two_people_of_one_first_name_apart() -> None:
    assert INDEX.named_in("Marin agreed with Boris.") == {BORIS_TOO: 2}


def test_a_company_is_named_by_all_its_words_near_each_other() -> None:
    assert HARBOR in INDEX.named_in("Harbor and Pine want twelve hotels.")
    assert HARBOR not in INDEX.named_in("Harbor walls, then a long way to any Pine.")


def test_identifiers_name_their_records_as_written() -> None:
    assert INDEX.named_in("see HPB-12 and hpb-12") == {ISSUE: 2}
    assert ANNA in INDEX.named_in("write to Anna@Harbor.example")
    assert HARBOR in INDEX.named_in("the site is harbor.example now")
    assert ISSUE not in INDEX.named_in("see HPB-120")


def test_a_title_of_an_issue_is_a_sentence_and_names_nothing() -> None:
    assert INDEX.named_in("The Blurred Barcode again") == {}


def test_a_lower_case_word_is_a_name_only_where_somebody_types_it() -> None:
    assert INDEX.named_in("what anna said") == {}
    assert INDEX.named_in("what anna said", typed=True) == {ANNA: 1}


def test_a_deal_is_named_by_its_whole_title() -> None:
    assert DEAL in INDEX.named_in("The Loyalty card second phase is signed.")
    assert DEAL not in INDEX.named_in("The Loyalty card is signed.")


def test_the_keys_of_a_name_leave_out_stop_words_and_letters() -> None:
    assert name_keys("The House of A. Berg") == name_keys("House Berg")


def test_an_empty_text_names_nothing() -> None:
    assert EntityIndex.of([]).named_in("Anna Berg") == {}
    assert INDEX.named_in("") == {}
