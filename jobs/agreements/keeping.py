"""What became of a promise: kept when a record of the time before its day is over says so, broken when the day is over. Pure.

A message of the same conversation keeps a promise when it says that something is done and shares a telling word with it;
so does an issue that the promise names, once it is finished. What is done later than promised was not kept.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from jobs.signals.messages import cut, is_negated, own_words
from models.queries.signals import EvidenceRef
from models.tables.agreements import AgreementStatus, Side
from retrieval.language import stem, words

# Shorter words, and words of promising itself, tell nothing about what was promised.
_TELLING_CHARS = 4
_SENTENCE = re.compile(r"[^.!?…\n]+[.!?…]*")
_IDENTIFIER = re.compile(r"\b[A-Z][A-Z0-9]{1,9}-\d{1,6}\b")
# What the one who promised says when it is done, and what the other says who got it.
_DONE = re.compile(
    r"\b(?:done|sent|delivered|shipped|attached|fixed|finished|completed|closed|deployed|uploaded|published|installed"
    r"|here (?:is|are|you go)|(?:is|are|went|now) (?:out|up|live|ready|online|in place)|works now"
    r"|готов[аоы]?|сдела(?:л\w*|но)|отправ(?:ил\w*|лен\w*)|выслал\w*|прислал\w*|исправ(?:ил\w*|лен\w*)|выложил\w*"
    r"|запу(?:стил\w*|щен\w*)|закончил\w*|закрыл\w*|подготовил\w*|передал\w*|оплатил\w*|оплачен\w*|заработал\w*"
    r"|во вложении|прикрепил\w*|прикладываю|сда(?:л\w*|н\w*)|включил\w*|обновил\w*|добавил\w*|подключил\w*)\b",
    re.IGNORECASE,
)
_GOT = re.compile(
    r"\b(?:(?:received|got) (?:it|them|the|your)|thank(?:s| you) for (?:the|sending)|arrived|works|получил\w*|пришл[аио]\b"
    r"|пришел|спасибо за|дошл[аои]|работает)\b",
    re.IGNORECASE,
)
_NOT_YET = re.compile(
    r"\b(?:will|shall|when|once|until|if|будет|будут|когда|как только|если)\b|'ll\b", re.IGNORECASE
)
RULES = "\n".join(each.pattern for each in (_DONE, _GOT, _NOT_YET))


@dataclass(frozen=True, slots=True)
class LaterMessage:
    """A public message of the conversation after the promise."""

    id: UUID
    side: Side
    body: str
    sent_at: dt.datetime


@dataclass(frozen=True, slots=True)
class NamedWork:
    """An issue of the same project that a promise names. `completed_at` is None while it is not finished."""

    id: UUID
    identifier: str
    title: str
    completed_at: dt.datetime | None


def named_issues(promise: str) -> tuple[str, ...]:
    """The identifiers of issues that a promise names."""
    return tuple(dict.fromkeys(_IDENTIFIER.findall(promise)))


def settle(
    promise: str,
    side: Side,
    ends_at: dt.datetime,
    now: dt.datetime,
    messages: Sequence[LaterMessage],
    issues: Sequence[NamedWork],
) -> tuple[AgreementStatus, EvidenceRef | None]:
    """Kept (and by what), broken, or still open. `ends_at` is the instant at which the promised day is over."""
    for issue in issues:
        if issue.completed_at is not None and issue.completed_at < ends_at:
            return "kept", EvidenceRef("issue", issue.id, cut(f"{issue.identifier} {issue.title}"))
    about = _telling(promise)
    for message in messages:
        if message.sent_at >= ends_at:
            break
        quote = _says_done(message, side, about)
        if quote:
            return "kept", EvidenceRef("message", message.id, quote)
    return ("broken" if now >= ends_at else "open"), None


def _says_done(message: LaterMessage, side: Side, about: frozenset[str]) -> str:
    """The sentence that says that what was promised is there, "" when none does."""
    says = _DONE if message.side == side else _GOT
    for sentence in _SENTENCE.finditer(own_words(message.body)):
        text = sentence.group()
        match = says.search(text)
        if match is None or text.rstrip().endswith("?") or _NOT_YET.search(text):
            continue
        if not is_negated(text, match.start()) and about & _telling(text):
            return cut(message.body, *sentence.span())
    return ""


def _telling(text: str) -> frozenset[str]:
    """The stems of the words that say what something is about."""
    bare = _DONE.sub(" ", _IDENTIFIER.sub(" ", text))
    return frozenset(stem(word) for word in words(bare) if len(word) >= _TELLING_CHARS) - _COMMON


_COMMON = frozenset(
    stem(word)
    for word in (
        "will", "have", "send", "this", "that", "with", "your", "from", "next", "week", "month", "tomorrow", "today",
        "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "latest", "promise", "ready",
        "january", "february", "march", "april", "june", "july", "august", "september", "october", "november", "december",
        "thanks", "thank", "please", "hello", "dear", "been", "they", "them", "there", "then", "what", "when", "also",
        "будет", "неделе", "месяца", "завтра", "сегодня", "понедельник", "вторник", "среда", "среду", "четверг", "пятница",
        "пятницу", "суббота", "воскресенье", "обещаю", "обещаем", "января", "февраля", "марта", "апреля", "июня", "июля",
        "августа", "сентября", "октября", "ноября", "декабря", "следующей", "конца", "спасибо", "пожалуйста", "добрый",
        "здравствуйте", "день", "если", "когда", "чтобы", "тоже", "вас", "вами",
    )
)  # fmt: skip
