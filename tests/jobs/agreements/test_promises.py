"""Which sentences promise something by a day, and what becomes of a promise."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.agreements.keeping import LaterMessage, NamedWork, named_issues, settle
from jobs.agreements.promises import PROMISES_AT_MOST, read_promises
from models.infra.ids import new_id
from models.tables.agreements import Side

WEDNESDAY = dt.date(2026, 3, 11)
PROMISED = [
    ("We'll send the draft by Friday.", 13),
    ("I will fix the export tomorrow.", 12),
    ("You will have the invoice by 20 March.", 20),
    ("The new shop goes live on 25 March.", 25),
    ("The report will be ready next week.", 20),
    ("We promise the list by the end of the month.", 31),
    ("Пришлём макеты до 15 марта.", 15),
    ("Сделаю завтра.", 12),
    ("Отчёт будет готов к пятнице.", 13),
    ("Обещаем выгрузку на следующей неделе.", 20),
    ("Исправим до конца недели.", 13),
    ("Договор подпишем 18 марта.", 18),
]  # fmt: skip
NOT_PROMISED = [
    "Will you send it by Friday?",
    "Can I have it tomorrow?",
    "We won't have it by Friday.",
    "I will not finish it tomorrow.",
    "If the server comes, we'll install it on Friday.",
    "Maybe we'll send it tomorrow.",
    "We'll send it.",
    "We sent it on Monday and they liked it.",
    "He wrote: “we'll send it by Friday”.",
    "> We'll send it by Friday.",
    "Не сделаем к пятнице.",
    "Сделаете к пятнице?",
    "Если успеем, пришлём завтра.",
    "Пришлём.",
    "Вчера отправили.",
    "Он сказал: «пришлём завтра».",
]  # fmt: skip


@pytest.mark.parametrize(("body", "day"), PROMISED)
def test_a_sentence_promises_by_a_day(body: str, day: int) -> None:
    (found,) = read_promises(f"Hello. {body} Anna", WEDNESDAY)
    assert found.due_on == dt.date(2026, 3, day)
    assert found.quote == body


@pytest.mark.parametrize("body", NOT_PROMISED)
def test_questions_refusals_conditions_and_quotes_promise_nothing(body: str) -> None:
    assert read_promises(body, WEDNESDAY) == ()


def test_a_message_may_promise_several_things_but_a_plan_is_cut() -> None:
    body = "\n".join(f"We'll send part {number} on {number} April." for number in range(1, 20))
    found = read_promises(body, WEDNESDAY)
    assert [each.due_on.day for each in found] == list(range(1, PROMISES_AT_MOST + 1))
    assert len({each.key for each in found}) == len(found)


def test_a_promise_keeps_its_key_wherever_it_stands() -> None:
    first = read_promises("We'll send it by Friday.", WEDNESDAY)
    assert (
        read_promises("Hello! I'll call tomorrow. We'll send it by Friday.", WEDNESDAY)[1].key == first[0].key
    )


@given(
    st.lists(st.sampled_from([body for body, _ in PROMISED] + NOT_PROMISED), max_size=6).map("\n".join)
    | st.text(max_size=200)
)
def test_a_promise_quotes_verbatim_and_is_due_in_the_future(body: str) -> None:
    for each in read_promises(body, WEDNESDAY):
        assert each.quote
        assert each.quote in body
        assert each.due_on >= WEDNESDAY


NOW = dt.datetime(2026, 3, 20, 12, 0, tzinfo=dt.UTC)
ENDS = dt.datetime(2026, 3, 14, 0, 0, tzinfo=dt.UTC)
PROMISE = "We'll send the price list by Friday."


def said(body: str, side: Side = "studio", day: int = 13) -> LaterMessage:
    return LaterMessage(new_id(), side, body, dt.datetime(2026, 3, day, 10, 0, tzinfo=dt.UTC))


def outcome(
    *messages: LaterMessage,
    promise: str = PROMISE,
    now: dt.datetime = NOW,
    issues: tuple[NamedWork, ...] = (),
) -> str:
    return settle(promise, "studio", ENDS, now, messages, issues)[0]


@pytest.mark.parametrize(
    ("body", "side"),
    [
        ("Hello. The price list is attached.", "studio"),
        ("Prices sent!", "studio"),
        ("Thank you for the prices.", "client"),
        ("Got the list, great.", "client"),
    ],
)
def test_a_later_message_keeps_a_promise(body: str, side: Side) -> None:
    message = said(body, side)
    status, by = settle(PROMISE, "studio", ENDS, NOW, [message], [])
    assert status == "kept"
    assert by is not None
    assert by.id == message.id
    assert by.quote in body


@pytest.mark.parametrize(
    ("body", "side"),
    [
        ("Отправил прайс-лист.", "studio"),
        ("Получили прайс, благодарим.", "client"),
    ],
)
def test_a_later_message_keeps_a_promise_in_russian(body: str, side: Side) -> None:
    assert outcome(said(body, side), promise="Пришлём прайс до пятницы.") == "kept"


@pytest.mark.parametrize(
    ("body", "side"),
    [
        ("The price list is not done.", "studio"),
        ("Is the price list done?", "studio"),
        ("The price list will be sent later.", "studio"),
        ("The banner is done.", "studio"),
        ("The price list is attached.", "client"),
        ("Прайс ещё не отправлен.", "studio"),
    ],
)
def test_what_says_nothing_of_the_kind_keeps_no_promise(body: str, side: Side) -> None:
    assert outcome(said(body, side)) == "broken"


def test_a_promise_is_open_until_its_day_is_over() -> None:
    assert outcome(now=ENDS - dt.timedelta(seconds=1)) == "open"
    assert outcome(now=ENDS) == "broken"


def test_what_comes_after_the_day_keeps_nothing() -> None:
    assert outcome(said("Price list sent.", day=14)) == "broken"


def test_a_named_issue_keeps_a_promise_when_it_is_done_in_time() -> None:
    promise = "We'll close STU-7 by Friday."
    assert named_issues(promise) == ("STU-7",)

    def work(completed_at: dt.datetime | None) -> tuple[NamedWork, ...]:
        return (NamedWork(new_id(), "STU-7", "Prices", completed_at),)

    assert outcome(promise=promise, issues=work(ENDS - dt.timedelta(hours=1))) == "kept"
    assert outcome(promise=promise, issues=work(ENDS)) == "broken"
    assert outcome(promise=promise, issues=work(None), now=ENDS - dt.timedelta(hours=1)) == "open"
