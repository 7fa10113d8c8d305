"""Two spellings of one thing meet, and what says nothing is left out."""

import pytest

from jobs.identity.traits import domain_form, email_form, name_forms, phone_form, similarity, traits_of
from models.infra.ids import new_id
from models.queries.identity_records import RecordFacts


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("+7 (901) 234-56-78", "+79012345678"),
        ("8 901 234 56 78", "+79012345678"),
        ("0044 20 7946 0958", "+442079460958"),
        ("+44 20 7946 0958", "+442079460958"),
        ("020 7946 0958", None),
        ("+0441234567", None),
        ("+123", None),
        ("+1234567890123456", None),
        ("ask Anna", None),
    ],
)
def test_a_phone_number_is_read_as_e164_or_not_at_all(written: str, form: str | None) -> None:
    assert phone_form(written) == form


@pytest.mark.parametrize(
    ("written", "form"),
    [
        (" Anna@Harbor.Example ", "anna@harbor.example"),
        ("anna", None),
        ("@x.example", None),
        ("a b@x.example", None),
    ],
)
def test_an_address_is_compared_in_lower_case(written: str, form: str | None) -> None:
    assert email_form(written) == form


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("WWW.Harbor.example.", "harbor.example"),
        ("harbor", None),
        ("http://harbor.example", None),
        ("", None),
    ],
)
def test_a_domain_is_compared_without_www(written: str, form: str | None) -> None:
    assert domain_form(written) == form


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Анна Орлова", "Anna Orlova"),
        ("Орлова Анна", "Anna Orlova"),
        ("Юлия Щербакова", "Yulia Shcherbakova"),
        ("Фёдор Киселёв", "Fedor Kiselev"),
    ],
)
def test_a_person_has_one_name_in_both_alphabets_and_any_order(one: str, other: str) -> None:
    left, right = name_forms(one, is_person=True), name_forms(other, is_person=True)
    assert left is not None
    assert right is not None
    assert (left.keys, left.joined) == (right.keys, right.joined)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ООО «Северный берег»", "Северный Берег"),
        ("Pebble Pay Ltd", "PebblePay"),
        ("Villa Tramuntana S.L.", "Vila Tramuntana"),
        ("The Gull & Anchor", "Gull + Anchor"),
    ],
)
def test_a_company_has_one_name_without_its_legal_form_and_blanks(one: str, other: str) -> None:
    left, right = name_forms(one, is_person=False), name_forms(other, is_person=False)
    assert left is not None
    assert right is not None
    assert left.joined == right.joined


def test_a_name_of_nothing_but_a_legal_form_is_none() -> None:
    assert name_forms("ООО", is_person=False) is None
    assert name_forms("& Co, Ltd", is_person=False) is None
    assert name_forms("Я", is_person=True) is None


def test_the_domain_of_a_mail_provider_is_no_trait() -> None:
    record = RecordFacts("contact", new_id(), new_id(), emails=("anna@gmail.com", "anna@harbor.example"))
    found = traits_of(record)
    assert set(found.emails) == {"anna@gmail.com", "anna@harbor.example"}
    assert set(found.domains) == {"harbor.example"}


def test_similarity_is_the_share_of_common_trigrams_and_whole_when_one_name_has_all_words_of_the_other() -> (
    None
):
    def alike(one: str, other: str) -> float:
        left, right = name_forms(one, is_person=True), name_forms(other, is_person=True)
        assert left is not None
        assert right is not None
        assert similarity(left, right) == similarity(right, left)
        return similarity(left, right)

    assert alike("Anna Orlova", "Анна Орлова") == 1.0
    assert alike("Anna Orlova", "Анна Сергеевна Орлова") == 1.0
    assert 0.55 < alike("Jon Smith", "John Smith") < 1.0
    assert alike("Anna Ivanova", "Anna Ivanenko") < 0.55
    assert alike("Boris", "Boris Lind") < 1.0
    assert alike("Boris Lind", "Rosa Mau") == 0.0
