"""Finds the sentences of a message in which its author promises something by a day. English and Russian, pure.

A promise is in the first person, or says when something will be ready; it names a day in the same sentence. Questions,
refusals, conditions and what is quoted promise nothing.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from dataclasses import dataclass

from jobs.agreements.dates import read_days
from jobs.signals.messages import READ_AT_MOST, cut, own_words
from retrieval.intent import commits

# A message that promises more than this is a plan: its first promises stand for it.
PROMISES_AT_MOST = 8
_SENTENCE = re.compile(r"(?:[^.!?…\n]|(?<=\d)\.(?=\d))+[.!?…]*")
_PROMISES = re.compile(
    r"\b(?:i|we)(?:'ll| will| shall)\b(?! (?:not|never|see\b|need|have to|be (?:away|out|off)|talk|think|try))"
    r"|\b(?:i|we) (?:promise|commit|guarantee|undertake)\b"
    r"|\byou(?:'ll| will) (?:have|get|receive)\b"
    r"|\b(?:will|shall|'ll) be (?:ready|live|done|finished|delivered|sent|fixed|in place|online|with you)\b"
    r"|\b(?:goes|going|is|are) live\b|\bready (?:by|on)\b"
    r"|\b(?:по)?обеща(?:ю|ем)\b|\bгарантиру(?:ю|ем)\b"
    r"|\b(?:с|под|от|до|вы|за|ис|на|об|пере)?дела(?:ю|ем)\b"
    r"|\b(?:при|вы|пере|ото|до)шл(?:ю|ем)\b|\b(?:отправ|подготов|исправ|постав|представ|оформ|добав|обнов)(?:лю|им)\b"
    r"|\b(?:покаж|напиш|привез|отвез|найд|внес|пришл|принес)(?:у|ем)\b|\b(?:закончу|закончим|запущу|запустим|выложу|выложим|починю|починим"
    r"|оплачу|оплатим|передам|передадим|сдам|сдадим|верну|вернем|включу|включим|соберу|соберем|подключу|подключим|закрою|закроем"
    r"|согласую|согласуем|подпишу|подпишем|проверю|проверим|настрою|настроим|дам|дадим|успе[ею]м?)\b"
    r"|\bбуд(?:ет|ут) (?:\w+ ){0,2}(?:готов\w*|работать|сдан\w*|запущен\w*|исправлен\w*|у вас)\b|\bзаработа(?:ет|ют)\b",
    re.IGNORECASE,
)
_REFUSES = re.compile(
    r"\b(?:won't|cannot|can't|not|never|unlikely|не|вряд ли|никак)\s+(?:\w+\s+){0,2}$", re.IGNORECASE
)
_CONDITION = re.compile(
    r"\b(?:if|unless|whether|provided|если|при условии|хотелось бы|might|maybe|perhaps|возможно|наверное)\b",
    re.IGNORECASE,
)

RULES = "\n".join(each.pattern for each in (_PROMISES, _REFUSES, _CONDITION))


@dataclass(frozen=True, slots=True)
class Promise:
    """A sentence that promises something. `key` tells it from the other promises of the message, whatever their order."""

    due_on: dt.date
    quote: str
    key: str


def read_promises(body: str, said_on: dt.date) -> tuple[Promise, ...]:
    """What the author of a message promises by which day; `said_on` is the day of the message where the studio works."""
    text = own_words(body[:READ_AT_MOST])
    found: dict[str, Promise] = {}
    for sentence in _SENTENCE.finditer(text):
        due_on = _due(sentence.group(), said_on)
        if due_on is None:
            continue
        quote = cut(body, *sentence.span())
        key = hashlib.blake2b(f"{due_on}|{quote}".encode(), digest_size=8).hexdigest()
        found.setdefault(key, Promise(due_on, quote, key))
        if len(found) == PROMISES_AT_MOST:
            break
    return tuple(found.values())


def _due(sentence: str, said_on: dt.date) -> dt.date | None:
    """The day by which a sentence promises something: the last one it names ("not Tuesday, but by Friday")."""
    if sentence.rstrip().endswith("?") or _CONDITION.search(sentence):
        return None
    promise = _PROMISES.search(sentence)
    if promise is not None and _REFUSES.search(sentence[: promise.start()]):
        return None
    # What answers to questions about promises take for one, is one here too.
    if promise is None and not commits(sentence.strip()):
        return None
    days = read_days(sentence, said_on)
    return days[-1].day if days else None
