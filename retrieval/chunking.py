"""Records become chunks: one chunk per record, or several for a long one, each with a header and its neighbourhood.

Pure. Owns what text is searched and embedded; storing it is ``store``'s, reading records is indexing's. Evidence is one
vendor record, so chunks never blend records: what came before a message is kept apart in ``context``, where it helps to
understand a short reply without pretending to be said in it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from babel.dates import format_date
from babel.numbers import format_decimal

from retrieval.language import detect
from retrieval.parties import party_line
from retrieval.records import (
    CompanyThread,
    ConversationThread,
    DealThread,
    IssueThread,
    MessageRecord,
    NoteThread,
    Party,
    Place,
    Thread,
)
from retrieval.schemas import GROUP_OF, Lang, SourceGroup, SourceType, clean_text

# The embedding's cost is linear in tokens; sentences beyond this many characters start another chunk of the record.
BODY_CHARS = 640
CONTEXT_CHARS = 180
# A title or header that goes on is a text in the wrong field; the index of words has an end.
LINE_CHARS = 1_000
# A record is never cut into more chunks than this; a pasted log file ends here, its head is what people refer to.
MAX_PARTS = 12

_DOT = " · "
_BLANKS = re.compile(r"[ \t\u00a0]+")
_BREAKS = re.compile(r"\s*\n\s*")
_SENTENCE_END = re.compile(r"(?:(?<=[.!?…])|(?<=[.!?…][\"'»”)]))\s+(?=[\"'«“(]?[A-ZА-ЯЁ0-9])|\n+")
_QUOTED_LINE = re.compile(r"^\s*>.*$", re.MULTILINE)

_LABELS: dict[Lang, dict[str, str]] = {
    "en": {
        "state": "Status", "assignee": "assignee", "due": "due", "blocked": "blocked by", "priority": "priority",
        "done": "completed", "stage": "Stage", "value": "value", "owner": "owner", "close": "expected close",
        "next": "Next step", "history": "Stage history", "people": "People", "private": "internal note", "attached": "attached",
        "site": "Website", "company": "company", "none": "unassigned",
    },
    "ru": {
        "state": "Статус", "assignee": "исполнитель", "due": "срок", "blocked": "заблокирована задачей", "priority": "приоритет",
        "done": "завершена", "stage": "Стадия", "value": "сумма", "owner": "ответственный", "close": "ожидаемое закрытие",
        "next": "Следующий шаг", "history": "История стадий", "people": "Люди", "private": "внутренняя заметка",
        "attached": "вложение", "site": "Сайт", "company": "компания", "none": "не назначен",
    },
}  # fmt: skip
_PRIORITY: dict[Lang, tuple[str, ...]] = {
    "en": ("", "urgent", "high", "medium", "low"),
    "ru": ("", "срочный", "высокий", "средний", "низкий"),
}


@dataclass(frozen=True, slots=True)
class SourceSpan:
    """The part of a chunk's body that is this record's: characters ``start`` to ``end``."""

    source_type: SourceType
    record_id: UUID
    vendor_id: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ChunkDraft:
    """A chunk before it is stored.

    ``header`` is for readers and lexical search (client, source, people, date); ``context`` is what came just before;
    ``body`` is the record's own words. ``part`` counts the chunks of one record from 0.
    """

    place: Place
    kind: SourceType
    thread_id: UUID
    part: int
    title: str
    header: str
    context: str
    body: str
    lang: Lang
    author: str | None
    source_time: datetime | None
    source: SourceSpan

    @property
    def source_group(self) -> SourceGroup:
        """The filter group of the chunk's record."""
        return GROUP_OF[self.kind]

    @property
    def content_hash(self) -> str:
        """SHA-256 over all stored text; equal hashes mean nothing has to be written."""
        parts = (
            self.title,
            self.header,
            self.context,
            self.body,
            self.author or "",
            self.lang,
            str(self.source_time),
        )
        return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()

    @property
    def key(self) -> str:
        """The chunk's stable name inside its connection: ``message:123`` and, from the second part on, ``message:123#1``."""
        name = f"{self.kind}:{self.source.vendor_id}"
        return f"{name}#{self.part}" if self.part else name


def embedding_text(title: str, context: str, author: str | None, body: str) -> str:
    """The text that is embedded for a chunk.

    The client's name, the source and the date are left out: they are the same in every chunk of a project, draw all its
    vectors together and are better served by filters and by lexical search.
    """
    lines = [title] if title else []
    if context:
        lines.append(context)
    lines.append(f"{author}: {body}" if author else body)
    return "\n".join(lines)


def heading(kind: SourceType, title: str, header: str) -> str:
    """What a reader calls a chunk: its title; of a message without a subject the channel and the person.

    Without a title the rest are called by their header.
    """
    project, vendor, rest = f"{_DOT}{header}".partition(f"{_DOT}Chatwoot{_DOT}")
    project = project.removeprefix(_DOT)
    if title or kind != "message" or not vendor or _DOT in project:
        return title or header
    channel, _, people = rest.partition(_DOT)
    # Inboxes are often named after the client, which stands beside the heading.
    if project and channel.lower().startswith(f"{project.lower()} "):
        channel = channel[len(project) + 1 :]
    person = re.split(r", | \(", people.partition(_DOT)[0], maxsplit=1)[0]
    return _joined([channel, person])


def build_chunks(thread: Thread) -> list[ChunkDraft]:
    """All chunks of a thread, in the order of its records; records without words give none."""
    match thread:
        case ConversationThread():
            return list(_conversation(thread))
        case IssueThread():
            return list(_issue(thread))
        case DealThread():
            return list(_deal(thread))
        case CompanyThread():
            return list(_company(thread))
        case NoteThread():
            return list(_note(thread))


def split_sentences(text: str) -> list[str]:
    """The sentences and lines of a text, trimmed, in order; nothing but white space between them is lost."""
    return [part for piece in _SENTENCE_END.split(text) if (part := piece.strip())]


def windows(text: str, limit: int = BODY_CHARS) -> list[str]:
    """The text cut between sentences into pieces of at most ``limit`` characters.

    A text up to a quarter longer than ``limit`` stays in one piece. A sentence longer than ``limit`` is cut where the limit
    falls, and line breaks between the sentences of a piece become blanks. What goes beyond ``MAX_PARTS`` pieces is dropped.
    """
    if len(text) <= limit * 1.25:
        return [text] if text else []
    pieces: list[str] = []
    current = ""
    for sentence in (part for long in split_sentences(text) for part in _hard_split(long, limit)):
        if current and len(current) + len(sentence) + 1 > limit:
            pieces.append(current)
            current = sentence
        else:
            current = f"{current} {sentence}" if current else sentence
    if current:
        pieces.append(current)
    return pieces[:MAX_PARTS]


def tidy(text: str) -> str:
    """The text without quoted earlier mail, runs of blanks and characters the database refuses."""
    without_quotes = _QUOTED_LINE.sub("", clean_text(text))
    return _BREAKS.sub("\n", _BLANKS.sub(" ", without_quotes)).strip()


def day(moment: datetime | date | None, lang: Lang) -> str:
    """A date as people of that language write it, ``24 May 2026``; empty when unknown."""
    return "" if moment is None else format_date(moment, "d MMMM y", locale=lang)


def _hard_split(sentence: str, limit: int) -> Iterator[str]:
    for start in range(0, len(sentence), limit):
        yield sentence[start : start + limit]


def _joined(parts: Iterable[str | None], separator: str = _DOT) -> str:
    return separator.join(part for part in parts if part)


def _shortened(text: str, limit: int) -> str:
    flat = text.replace("\n", " ")
    return flat if len(flat) <= limit else "…" + flat[-limit:].partition(" ")[2]


def _parts(
    place: Place,
    kind: SourceType,
    thread_id: UUID,
    record: tuple[UUID, str],
    *,
    title: str,
    header: str,
    text: str,
    context: str = "",
    author: str | None = None,
    at: datetime | None = None,
    lang: Lang,
) -> Iterator[ChunkDraft]:
    for part, body in enumerate(windows(text)):
        span = SourceSpan(kind, record[0], record[1], 0, len(body))
        # Only the head of a long record needs what came before it; later parts continue the record itself.
        before = context if part == 0 else ""
        yield ChunkDraft(
            place,
            kind,
            thread_id,
            part,
            title[:LINE_CHARS],
            header[:LINE_CHARS],
            before,
            body,
            lang,
            author,
            at,
            span,
        )


def _conversation(thread: ConversationThread) -> Iterator[ChunkDraft]:
    previous: MessageRecord | None = None
    title = tidy(thread.subject or "")
    for message in thread.messages:
        text = tidy(message.text)
        lang = detect(text or title)
        label = _LABELS[lang]
        if message.attachments:
            text = _joined([text, f"[{label['attached']}: {', '.join(message.attachments)}]"], "\n")
        if not text:
            continue
        header = _joined(
            [
                thread.place.project_name,
                "Chatwoot",
                thread.channel,
                party_line(thread.contact),
                message.author if message.author != thread.contact.name else None,
                label["private"] if message.private else None,
                day(message.at, lang),
            ]
        )
        context = [_known_party(thread.contact, thread.place)]
        if previous is not None:
            context.append(f"{previous.author}: {_shortened(tidy(previous.text), CONTEXT_CHARS)}")
        yield from _parts(
            thread.place, "message", thread.id, (message.id, message.vendor_id),
            title=title, header=header, text=text, context=_joined(context, "\n"), author=message.author, at=message.at, lang=lang,
        )  # fmt: skip
        previous = message


def _known_party(contact: Party, place: Place) -> str:
    # The client's own description stands in hundreds of chunks and tells none of them apart.
    if contact.company == place.project_name:
        contact = replace(contact, company=None, about=None)
    return party_line(contact)


def _issue(thread: IssueThread) -> Iterator[ChunkDraft]:
    title = f"{thread.identifier} {tidy(thread.title)}"
    lang = detect(f"{thread.title} {thread.description}")
    label = _LABELS[lang]
    priority = _PRIORITY[lang][thread.priority] if thread.priority and 0 < thread.priority < 5 else ""
    status = _joined(
        [
            f"{label['state']}: {thread.state}",
            f"{label['assignee']} {thread.assignee}" if thread.assignee else label["none"],
            f"{label['priority']} {priority}" if priority else None,
            f"{label['due']} {day(thread.due, lang)}" if thread.due else None,
            f"{label['done']} {day(thread.completed_at, lang)}" if thread.completed_at else None,
            f"{label['blocked']} {', '.join(thread.blocked_by)}" if thread.blocked_by else None,
        ],
        ", ",
    )
    header = _joined(
        [
            thread.place.project_name, "Linear", thread.workstream, ", ".join(thread.labels),
            day(thread.updated_at or thread.created_at, lang),
        ]
    )  # fmt: skip
    yield from _parts(
        thread.place, "issue", thread.id, (thread.id, thread.vendor_id),
        title=title, header=header, text=f"{tidy(thread.description)}\n{status}.".strip(),
        context=thread.workstream or "",
        author=None, at=thread.updated_at or thread.created_at, lang=lang,
    )  # fmt: skip
    before = tidy(thread.description)
    for comment in thread.comments:
        text = tidy(comment.text)
        if not text:
            continue
        said_in = detect(text)
        yield from _parts(
            thread.place, "comment", thread.id, (comment.id, comment.vendor_id),
            title=title, text=text, context=_shortened(before, CONTEXT_CHARS), author=comment.author, at=comment.at, lang=said_in,
            header=_joined([thread.place.project_name, "Linear", thread.workstream, comment.author, day(comment.at, said_in)]),
        )  # fmt: skip
        before = text


def _note(note: NoteThread) -> Iterator[ChunkDraft]:
    text = tidy(note.text)
    lang = detect(f"{note.title} {text}")
    yield from _parts(
        note.place, "note", note.id, (note.id, note.vendor_id),
        title=tidy(note.title), text=text, context=note.about, author=note.author, at=note.at, lang=lang,
        header=_joined([note.place.project_name, "Attio", note.about, note.author, day(note.at, lang)]),
    )  # fmt: skip


def _deal(thread: DealThread) -> Iterator[ChunkDraft]:
    lang = detect(f"{thread.name} {thread.next_step or ''}")
    label = _LABELS[lang]
    value = ""
    if thread.value is not None:
        value = _joined([format_decimal(thread.value, locale=lang), thread.currency], " ")
    history = " → ".join(
        _joined([step.stage, f"({day(step.at, lang)})" if step.at else None], " ") for step in thread.history
    )
    facts = [
        f"{label['stage']}: {thread.stage}",
        f"{label['value']} {value}" if value else None,
        f"{label['owner']} {thread.owner}" if thread.owner else None,
        f"{label['close']} {day(thread.close_date, lang)}" if thread.close_date else None,
    ]
    lines = [
        _joined(facts, ", ") + ".",
        f"{label['next']}: {tidy(thread.next_step)}" if thread.next_step else None,
    ]
    company = thread.company if thread.company != thread.place.project_name else None
    yield from _parts(
        thread.place, "deal", thread.id, (thread.id, thread.vendor_id),
        title=_joined([tidy(thread.name), company]), text=_joined(lines, "\n"), author=None,
        at=thread.updated_at or thread.created_at, lang=lang,
        header=_joined([thread.place.project_name, "Attio", thread.company, ", ".join(thread.people),
                        f"{label['history']}: {history}" if history else None, day(thread.updated_at or thread.created_at, lang)]),
    )  # fmt: skip


def _company(thread: CompanyThread) -> Iterator[ChunkDraft]:
    description = tidy(thread.description or "")
    lang = detect(description or thread.name)
    label = _LABELS[lang]
    people = ", ".join(f"{name} ({job})" if job else name for name, job in thread.people)
    lines = [
        description,
        _joined([thread.location, ", ".join(thread.categories)], ", "),
        f"{label['site']}: {', '.join(thread.domains)}" if thread.domains else None,
        f"{label['people']}: {people}" if people else None,
    ]
    yield from _parts(
        thread.place, "company", thread.id, (thread.id, thread.vendor_id),
        title=tidy(thread.name), text=_joined(lines, "\n"), at=thread.updated_at, lang=lang,
        header=_joined([thread.place.project_name, "Attio", label["company"]]),
    )  # fmt: skip
