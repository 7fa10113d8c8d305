"""What a client's message tells, in both languages, and what it does not although the words stand in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.signals.cues import CUES
from jobs.signals.messages import (
    LEAST_CONFIDENCE,
    QUOTE_AT_MOST,
    READ_AT_MOST,
    needs_answer,
    own_words,
    read_message,
)
from models.tables.signals import MESSAGE_KINDS

# Written for this test, without a look at the demo world: kind, message.
TOLD = [
    ("complaint", "Honestly, we are not happy with how the import turned out."),
    ("complaint", "The export is still broken and our accountant sits waiting."),
    ("complaint", "This is unacceptable."),
    ("complaint", "We report the same bug for the third time."),
    ("complaint", "I wrote twice and nobody answered."),
    ("complaint", "Our customers complain about the search every day."),
    ("complaint", "Мы крайне недовольны качеством вёрстки."),
    ("complaint", "Личный кабинет опять не работает."),
    ("complaint", "Такой ответ нас не устраивает."),
    ("complaint", "Уже в третий раз пишу об одном и том же."),
    ("complaint", "Это недопустимо, клиенты видят чужие заказы!"),
    ("complaint", "От покупателей поступают жалобы на доставку."),
    ("payment_trouble", "I'm afraid we cannot pay the March invoice before the funding round."),
    ("payment_trouble", "Could we postpone the payment until autumn?"),
    ("payment_trouble", "Your invoice is still unpaid because the director is away."),
    ("payment_trouble", "The budget has been frozen by the new owner."),
    ("payment_trouble", "В этом месяце не сможем оплатить счёт."),
    ("payment_trouble", "Просим отсрочку по оплате до осени."),
    ("payment_trouble", "У нас кассовый разрыв, давайте перенесём."),
    ("payment_trouble", "Бюджет на этот квартал урезали."),
    ("price_pressure", "That is too expensive for a landing page."),
    ("price_pressure", "Is there any chance of a discount if we pay for a year?"),
    ("price_pressure", "The estimate is over our budget."),
    ("price_pressure", "Another agency does it cheaper."),
    ("price_pressure", "Для одной страницы это слишком дорого."),
    ("price_pressure", "Можно ли сделать нам скидку за объём?"),
    ("price_pressure", "Мы не укладываемся в бюджет."),
    ("price_pressure", "Давайте попробуем снизить стоимость второго этапа."),
    ("deadline_pressure", "This is urgent, the fair opens in the morning."),
    ("deadline_pressure", "We need the brochure by Friday."),
    ("deadline_pressure", "When will this be fixed?"),
    ("deadline_pressure", "You are two weeks late with the prototype."),
    ("deadline_pressure", "Our launch date is at risk."),
    ("deadline_pressure", "Срочно посмотрите, пожалуйста, оплату."),
    ("deadline_pressure", "Макеты нужны нам к пятнице."),
    ("deadline_pressure", "Когда же будет готов отчёт?"),
    ("deadline_pressure", "Сроки снова сорваны."),
    ("deadline_pressure", "Вы опаздываете на две недели."),
    ("scope_growth", "I know it is out of scope, but the board insists."),
    ("scope_growth", "We would like one more report for the warehouse."),
    ("scope_growth", "Could you also translate the menu?"),
    ("scope_growth", "While you're at it, change the footer."),
    ("scope_growth", "Это сверх ТЗ, но очень просит директор."),
    ("scope_growth", "Добавьте ещё выгрузку в Excel."),
    ("scope_growth", "Появилось новое требование от бухгалтерии."),
    ("upsell_intent", "How much would it cost to do the same for Spain?"),
    ("upsell_intent", "Could you quote a mobile version?"),
    ("upsell_intent", "We are thinking about expanding to two more cities."),
    ("upsell_intent", "Сколько будет стоить такой же сайт для филиала?"),
    ("upsell_intent", "Подготовьте, пожалуйста, смету на приложение."),
    ("upsell_intent", "Планируем в мае открыть ещё два магазина."),
    ("churn_hint", "We are going to cancel the contract at the end of the year."),
    ("churn_hint", "Frankly, we are looking at other agencies."),
    ("churn_hint", "Our board has lost patience."),
    ("churn_hint", "If it happens again we will move to another studio."),
    ("churn_hint", "Мы решили расторгнуть договор."),
    ("churn_hint", "Присматриваемся: рассматриваем других подрядчиков."),
    ("churn_hint", "Продлевать не будем: мы не планируем продолжать."),
    ("churn_hint", "Терпение кончилось."),
    ("praise", "Great job, the whole office is smiling."),
    ("praise", "We absolutely love the new calendar, everyone does. We love it."),
    ("praise", "I'm really impressed."),
    ("praise", "Отличная работа, спасибо всей команде."),
    ("praise", "Вы молодцы, всё готово раньше срока."),
    ("praise", "Дети в восторге от приложения."),
]  # fmt: skip
NOT_TOLD = [
    ("complaint", "Nobody is unhappy here, quite the contrary."),
    ("complaint", "No complaints from our side."),
    ("complaint", "I was never disappointed by you."),
    ("complaint", "He doesn't work here any more."),
    ("complaint", "Мы совсем не разочарованы."),
    ("complaint", "Никаких жалоб от покупателей нет."),
    ("payment_trouble", "The invoice has been paid this morning."),
    ("payment_trouble", "Guests pay online or at the desk."),
    ("payment_trouble", "Счёт оплатили вчера."),
    ("price_pressure", "It is not too expensive, go ahead."),
    ("price_pressure", "The basket shows the discount code twice."),
    ("price_pressure", "Это недорого, согласны."),
    ("deadline_pressure", "It's not urgent, take your time."),
    ("deadline_pressure", "No need to do it right away."),
    ("deadline_pressure", "Это не срочно."),
    ("deadline_pressure", "Сроки не горят."),
    ("scope_growth", "The report you added works."),
    ("scope_growth", "Отчёт получили, спасибо."),
    ("upsell_intent", "It cost us a lot of nerves."),
    ("upsell_intent", "Смета подписана."),
    ("churn_hint", "The team is going to another meeting."),
    ("churn_hint", "We moved the button to another page."),
    ("churn_hint", "Мы не собираемся расторгать договор."),
    ("churn_hint", "Юрист прислал новую редакцию."),
    ("praise", "We are not really happy with it."),
    ("praise", "Is the great hall booked?"),
    ("praise", "Работа идёт."),
]  # fmt: skip


def kinds(body: str) -> set[str]:
    return {each.kind for each in read_message(body)}


@pytest.mark.parametrize(("kind", "body"), TOLD)
def test_a_message_tells_its_signal_in_its_own_words(kind: str, body: str) -> None:
    found = {each.kind: each for each in read_message(body)}
    assert kind in found
    assert found[kind].quote in body


@pytest.mark.parametrize(("kind", "body"), NOT_TOLD)
def test_negated_or_unrelated_words_tell_nothing_of_the_kind(kind: str, body: str) -> None:
    assert kind not in kinds(body)


@pytest.mark.parametrize("kind", MESSAGE_KINDS)
def test_every_kind_has_cues_and_examples_in_both_languages(kind: str) -> None:
    for alphabet in ("abcdefghijklmnopqrstuvwxyz", "абвгдежзиклмнопрстуфхцчшщыэюя"):
        assert any(each.kind == kind and set(each.pattern.pattern) & set(alphabet[3:]) for each in CUES)
        assert any(told == kind and body[1:3].strip(" '")[:1].lower() in alphabet for told, body in TOLD)


@pytest.mark.parametrize(
    "body",
    [
        "See below.\n> This is unacceptable.\n> We are fed up.",
        "Agreed.\n\nOn Tue, Anna wrote:\nThis is unacceptable.",
        "Согласны.\n\nАнна пишет:\nЭто недопустимо.",
        "Fine.\n-----Original Message-----\nThis is unacceptable.",
        "The banner says “this is unacceptable”, please translate it.",
        'A label reads "unacceptable"; where does it come from?',
        "На кнопке написано «недопустимо», так и надо?",
    ],
)
def test_what_others_said_is_not_the_clients_word(body: str) -> None:
    assert kinds(body) == set()


def test_words_after_a_quotation_are_the_clients_again() -> None:
    assert kinds("The banner says “hello”. This is unacceptable.") == {"complaint"}


def test_not_only_denies_nothing() -> None:
    assert "complaint" in kinds("It is not only unacceptable, it is illegal.")


def test_a_negation_reaches_no_further_than_its_clause() -> None:
    assert "complaint" in kinds("No, this is unacceptable.")
    assert "deadline_pressure" in kinds("Не уверен, но срочно проверьте.")


def test_a_fault_that_was_mended_and_a_condition_weigh_less() -> None:
    plain = read_message("The shop is still broken.")[0]
    assert all(each.confidence < plain.confidence for each in read_message("It was still broken, now fixed."))
    sure = read_message("We need it by Friday.")[0]
    weaker = read_message("If we need it by Friday, I will tell you.")
    assert all(each.confidence < sure.confidence for each in weaker)


def test_emphasis_makes_a_fault_more_severe_and_praise_not() -> None:
    assert read_message("This is absolutely unacceptable!!")[0].severity == 5
    assert read_message("This is unacceptable.")[0].severity == 4
    assert read_message("ABSOLUTELY great job!!")[0].severity == 1


def test_two_sentences_are_surer_than_one() -> None:
    one = read_message("This is unacceptable.")[0].confidence
    two = read_message("This is unacceptable. We are fed up.")[0].confidence
    assert one < two <= 0.95


def test_a_long_sentence_is_quoted_around_its_cue() -> None:
    body = "word " * 200 + "and this is unacceptable to all of us " + "word " * 200
    (found,) = read_message(body)
    assert "unacceptable" in found.quote
    assert len(found.quote) <= QUOTE_AT_MOST


def test_what_lies_beyond_the_limit_is_not_read() -> None:
    assert kinds("word. " * READ_AT_MOST + "This is unacceptable.") == set()


@pytest.mark.parametrize(
    "body", ["Thanks!", "ok", "Great, thank you", "Спасибо большое!", "Хорошо, договорились", ""]
)
def test_courtesy_waits_for_no_answer(body: str) -> None:
    assert not needs_answer(body)


@pytest.mark.parametrize(
    "body", ["Thanks, and the second page?", "The page is empty", "Спасибо, а когда?", "Не открывается"]
)
def test_a_question_or_a_statement_waits_for_one(body: str) -> None:
    assert needs_answer(body)


_ANY = st.text(max_size=400) | st.lists(
    st.sampled_from([body for _, body in TOLD + NOT_TOLD]), max_size=4
).map("\n".join)


@given(_ANY)
def test_whatever_is_written_a_reading_is_bounded_and_quotes_verbatim(body: str) -> None:
    found = read_message(body)
    assert len({each.kind for each in found}) == len(found)
    for each in found:
        assert each.quote
        assert each.quote in body
        assert 1 <= each.severity <= 5
        assert LEAST_CONFIDENCE <= each.confidence <= 0.95


@given(_ANY)
def test_quoted_mail_alone_tells_nothing(body: str) -> None:
    quoted = "\n".join(f"> {line}" for line in body.splitlines())
    assert read_message(quoted) == ()


@given(_ANY)
def test_blanking_out_keeps_every_position(body: str) -> None:
    kept = own_words(body)
    assert len(kept) == len(body)
    assert all(new in (old, " ", "\n", "е", "Е", "'") for old, new in zip(body, kept, strict=True))


@given(_ANY)
def test_reading_twice_reads_the_same(body: str) -> None:
    assert read_message(body) == read_message(body)
