"""Amounts and days as people write them in both languages: read from a text, and spelled in the other usual ways.

Pure. ``1 200 000 ₽``, ``$12,500``, ``12.5k`` and ``1,2 млн`` are amounts; ``24 May``, ``24 мая 2026``, ``24.05.2026`` and
``2026-05-24`` are days. Search looks for the other spellings of what is typed, and an answer compares what two records say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

_MONTHS_EN = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_MONTHS_RU = (
    "января", "февраля", "марта", "апреля", "мая", "июня", "июля", "августа", "сентября", "октября", "ноября", "декабря",
)  # fmt: skip
_NUMBER_OF = {name[:3]: place for names in (_MONTHS_EN, _MONTHS_RU) for place, name in enumerate(names, 1)}
_NUMBER_OF["май"] = 5

_SYMBOLS = {
    "$": "USD", "€": "EUR", "£": "GBP", "₽": "RUB", "₸": "KZT", "usd": "USD", "eur": "EUR", "gbp": "GBP", "rub": "RUB",
    "kzt": "KZT", "dol": "USD", "eur_": "EUR", "pou": "GBP", "руб": "RUB", "дол": "USD", "евр": "EUR", "фун": "GBP", "тен": "KZT",
    "р": "RUB",
}  # fmt: skip
_SCALES = {
    "k": 1000,
    "к": 1000,
    "тыс": 1000,
    "tho": 1000,
    "m": 10**6,
    "mln": 10**6,
    "млн": 10**6,
    "mil": 10**6,
}

_AMOUNT = re.compile(
    r"""
    (?<![\w.,])(?P<before>[$€£₽₸]|\b(?:USD|EUR|GBP|RUB|KZT))?[ ]?
    (?P<number>\d{1,3}(?:[ \u00a0\u202f,.]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?)
    [ \u00a0]?(?P<scale>(?:k|к|тыс|thousand|m|mln|млн|million|миллион)[а-яa-z]*\b\.?)?
    [ \u00a0]?(?P<after>[$€£₽₸]|(?:USD|EUR|GBP|RUB|KZT|dollars?|euros?|pounds?|руб|доллар|евро|фунт|тенге)[а-я]*\b|р\.)?
    """,
    re.VERBOSE | re.IGNORECASE,
)
_EN = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?"
    "|dec(?:ember)?"
)
_RU = "январ[яь]|феврал[яь]|марта?|апрел[яь]|ма[йя]|июн[яь]|июл[яь]|августа?|сентябр[яь]|октябр[яь]|ноябр[яь]|декабр[яь]"
_DAY = re.compile(
    rf"""
    \b(?P<y1>\d{{4}})-(?P<m1>\d{{2}})-(?P<d1>\d{{2}})\b
    | \b(?P<d2>\d{{1,2}})\.(?P<m2>\d{{2}})(?:\.(?P<y2>\d{{4}}|\d{{2}}))?\b(?![.,]?\d)
    | \b(?P<d3>\d{{1,2}})(?:st|nd|rd|th|-?го|-?е)?\s+(?:of\s+)?(?P<m3>{_EN}|{_RU})\b(?:,?\s+(?P<y3>\d{{4}}))?
    | \b(?P<m4>{_EN})\.?\s+(?P<d4>\d{{1,2}})(?:st|nd|rd|th)?\b(?:,?\s+(?P<y4>\d{{4}}))?
    """,
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Amount:
    """A sum of money or a large number: its value, its ISO currency where one is written, and how it stands in the text."""

    value: Decimal
    currency: str | None
    written: str


@dataclass(frozen=True, slots=True)
class Day:
    """A day of a year, of any year when none is written."""

    month: int
    day: int
    year: int | None
    written: str


def read_amounts(text: str) -> list[Amount]:
    """The amounts of a text in order: numbers with a currency, a scale (12.5k) or thousands separators."""
    found: list[Amount] = []
    for match in _AMOUNT.finditer(text):
        number, scale = match["number"], (match["scale"] or "").lower().rstrip(".")
        sign = match["before"] or match["after"]
        grouped = bool(re.fullmatch(r"\d{1,3}(?:[ \u00a0\u202f,.]\d{3})+(?:[.,]\d{1,2})?", number))
        if not (sign or scale or grouped):
            continue
        factor = _SCALES.get(scale) or _SCALES.get(scale[:3], 1) if scale else 1
        found.append(Amount(_value(number, grouped) * factor, _currency(sign), match.group(0).strip(" .,")))
    return found


def _value(number: str, grouped: bool) -> Decimal:
    cents = re.search(r"[.,](\d{1,2})$", number)
    whole = number[: cents.start()] if cents else number
    digits = re.sub(r"\D", "", whole) if grouped or cents else whole
    return Decimal(f"{digits}.{cents.group(1)}" if cents else digits)


def _currency(sign: str | None) -> str | None:
    if not sign:
        return None
    lower = sign.lower().rstrip(".")
    return _SYMBOLS.get(lower) or _SYMBOLS.get(lower[:3])


def read_days(text: str) -> list[Day]:
    """The days of a text in order; what is no day of the calendar is passed over."""
    return [day for match in _DAY.finditer(text) for day in _day(match)]


def _day(match: re.Match[str]) -> Iterator[Day]:
    groups = {name: value for name, value in match.groupdict().items() if value is not None}
    form = next(name[1] for name in groups if name[0] == "d")
    month_word = groups.get(f"m{form}", "")
    month = int(month_word) if month_word.isdigit() else _NUMBER_OF.get(month_word.lower()[:3], 0)
    day, year = int(groups[f"d{form}"]), groups.get(f"y{form}")
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return
    full = None if year is None else int(year) + (2000 if len(year) == 2 else 0)
    yield Day(month, day, full, match.group(0).strip(" .,"))


def amount_spellings(amount: Amount) -> tuple[str, ...]:
    """The other usual ways to write an amount, without its currency; the database's parser reads ``1,200`` like ``1 200``."""
    if amount.value != amount.value.to_integral_value():
        return (f"{amount.value}", f"{amount.value}".replace(".", ","))
    whole = int(amount.value)
    grouped = f"{whole:,}"
    made = [str(whole), grouped.replace(",", " "), grouped.replace(",", ".")]
    for scale, words in ((1000, ("k", " тыс")), (10**6, ("m", " млн", " million"))):
        if whole >= scale and whole % (scale // 10) == 0:
            short = (
                f"{Decimal(whole) / scale:f}".rstrip("0").rstrip(".")
                if whole % scale
                else str(whole // scale)
            )
            made += [f"{short}{word}" for word in words] + [f"{short.replace('.', ',')}{words[1]}"]
    return tuple(dict.fromkeys(made))


def day_spellings(day: Day) -> tuple[str, ...]:
    """The usual ways to write a day in both languages; with a year also the numeric ones."""
    english, russian = _MONTHS_EN[day.month - 1], _MONTHS_RU[day.month - 1]
    made = [
        f"{day.day} {english}",
        f"{english} {day.day}",
        f"{day.day} {russian}",
        f"{day.day:02d}.{day.month:02d}",
    ]
    if day.year is not None:
        made += [f"{day.year}-{day.month:02d}-{day.day:02d}", f"{day.day:02d}.{day.month:02d}.{day.year}"]
    return tuple(made)
