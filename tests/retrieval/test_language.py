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


def test_a_name_that_is_a_form_of_another_shares_its_key() -> None:
    # «Яна» is a woman, and the genitive of «Ян»: the spelling alone cannot tell.
    assert {name_key(spelled) for spelled in ("Ян", "Яна", "Яном", "Yan", "Jan")} == {name_key("Яны")}


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


@pytest.mark.parametrize(
    ("one", "other"), [("Anna", "Irina"), ("Marta", "Martin"), ("Берг", "Берёза"), ("3114", "3144")]
)
def test_different_names_have_different_keys(one: str, other: str) -> None:
    assert name_key(one) != name_key(other)


# A name, its other cases, and how it is typed in Latin letters; every line is another name.
SPELLED: tuple[tuple[str, ...], ...] = tuple(
    tuple(line.split())
    for line in (
        "Орехов Орехова Орехову Ореховым Орехове Ореховой Ореховых Orekhov Orekhova",
        "Жуков Жукова Жукову Жуковым Жуковой Zhukov Zhukova",
        "Сорокин Сорокина Сорокину Сорокиным Сорокиной Sorokin Sorokina",
        "Чернов Чернова Черновым Chernov", "Черных Chernykh", "Щукин Щукина Щукиным Shchukin",
        "Цветкова Цветковой Цветкову Tsvetkova Cvetkova", "Хасанов Хасанова Хасановым Khasanov Hasanov",
        "Чайковский Чайковского Чайковскому Чайковским Чайковская Чайковской Tchaikovsky Chaikovskiy Chaikovskaya",
        "Соловьёв Соловьева Соловьевым Solovyov Solovyev", "Алексеев Алексеева Alekseev Alekseyev Alexeev",
        "Иванов Иванова Ивановым Ivanov", "Петров Петрова Petrov", "Толстой Толстого Толстому Tolstoy Tolstoi",
        "Иван Ивана Ивану Иваном Иване Ivan", "Артём Артем Артёма Артему Артемом Artem Artyom",
        "Фёдор Федор Фёдора Фёдором Fyodor Fedor", "Юлия Юлии Юлию Юлией Julia Yulia Iulia Yuliya",
        "Марина Марины Марину Мариной Marina", "Надежда Надежды Надежду Надеждой Nadezhda",
        "Алексей Алексея Алексею Алексеем Alexey Aleksei Alexei", "Дмитрий Дмитрия Дмитрием Dmitry Dmitri Dmitriy",
        "Наталья Натальи Наталью Натальей Natalia Natalya", "Екатерина Екатерины Екатериной Ekaterina Yekaterina",
        "Татьяна Татьяны Татьяной Tatiana Tatyana", "Людмила Людмилы Людмилой Lyudmila Liudmila Ludmila",
        "Ерлан Ерлана Ерлану Ерланом Erlan Yerlan", "Максим Максима Максимом Maksim Maxim", "Денис Дениса Денисом Denis",
        "Ахмед Ахмеда Ахмедом Ahmed Akhmed", "Юрий Юрия Юрию Юрием Yuri Yury Yuriy Iurii", "Пётр Петра Петром Petr Pyotr",
        "Яна Яны Яной Yana Jana", "Анна Анны Анной Anna", "Ханна Ханны Ханной Hanna Hannah",
        "Ольга Ольги Ольгой Olga", "Олег Олега Олегом Oleg", "Диана Дианы Дианой Diana", "Дана Даны Даной Dana",
        "Телеком Телекома Телекомом Telecom",
        "Виктор Виктора Виктором Victor Viktor", "Моника Моники Моникой Monica",
    )
)  # fmt: skip


def test_the_spellings_of_one_name_have_one_key() -> None:
    for spelled in SPELLED:
        assert {spelling: name_key(spelling) for spelling in spelled} == dict.fromkeys(
            spelled, name_key(spelled[-1])
        )


@given(st.sampled_from(SPELLED), st.data())
def test_two_spellings_meet_in_one_key_and_two_names_do_not(
    spelled: tuple[str, ...], data: st.DataObject
) -> None:
    one, same = (data.draw(st.sampled_from(spelled)) for _ in range(2))
    other = data.draw(
        st.sampled_from(data.draw(st.sampled_from([name for name in SPELLED if name is not spelled])))
    )
    assert name_key(one) == name_key(same)
    assert name_key(one) != name_key(other)


@given(st.text(alphabet="абвгдеёжзийклмнопрстуфхцчшщъыьэюяabcxyz'", max_size=12))
def test_a_word_with_letters_has_a_key(word: str) -> None:
    assert bool(name_key(word)) or not romanise(word).strip("'")


@given(st.text(alphabet="абвгдеёжзиклмнопрстуюяabcdeghijklmnorstuvxyz", min_size=1, max_size=15))
def test_the_key_of_a_name_ignores_its_case(name: str) -> None:
    assert name_key(name.title()) == name_key(name.lower())
