"""What kind of answer a question wants, and whether a text could hold it: a date, a number, a person, a promise, a state.

Pure and bilingual. A question that starts with "when" is not answered by a text without any time in it. The patterns are
of the two languages in general; how much they count is fitted on development questions.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from retrieval.language import name_key

_MONTHS = (
    r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
    r"|январ\w*|феврал\w*|март\w*|апрел\w*|ма[йяе]|июн\w*|июл\w*|август\w*|сентябр\w*|октябр\w*|ноябр\w*|декабр\w*"
)
_ASKS_DATE = re.compile(
    r"\b(?:when|date|dates|day|deadline|how soon|until|by which|what time|since)\b"
    r"|\b(?:когда|дат[ауы]|числ\w*|срок\w*|дедлайн\w*|к какому дню|какой день)\b",
    re.IGNORECASE,
)
_ASKS_NUMBER = re.compile(
    r"\b(?:how (?:many|much|long|often|large|big|far)|price|cost|figure|version|rate|total"
    r"|what (?:share|proportion|percentage|number|amount|price|fee|sum))\b"
    r"|\b(?:сколько|цен[аыуе]\w*|процент\w*|стоит|стоил\w*|стоимост\w*|размер\w*|верси\w*|штраф\w*|какая (?:сумма|доля)|почём)\b",
    re.IGNORECASE,
)
_ASKS_PERSON = re.compile(
    r"\b(?:who|whom|whose|which person|contact|responsible)\b|\b(?:кто|кого|кому|кем|чь[еёяи]\w*)\b",
    re.IGNORECASE,
)
_ASKS_PROMISE = re.compile(
    r"\b(?:promis\w+|commit\w*|agreed?|said|tell|told|gave?|give|supposed|due)\b"
    r"|\b(?:обеща\w+|пообеща\w+|договор\w+|назва\w+|долж[еа]н\w*|обяза\w+|собирал\w+)\b",
    re.IGNORECASE,
)
_ASKS_STATE = re.compile(
    r"\b(?:now|status|so far|currently|still|yet|stand|left|already|progress|state)\b"
    r"|\b(?:сейчас|статус\w*|на каком этапе|уже|пока|осталось|ещё не|готов\w*|доделал\w*|до сих пор|в итоге)\b",
    re.IGNORECASE,
)

# «Среда» is Wednesday and also an environment; where only these forms are a day, and not before what it is made for.
_ON_WEDNESDAY = (
    r"\b(?:во?\s+(?:(?:эт|т|следующ|ближайш|прошл|ближн|будущ)[а-я]+\s+)?среду|к\s+(?:(?:эт|следующ|ближайш)[а-я]+\s+)?среде"
    r"|до\s+(?:(?:эт|следующ|ближайш)[а-я]+\s+)?среды)\b(?!\s+(?:разработк|тестирован|исполнен|выполнен|сборк|обучен)\w*)"
)
_HAS_DATE = re.compile(
    rf"\b\d{{1,2}}\s+(?:{_MONTHS})\b|\b(?:{_MONTHS})\s+\d|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b|\btomorrow\b|\bweeks?\b"
    r"|\b(?:понедельник|вторник|четверг|пятниц|суббот|воскресень|завтра|недел)\w*"
    rf"|{_ON_WEDNESDAY}",
    re.IGNORECASE,
)
_HAS_DIGIT = re.compile(r"\d")
_HAS_AMOUNT = re.compile(
    r"[€$£₽₸%]|\b(?:EUR|USD|GBP|RUB|KZT|percent|pounds|euros)\b|\d[\d\s,.]*(?:тыс|руб|евро|фунт|тенге)",
    re.IGNORECASE,
)
_HAS_NAME = re.compile(r"(?<![.!?]\s)(?<!^)\b[A-ZА-ЯЁ][a-zа-яё]+")
_HAS_PROMISE = re.compile(
    r"\b(?:will|shall|promis\w+|commit\w*|deadline|no later|by (?:the )?(?:\d|mon|tue|wed|thu|fri|end))\b|'ll\b"
    r"|\b(?:обеща\w+|сделаем|пришл[юеё]\w*|будет|к \d|до \d|не позже|срок\w*|вышл\w+|отправ[лю]\w*|подготов\w+)",
    re.IGNORECASE,
)

_GENERAL_TERMS = 2
# What was read in a text is remembered: the same few thousand are candidates of question after question.
_TEXTS_KEPT = 8_192

# A day that can be met or missed, and the words of who sets one.
_ON_A_DAY = re.compile(
    rf"\b\d{{1,2}}(?:st|nd|rd|th|-?го|-?е)?\s+(?:{_MONTHS})\b|\b(?:{_MONTHS})\s+\d{{1,2}}\b", re.IGNORECASE
)
_COMMITS = re.compile(
    r"\b(?:will|shall|promis\w+|commit\w*|deadlines?|(?:new |the )dates?|no later|goes? live|(?:is|are) live|ready)\b|'ll\b"
    r"|\b(?:(?:по)?обеща(?!й)\w+|срок\w*|дедлайн\w*|даты?|будет|будут|сделаем|закончим|заработа\w+|запустим|готов\w*|не позже)\b",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(r"(?<=[.!?…])\s+|\n+")

_ASKS_FOR_PROMISE = re.compile(r"\b(?:promis\w+|commit(?:ted|ment)\w*|(?:по)?обеща\w+)\b", re.IGNORECASE)
_ASKS_AMOUNT = re.compile(
    r"\b(?:price|cost\w*|fee|salary|pa(?:y|ys|id)|budget|charged?|spen[dt]|worth|how much)\b"
    r"|\b(?:стоит|стоил\w*|стоимост\w*|плат\w+|заплат\w+|зарплат\w*|бюджет\w*|цен[аыуе]\w*|обход\w+|обош\w+|штраф\w*|почём|сумм\w*)\b",
    re.IGNORECASE,
)
_ASKS_NAME = re.compile(
    r"\b(?:who|whom|whose|which|name of)\b|\b(?:кто|кого|кому|кем|как зовут|как(?:ой|ая|ое|ие|ую|им)|чь\w)\b",
    re.IGNORECASE,
)
_HAS_MONEY = re.compile(
    r"[€$£₽₸]|\b(?:EUR|USD|GBP|RUB|KZT|pounds?|euros?|dollars?|grand)\b|(?:тыс|руб|евро|фунт|доллар|тенге|миллион)",
    re.IGNORECASE,
)
_HAS_NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|twenty"
    r"|thirty|forty|fifty|sixty|hundred|thousand|dozen|half)\b"
    r"|\b(?:один|одн[ауо]|два|две|три|четыре|пять|шесть|семь|восемь|девять|десять|двадцат\w*|тридцат\w*|сорок|пятьдесят"
    r"|сто|двести|полтор\w*|тысяч\w*)\b",
    re.IGNORECASE,
)
_NAME_INSIDE = re.compile(r"(?<![.!?]\s)(?<!^)\b[A-ZА-ЯЁ][\w’']+")

# The one kind of answer a question waits for.
Wanted = Literal["promise", "date", "amount", "number", "name", "any"]


@dataclass(frozen=True, slots=True)
class Intent:
    """What a question asks for; several at once are usual."""

    date: bool
    number: bool
    person: bool
    promise: bool
    state: bool


@dataclass(frozen=True, slots=True)
class Offers:
    """What a text holds, each 0..1."""

    date: float
    number: float
    person: float
    promise: float


def read_intent(question: str) -> Intent:
    """The kinds of answer a question wants."""
    return Intent(
        date=bool(_ASKS_DATE.search(question)),
        number=bool(_ASKS_NUMBER.search(question)),
        person=bool(_ASKS_PERSON.search(question)),
        promise=bool(_ASKS_PROMISE.search(question)),
        state=bool(_ASKS_STATE.search(question)),
    )


@lru_cache(maxsize=_TEXTS_KEPT)
def read_offers(body: str, wanted: Intent | None = None) -> Offers:
    """What a text could answer; a bare digit is half a number, an amount or share a whole one.

    With an intent only what it wants is looked for, and the rest is 0.
    """
    number = 0.0
    if wanted is None or wanted.number:
        number = 1.0 if _HAS_AMOUNT.search(body) else 0.5 * bool(_HAS_DIGIT.search(body))
    return Offers(
        date=float((wanted is None or wanted.date) and bool(_HAS_DATE.search(body))),
        number=number,
        person=float((wanted is None or wanted.person) and bool(_HAS_NAME.search(body))),
        promise=float((wanted is None or wanted.promise) and bool(_HAS_PROMISE.search(body))),
    )


@lru_cache(maxsize=_TEXTS_KEPT)
def commits(body: str) -> bool:
    """Whether a text sets a day for something: a sentence with a date, itself or the one before it in words of commitment.

    A question commits nobody.
    """
    before = ""
    for sentence in _CLAUSE_END.split(body):
        if (
            _ON_A_DAY.search(sentence)
            and not sentence.endswith("?")
            and _COMMITS.search(f"{before} {sentence}")
        ):
            return True
        # A list of dates below its heading goes on being one.
        before = before if sentence.startswith(("-", "—", "•")) else sentence
    return False


def read_wanted(question: str) -> Wanted:
    """The kind of answer that a question waits for before all others."""
    if _ASKS_FOR_PROMISE.search(question):
        return "promise"
    if _ASKS_DATE.search(question):
        return "date"
    if _ASKS_AMOUNT.search(question):
        return "amount"
    if _ASKS_NUMBER.search(question):
        return "number"
    return "name" if _ASKS_NAME.search(question) else "any"


def asks_for_all_promises(question: str, terms: int) -> bool:
    """Whether a question of so many terms beside the client's name is about promises in general: "promise", and one word more."""
    return terms <= _GENERAL_TERMS and read_wanted(question) == "promise"


def wanted_kinds(question: str) -> tuple[Wanted, ...]:
    """Every kind that a sentence of the answer should hold: the one asked for first, and a date where one is asked for too."""
    first = read_wanted(question)
    kinds: tuple[Wanted, ...] = () if first == "any" else (first,)
    return (*kinds, "date") if first != "date" and _ASKS_DATE.search(question) else kinds


def holds(wanted: Wanted, sentence: str, typed: Collection[str]) -> bool:
    """Whether a sentence has something of that kind; a name must not be one of the question's own (``typed`` name keys)."""
    match wanted:
        case "promise":
            return bool(_HAS_PROMISE.search(sentence) or _HAS_DATE.search(sentence))
        case "date":
            return bool(_HAS_DATE.search(sentence))
        case "amount":
            return bool(_HAS_MONEY.search(sentence) and _HAS_NUMBER.search(sentence))
        case "number":
            return bool(_HAS_NUMBER.search(sentence))
        case "name":
            return any(name_key(name.lower()) not in typed for name in _NAME_INSIDE.findall(sentence))
        case "any":
            return True
