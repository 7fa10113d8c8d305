"""What a question wants, and what a text could answer, in both languages."""

import pytest

from retrieval.intent import Intent, asks_for_all_promises, commits, read_intent, read_offers


def wanted(question: str) -> set[str]:
    intent = read_intent(question)
    return {name for name in Intent.__slots__ if getattr(intent, name)}


@pytest.mark.parametrize("question", ["When is the launch?", "Когда запуск?", "К какому дню готовим пилот?"])
def test_a_question_for_a_time_wants_a_date(question: str) -> None:
    assert "date" in wanted(question)


@pytest.mark.parametrize(
    "question", ["How many hotels are live?", "Сколько стоит поддержка?", "What share is left?"]
)
def test_a_question_for_a_quantity_wants_a_number(question: str) -> None:
    assert "number" in wanted(question)


@pytest.mark.parametrize("question", ["Who owns billing?", "Кто отвечает за биллинг?", "Кому писать?"])
def test_a_question_for_somebody_wants_a_person(question: str) -> None:
    assert wanted(question) == {"person"}


@pytest.mark.parametrize("question", ["What did we promise them?", "Что мы им обещали?"])
def test_a_question_for_a_commitment_wants_a_promise(question: str) -> None:
    assert wanted(question) == {"promise"}


@pytest.mark.parametrize("question", ["Where do we stand?", "Какой статус задачи?"])
def test_a_question_for_progress_wants_a_state(question: str) -> None:
    assert wanted(question) == {"state"}


def test_one_question_may_want_several_things() -> None:
    assert wanted("Who promised it and when?") == {"person", "promise", "date"}


@pytest.mark.parametrize("question", ["Describe the integration", "Расскажи про интеграцию"])
def test_an_open_question_wants_nothing_in_particular(question: str) -> None:
    assert wanted(question) == set()


@pytest.mark.parametrize(
    "text", ["Launch on 24 May", "пришлём в пятницу", "готово 3 июня", "see you tomorrow"]
)
def test_a_text_with_a_day_offers_a_date(text: str) -> None:
    assert read_offers(text).date == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "пришлём в среду",
        "В среду созвон",
        "в следующую среду",
        "готовим к среде",
        "до среды успеем",
        "к ближайшей среде",
    ],
)
def test_wednesday_is_a_date(text: str) -> None:
    assert read_offers(text).date == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "тестовая среда", "в среде разработки", "настроили среду", "выкатили в среду разработки", "нет тестовой среды",
        "доступ к тестовой среде", "две среды", "переехали в новую среду", "средняя цена", "в средусловии",
    ],
)  # fmt: skip
def test_an_environment_is_no_date(text: str) -> None:
    assert read_offers(text).date == 0.0


@pytest.mark.parametrize(
    ("text", "worth"), [("about €12", 1.0), ("скидка 12 %", 1.0), ("3 hotels", 0.5), ("some hotels", 0.0)]
)
def test_an_amount_is_worth_more_than_a_bare_digit(text: str, worth: float) -> None:
    assert read_offers(text).number == worth


@pytest.mark.parametrize("text", ["ask Marta about it", "мне нужен Пётр"])
def test_a_name_inside_a_sentence_offers_a_person(text: str) -> None:
    assert read_offers(text).person == 1.0


def test_the_capital_of_a_sentence_is_no_name() -> None:
    assert read_offers("Nothing here. Still nothing").person == 0.0


@pytest.mark.parametrize("text", ["we will send it", "обещаем прислать", "не позже вечера"])
def test_an_undertaking_offers_a_promise(text: str) -> None:
    assert read_offers(text).promise == 1.0


def test_a_text_without_any_of_it_offers_nothing() -> None:
    offers = read_offers("nothing here")
    assert (offers.date, offers.number, offers.person, offers.promise) == (0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    "text",
    [
        "The new engine will be live at all hotels by 4 September.", "So the deadline is 11 December for all seven.",
        "The new dates, and these are promises:\n- pilot on 29 September,\n- all hotels by 11 December.",
        "Срок запуска в Алматы — 7 августа.", "Обещаю: пересдача 27 сентября.", "Серверы будут готовы к 8 мая.",
    ],
)  # fmt: skip
def test_a_day_set_in_words_of_commitment_is_one(text: str) -> None:
    assert commits(text)


@pytest.mark.parametrize(
    "text",
    [
        "Музыку не обещаем.", "Maria has promised to guard him with cake.", "Will it be live by 4 September?",
        "We met on 4 September.", "Боевые ключи обещали на прошлой неделе.",
        "Обещайте деньги на карте до 25 сентября.", "",
    ],
)  # fmt: skip
def test_without_a_day_or_as_a_question_nothing_is_committed(text: str) -> None:
    assert not commits(text)


def test_promises_in_general_are_asked_for_in_few_words() -> None:
    assert asks_for_all_promises("What did we promise about the deadline?", 2)
    assert not asks_for_all_promises("What did we promise about the deadline of the pilot in Cork?", 4)
    assert not asks_for_all_promises("What blocks the launch?", 2)
