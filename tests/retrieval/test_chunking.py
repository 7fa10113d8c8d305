"""Records become chunks that know whose words they are."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.infra.ids import new_id
from retrieval.chunking import (
    BODY_CHARS,
    MAX_PARTS,
    build_chunks,
    embedding_text,
    heading,
    split_sentences,
    tidy,
    windows,
)
from retrieval.language import words
from retrieval.records import (
    CommentRecord,
    CompanyThread,
    ConversationThread,
    DealThread,
    IssueThread,
    MessageRecord,
    NoteThread,
    Party,
    Place,
    StageChange,
    Thread,
)  # fmt: skip
from retrieval.schemas import SourceType

MAY = datetime(2026, 5, 24, 9, tzinfo=UTC)
PLACE = Place(new_id(), new_id(), new_id(), "Harbor & Pine")
CAP = BODY_CHARS * 5 // 4  # a text that is only a little too long stays in one piece
SENTENCES = st.lists(
    st.lists(st.sampled_from(["pilot", "срок", "hotel", "12", "завтра"]), min_size=1, max_size=40).map(
        lambda picked: f"So {' '.join(picked)}."
    ),
    min_size=1,
    max_size=30,
).map(" ".join)


def message(text: str, vendor_id: str = "1", author: str = "Anna", **more: object) -> MessageRecord:
    return replace(MessageRecord(new_id(), vendor_id, author, text, MAY, True), **more)


def conversation(*messages: MessageRecord) -> ConversationThread:
    return ConversationThread(new_id(), PLACE, "Web chat", Party("Anna"), "Booking", messages)


ISSUE = IssueThread(
    new_id(), "i1", PLACE, "HPN-12", "Booking page", "Rebuild the page.", "In Progress", 2, "Marta", "Web",
    ("bug",), ("HPN-9",), date(2026, 6, 1), MAY, MAY, None,
    (CommentRecord(new_id(), "c1", "Dana", "Готово к пятнице.", MAY),),
)  # fmt: skip
DEAL = DealThread(
    new_id(), "d1", PLACE, "Pilot", "Harbor Ltd", ("Anna",), "Dana", "Won", (StageChange("Lead", MAY),),
    Decimal(12000), "EUR", "Send the contract", date(2026, 6, 1), MAY, MAY,
)  # fmt: skip
COMPANY = CompanyThread(
    new_id(), "co1", PLACE, "Harbor Ltd", "Boutique hotels", ("harbor.example",), "Bristol", ("Travel",),
    (("Anna", "Head of Digital"),), MAY,
)  # fmt: skip
NOTE = NoteThread(new_id(), "n1", "Call", "They want a pilot.", "Dana", MAY, "Harbor Ltd", PLACE)
THREADS: list[tuple[Thread, str]] = [
    (conversation(message("When does it ship?")), "Chatwoot"),
    (ISSUE, "Linear"),
    (DEAL, "Attio"),
    (NOTE, "Attio"),
    (COMPANY, "Attio"),
]


@pytest.mark.parametrize(("thread", "source"), THREADS)
def test_every_header_names_the_client_and_the_source(thread: Thread, source: str) -> None:
    assert {tuple(chunk.header.split(" · ")[:2]) for chunk in build_chunks(thread)} == {
        ("Harbor & Pine", source)
    }


@pytest.mark.parametrize("thread", [thread for thread, _ in THREADS if thread is not COMPANY])
def test_a_header_ends_with_the_date_in_the_language_of_the_record(thread: Thread) -> None:
    for chunk in build_chunks(thread):
        assert chunk.header.split(" · ")[-1] == {"en": "24 May 2026", "ru": "24 мая 2026"}[chunk.lang]


@pytest.mark.parametrize("thread", [thread for thread, _ in THREADS])
def test_every_span_is_the_whole_body_of_the_record_it_names(thread: Thread) -> None:
    chunks = build_chunks(thread)
    assert [(chunk.source.start, chunk.source.end) for chunk in chunks] == [
        (0, len(chunk.body)) for chunk in chunks
    ]
    assert [chunk.source.source_type for chunk in chunks] == [chunk.kind for chunk in chunks]


def test_each_message_is_a_chunk_of_its_own_words() -> None:
    first, second = message("When does it ship?", "1"), message("On Friday.", "2", "Marta")
    chunks = build_chunks(conversation(first, second))
    assert [(chunk.body, chunk.source.record_id, chunk.key) for chunk in chunks] == [
        ("When does it ship?", first.id, "message:1"),
        ("On Friday.", second.id, "message:2"),
    ]


def test_what_came_before_a_message_is_kept_apart_from_its_words() -> None:
    reply = build_chunks(conversation(message("When does it ship?"), message("On Friday.", "2", "Marta")))[1]
    assert "Anna: When does it ship?" in reply.context
    assert "ship" not in reply.body


def test_an_issue_and_its_comments_are_separate_evidence() -> None:
    issue, comment = build_chunks(ISSUE)
    assert (issue.key, comment.key) == ("issue:i1", "comment:c1")
    assert comment.body == "Готово к пятнице."
    assert (
        "Status: In Progress, assignee Marta, priority high, due 1 June 2026, blocked by HPN-9." in issue.body
    )


def test_a_deal_tells_its_stage_value_and_next_step() -> None:
    (deal,) = build_chunks(DEAL)
    assert deal.body == (
        "Stage: Won, value 12,000 EUR, owner Dana, expected close 1 June 2026.\nNext step: Send the contract"
    )


def test_a_company_tells_its_people() -> None:
    assert "People: Anna (Head of Digital)" in build_chunks(COMPANY)[0].body


def test_a_private_message_is_indexed_and_marked_as_internal() -> None:
    (chunk,) = build_chunks(conversation(message("Careful with the discount.", private=True)))
    assert "internal note" in chunk.header.split(" · ")


def test_a_public_message_is_not_marked_as_internal() -> None:
    assert "internal note" not in build_chunks(conversation(message("Careful with the discount.")))[0].header


@pytest.mark.parametrize("text", ["", " \n ", "> all of it quoted\n> from before"])
def test_a_message_without_words_of_its_own_gives_no_chunk(text: str) -> None:
    assert build_chunks(conversation(message(text))) == []


def test_a_message_without_words_is_no_context_for_the_next() -> None:
    said = build_chunks(conversation(message("First."), message("", "2", "Ghost"), message("Last.", "3")))
    assert "Anna: First." in said[1].context


def test_a_message_of_attachments_alone_is_found_by_their_names() -> None:
    (chunk,) = build_chunks(conversation(message("", attachments=("offer.pdf", "plan.png"))))
    assert chunk.body == "[attached: offer.pdf, plan.png]"


def test_a_deleted_message_takes_its_chunk_with_it_and_no_other() -> None:
    first, second = message("First.", "1"), message("Second.", "2")
    thread = conversation(first, second)
    left = build_chunks(replace(thread, messages=(first,)))
    assert [chunk.content_hash for chunk in left] == [build_chunks(thread)[0].content_hash]


@pytest.mark.parametrize("thread", [thread for thread, _ in THREADS])
def test_unchanged_records_give_the_same_content_hashes(thread: Thread) -> None:
    again = build_chunks(replace(thread))
    assert [chunk.content_hash for chunk in build_chunks(thread)] == [chunk.content_hash for chunk in again]


@pytest.mark.parametrize(
    "change",
    [{"text": "Later."}, {"author": "Dana"}, {"at": datetime(2026, 5, 25, tzinfo=UTC)}, {"private": True}],
)
def test_a_changed_message_gives_another_content_hash(change: dict[str, object]) -> None:
    said = message("Soon.")
    before, after = (build_chunks(conversation(one))[0] for one in (said, replace(said, **change)))
    assert before.content_hash != after.content_hash


@given(SENTENCES)
def test_a_long_message_is_split_within_the_cap_without_losing_a_word(text: str) -> None:
    chunks = build_chunks(conversation(message(text)))
    assert all(len(chunk.body) <= CAP for chunk in chunks)
    assert len(chunks) == 1 or all(len(chunk.body) <= BODY_CHARS for chunk in chunks)
    assert len(chunks) < MAX_PARTS
    assert [word for chunk in chunks for word in words(chunk.body)] == words(text)


def test_the_parts_of_a_long_message_are_one_record_with_keys_of_their_own() -> None:
    said = message("This is a sentence of the minutes. " * 60, "7")
    chunks = build_chunks(conversation(message("Before.", "6"), said))[1:]
    assert [chunk.key for chunk in chunks[:3]] == ["message:7", "message:7#1", "message:7#2"]
    assert {chunk.source.record_id for chunk in chunks} == {said.id}
    assert ["Before." in chunk.context for chunk in chunks] == [True] + [False] * (len(chunks) - 1)


@given(st.integers(0, 20_000))
def test_text_without_any_sentence_end_is_still_cut(length: int) -> None:
    pieces = windows("x" * length)
    assert all(len(piece) <= CAP for piece in pieces)
    assert sum(map(len, pieces)) == min(length, MAX_PARTS * BODY_CHARS)


def test_sentences_end_at_full_stops_and_line_breaks_but_not_inside_numbers() -> None:
    assert split_sentences("It costs 3.5 thousand. Да?\nNo") == ["It costs 3.5 thousand.", "Да?", "No"]


def _without_blanks(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ('He said "It ships." Then he left.', ['He said "It ships."', "Then he left."]),
        ("Он сказал: «Готово.» Потом ушёл.", ["Он сказал: «Готово.»", "Потом ушёл."]),
        ("(See the plan.) Done!", ["(See the plan.)", "Done!"]),
        ("“It ships.” “When?”", ["“It ships.”", "“When?”"]),
    ],
)
def test_a_closing_quote_or_bracket_stays_with_its_sentence(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


TEXTS = st.text(alphabet="aБ1.!?…\"'»«“”() \n\t\u00a0", max_size=80)


@given(TEXTS)
def test_splitting_into_sentences_loses_nothing_but_white_space(text: str) -> None:
    sentences = split_sentences(text)
    assert _without_blanks("".join(sentences)) == _without_blanks(text)
    assert all(sentence in text for sentence in sentences)


@given(TEXTS, st.integers(20, 60))
def test_cutting_into_windows_loses_nothing_but_white_space(text: str, limit: int) -> None:
    pieces = windows(text, limit)
    assert len(pieces) <= MAX_PARTS
    assert _without_blanks("".join(pieces)) == _without_blanks(text)
    assert all(len(piece) <= limit for piece in pieces) or pieces == [text]


def test_tidying_drops_quoted_mail_blanks_and_refused_characters() -> None:
    assert tidy("Yes,\u00a0 Friday\x00\n\n> When?\n works") == "Yes, Friday\nworks"


def test_the_embedded_text_says_who_speaks_about_what() -> None:
    assert (
        embedding_text("Booking", "Anna: When?", "Marta", "Friday.") == "Booking\nAnna: When?\nMarta: Friday."
    )


YERLAN = Party("Ерлан Ахметов", "CTO", "Voltline", "electric scooters, Almaty")


@pytest.mark.parametrize(
    ("project", "channel", "contact", "shown"),
    [
        ("Voltline", "Voltline telegram", YERLAN, "telegram · Ерлан Ахметов"),
        ("Voltline", "Web chat", Party("Anna", None, None, "law firm"), "Web chat · Anna"),
        ("Voltline", "Voltline", Party("Anna"), "Voltline · Anna"),
        ("", "Studio website", Party("Visitor 4"), "Studio website · Visitor 4"),
    ],
)
@pytest.mark.parametrize("more", [{}, {"author": "Marta", "private": True}])
def test_a_message_without_a_subject_is_called_by_channel_and_person(
    project: str, channel: str, contact: Party, shown: str, more: dict[str, Any]
) -> None:
    place = Place(new_id(), new_id(), new_id(), project)
    said = MessageRecord(new_id(), "1", more.pop("author", contact.name), "Когда?", MAY, True, **more)
    [chunk] = build_chunks(ConversationThread(new_id(), place, channel, contact, None, (said,)))
    assert heading(chunk.kind, chunk.title, chunk.header) == shown


@pytest.mark.parametrize(
    ("kind", "title", "header", "shown"),
    [
        ("message", "Move to Chatwoot · Linear", "x · Chatwoot · y", "Move to Chatwoot · Linear"),
        ("issue", "", "HPN-12 Mail · Chatwoot · retries", "HPN-12 Mail · Chatwoot · retries"),
        ("note", "", "Voltline · Attio · Voltline GmbH", "Voltline · Attio · Voltline GmbH"),
    ],
)
def test_every_other_record_is_called_by_its_title_or_header(
    kind: SourceType, title: str, header: str, shown: str
) -> None:
    assert heading(kind, title, header) == shown
