"""Two languages, two alphabets: which one a text is in and where spellings of a name meet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.language import detect, name_key, romanise, stem, words


@pytest.mark.parametrize(
    "text", ["Пришлём отчёт в пятницу", "Задеплоили staging, смотрим retry в queue", "ЁЖ"]
)
def test_russian_with_english_terms_is_russian(text: str) -> None:
    assert detect(text) == "ru"


@pytest.mark.parametrize("text", ["We ship on Friday", "The mail from Анна Берг is still not answered by us"])
def test_english_with_a_russian_name_is_english(text: str) -> None:
    assert detect(text) == "en"


@pytest.mark.parametrize("text", ["", "12 000", "?!"])
def test_a_text_without_letters_counts_as_english(text: str) -> None:
    assert detect(text) == "en"


def test_words_are_lower_case_and_in_order() -> None:
    assert words("Harbor & Pine — срок 24 мая, don't slip") == [
        "harbor", "pine", "срок", "24", "мая", "don't", "slip",
    ]  # fmt: skip


@given(st.text(alphabet="абвгё abc-_1.,'", max_size=60))
def test_every_word_stands_in_its_text(text: str) -> None:
    assert all(word in text.lower() for word in words(text))


@pytest.mark.parametrize(
    ("one", "other"),
    [("отчёт", "отчёта"), ("отчет", "отчёт"), ("deadlines", "deadline"), ("сделки", "сделка")],
)
def test_forms_of_one_word_have_one_stem(one: str, other: str) -> None:
    assert stem(one) == stem(other)


@pytest.mark.parametrize(
    ("word", "latin"), [("Щука", "shchuka"), ("Ёж", "ezh"), ("José", "jose"), ("Łódź", "lodz")]
)
def test_romanising_gives_plain_lower_case_latin_letters(word: str, latin: str) -> None:
    assert romanise(word) == latin


@given(st.text(alphabet="абвгдеёжзийклмнопрстуфхцчшщъыьэюяАЯЁ", max_size=20))
def test_no_russian_letter_survives_romanising(word: str) -> None:
    assert romanise(word).isascii()


@pytest.mark.parametrize(
    ("cyrillic", "latin"),
    [
        ("Анна", "Anna"), ("Алексей", "Alexey"), ("Алексей", "Aleksei"), ("Ксения", "Xenia"), ("Наталья", "Natalia"),
        ("Юлия", "Yulia"), ("Дмитрий", "Dmitry"), ("Берг", "Berg"), ("Митчелл", "Mitchell"), ("Харбор", "Harbor"),
        ("Сорокин", "Sorokin"), ("Прия", "Priya"),
    ],
)  # fmt: skip
def test_a_name_in_both_alphabets_has_one_key(cyrillic: str, latin: str) -> None:
    assert name_key(cyrillic) == name_key(latin)


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("Анной", "Anna"),
        ("Сорокиной", "Sorokina"),
        ("Сергея", "Sergey"),
        ("Игорем", "Igor"),
        ("Берега", "Bereg"),
    ],
)
def test_a_russian_case_form_has_the_key_of_the_latin_name(form: str, name: str) -> None:
    assert name_key(form) == name_key(name)


@pytest.mark.parametrize(("one", "other"), [("Anna", "Irina"), ("Marta", "Martin"), ("Берг", "Берёза")])
def test_different_names_have_different_keys(one: str, other: str) -> None:
    assert name_key(one) != name_key(other)


@given(st.text(alphabet="абвгдеёжзиклмнопрстуюяabcdeghijklmnorstuvxyz", min_size=1, max_size=15))
def test_the_key_of_a_name_ignores_its_case(name: str) -> None:
    assert name_key(name.title()) == name_key(name.lower())
