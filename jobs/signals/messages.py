"""Reads one client message: which signals its own words tell, how strongly, and the sentence that says so. Pure.

Quoted mail, words in quotation marks and negated words tell nothing. What a condition or a mended fault weakens is less
sure; two different cues of a kind are surer than one (noisy-or: 1 - (1 - a)(1 - b)).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from jobs.signals.cues import CUES, Cue
from models.tables.signals import MessageKind

# What is read of a message, and what is shown of it, in characters.
READ_AT_MOST = 20_000
QUOTE_AT_MOST = 240
# Below it a reading is no signal.
LEAST_CONFIDENCE = 0.5
_WEAKENED = 0.7
_NEGATION_REACH = 3

_ALIKE = str.maketrans({"ё": "е", "Ё": "Е", "’": "'", "‘": "'"})
_REPLY_BELOW = re.compile(
    r"^(?:on\b[^\n]{0,200}\bwrote:|[^\n]{0,200}\b(?:пишет|писала?|написала?|писал\(а\)|написал\(а\)):"
    r"|-{2,}\s*(?:original message|forwarded message|исходное сообщение|пересылаемое сообщение)[^\n]*)[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_QUOTED_LINE = re.compile(r"^[ \t]*>[^\n]*$", re.MULTILINE)
_QUOTED_WORDS = re.compile(
    r"«[^«»]{1,400}»|“[^“”]{1,400}”|„[^„“”]{1,400}[“”]|\"[^\"\n]{1,400}\"|(?<!\w)'[^'\n]{2,200}'(?!\w)"
)
_SENTENCE = re.compile(r"[^.!?…\n]+[.!?…]*")
_CLAUSE_END = re.compile(r"[,;:()—–]|\s-\s|\b(?:but|and|but|however|но|а|зато|однако)\b", re.IGNORECASE)
_WORD = re.compile(r"[\w']+")
_NEGATES = re.compile(
    r"(?:not|no|never|without|nothing|none|nobody|hardly|nor|neither|\w+n't|cannot|не|ни|нет|без|никогда|никакой|никаких|никакие|нисколько)",
    re.IGNORECASE,
)
# They deny a whole clause.
_NEEDLESS = re.compile(
    r"\b(?:no (?:need|rush|hurry)|не (?:нужно|надо)|необязательно|незачем)\b", re.IGNORECASE
)
# "Not only" says what follows all the more.
_ONLY = re.compile(r"(?:only|just|только|просто)", re.IGNORECASE)
_CONDITION = re.compile(
    r"\b(?:if|unless|in case|should (?:anything|something)|если|вдруг|на случай)\b", re.IGNORECASE
)
_MENDED = re.compile(
    r"\b(?:fixed|resolved|solved|sorted|no longer|works? (?:now|again|fine)|исправ(?:ил|лен)\w*|починил\w*|решил(?:и|ось|ся)"
    r"|решен[оа]?|заработал\w*|больше не|уже работает)\b",
    re.IGNORECASE,
)
# Whoever excuses themselves speaks of their own fault.
_EXCUSE = re.compile(r"\b(?:sorry|apologi\w+|извин\w+|прост(?:и|ите)|виноват\w*)\b", re.IGNORECASE)
_STRONGER = re.compile(
    r"\b(?:very|extremely|absolutely|completely|totally|again|still|очень|крайне|совершенно|абсолютно|совсем|опять|снова"
    r"|до сих пор)\b|!!",
    re.IGNORECASE,
)
_SHOUTED = re.compile(r"\b(?:[A-Z]{5,}|[А-ЯЁ]{5,})\b")
_COURTESY = re.compile(
    r"(?:ok(?:ay)?|thanks?|thank you|thx|cheers|great|perfect|got it|noted|noted,? thanks|will do|agreed|super|lovely"
    r"|спасибо|благодарю|ок(?:ей)?|хорошо|понял[аи]?|принято|отлично|ясно|договорились|супер|да)\b",
    re.IGNORECASE,
)
_COURTESY_WORDS = 6
# They say how pressing a message is, and gain by emphasis; praise and wishes do not.
_PRESSING: frozenset[MessageKind] = frozenset(
    {"complaint", "payment_trouble", "deadline_pressure", "churn_hint", "price_pressure"}
)
# They tell of a fault, which may be mended by now.
_MENDABLE: frozenset[MessageKind] = frozenset({"complaint", "deadline_pressure", "payment_trouble"})


@dataclass(frozen=True, slots=True)
class Reading:
    """What a message tells of one kind; `quote` stands in the message word for word."""

    kind: MessageKind
    severity: int
    confidence: float
    quote: str


@dataclass(frozen=True, slots=True)
class _Hit:
    cue: Cue
    confidence: float
    severity: int
    start: int
    end: int
    sentence: tuple[int, int]


def read_message(body: str) -> tuple[Reading, ...]:
    """The signals of a client's message, at most one a kind, in the order of the table of cues."""
    text = own_words(body[:READ_AT_MOST])
    by_kind: dict[MessageKind, list[_Hit]] = {}
    for hit in _hits(text):
        by_kind.setdefault(hit.cue.kind, []).append(hit)
    found = (_reading(body, kind, hits) for kind, hits in by_kind.items())
    return tuple(each for each in found if each.confidence >= LEAST_CONFIDENCE)


def own_words(body: str) -> str:
    """The message with everything that others said blanked out, character for character: positions stay the same."""
    text = body.translate(_ALIKE)
    below = _REPLY_BELOW.search(text)
    if below is not None:
        text = text[: below.start()] + _blank(text[below.start() :])
    for pattern in (_QUOTED_LINE, _QUOTED_WORDS):
        text = pattern.sub(lambda match: _blank(match.group()), text)
    return text


def needs_answer(body: str) -> bool:
    """Whether a message waits for an answer: thanks and "ok" alone do not."""
    words = _WORD.findall(body)
    if "?" in body or len(words) > _COURTESY_WORDS:
        return True
    return bool(words) and _COURTESY.match(body.strip().translate(_ALIKE)) is None


def cut(body: str, start: int = 0, end: int | None = None) -> str:
    """Words of a text from about `start`, at most QUOTE_AT_MOST characters, as they stand there."""
    stop = len(body) if end is None else end
    return body[start : min(stop, start + QUOTE_AT_MOST)].strip()


def _hits(text: str) -> Iterator[_Hit]:
    for sentence in _SENTENCE.finditer(text):
        words = sentence.group()
        if not words.strip():
            continue
        for cue in CUES:
            match = cue.pattern.search(words)
            if match is None or (not cue.negated and is_negated(words, match.start())):
                continue
            confidence = cue.confidence
            if cue.kind != "churn_hint" and _CONDITION.search(words[: match.start()]):
                confidence *= _WEAKENED
            # "When will it be fixed?" asks for what is not.
            if (
                cue.kind in _MENDABLE
                and "?" not in words
                and (_MENDED.search(words) or _EXCUSE.search(words))
            ):
                confidence *= _WEAKENED
            emphasis = cue.kind in _PRESSING and bool(_STRONGER.search(words) or _SHOUTED.search(words))
            at = sentence.start()
            yield _Hit(
                cue,
                confidence,
                min(5, cue.severity + emphasis),
                at + match.start(),
                at + match.end(),
                sentence.span(),
            )


def is_negated(words: str, at: int) -> bool:
    """Whether one of the words shortly before a position, in the same clause, denies what stands there."""
    before = words[:at]
    for end in _CLAUSE_END.finditer(before):
        before = " " * end.end() + before[end.end() :]
    if _NEEDLESS.search(before):
        return True
    near = _WORD.findall(before)[-_NEGATION_REACH:]
    for place, word in enumerate(near):
        if _NEGATES.fullmatch(word):
            following = near[place + 1] if place + 1 < len(near) else ""
            if not _ONLY.fullmatch(following):
                return True
    return False


def _reading(body: str, kind: MessageKind, hits: list[_Hit]) -> Reading:
    best = max(hits, key=lambda each: (each.severity, each.confidence, -each.start))
    # The same words told twice by two patterns are one hint.
    surest = {each.sentence: each.confidence for each in sorted(hits, key=lambda each: each.confidence)}
    doubt = math.prod(1 - each for each in surest.values())
    return Reading(kind, best.severity, round(min(0.95, 1 - doubt), 2), _quote(body, best))


def _quote(body: str, hit: _Hit) -> str:
    start, end = hit.sentence
    if end - start > QUOTE_AT_MOST:
        start = max(start, hit.start - QUOTE_AT_MOST // 3)
    return cut(body, start, end)


def _blank(text: str) -> str:
    return "".join("\n" if letter == "\n" else " " for letter in text)
