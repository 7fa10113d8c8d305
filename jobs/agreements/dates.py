"""Days said in words, resolved against the day on which they were said. English and Russian, pure.

"By Friday" is the next Friday after the day of the message, "next week" the working week after its week (Monday to
Friday), a day and month without a year the next such day. What lies before the message is no due day.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

# A day and month that were this long ago or less are meant as the past; what is longer ago is next year's.
_PAST_DAYS = 90
# Whatever is due later than this was misread.
FURTHEST = dt.timedelta(days=730)
_FRIDAY = 4

_WEEKDAYS = {
    "mon": 0, "tue": 1, "wed": 2, "thu": 3, "fri": 4, "sat": 5, "sun": 6,
    "пон": 0, "вто": 1, "сре": 2, "чет": 3, "пят": 4, "суб": 5, "вос": 6,
}  # fmt: skip
_MONTHS = {
    "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11,
    "dec": 12, "янв": 1, "фев": 2, "мар": 3, "апр": 4, "мая": 5, "июн": 6, "июл": 7, "авг": 8, "сен": 9, "окт": 10,
    "ноя": 11, "дек": 12,
}  # fmt: skip
_NUMBERS = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "ten": 10, "couple": 2,
    "один": 1, "одну": 1, "пару": 2, "два": 2, "две": 2, "три": 3, "четыре": 4, "пять": 5, "шесть": 6, "десять": 10,
}  # fmt: skip
_MONTH_EN = r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b"
_MONTH_RU = r"(?P<month>января|февраля|марта|апреля|мая|июня|июля|августа|сентября|октября|ноября|декабря)\b"
_WEEKDAY_EN = r"(?P<weekday>monday|tuesday|wednesday|thursday|friday|saturday|sunday)\b"
_WEEKDAY_RU = r"(?P<weekday>понедельник[ау]?|вторник[ау]?|сред[ыеу]|четверг[ау]?|пятниц[ыеу]|суббот[ыеу]|воскресень[яею])\b"
_YEAR = r"(?:,? (?P<year>20\d\d))?"
_DAY = r"(?P<day>\d{1,2})"
_COUNT_EN = r"(?P<count>\d{1,3}|an?(?: couple of)?|one|two|three|four|five|six|ten)"
_COUNT_RU = r"(?P<count>\d{1,3}|один|одну|пару|два|две|три|четыре|пять|шесть|десять)?"


@dataclass(frozen=True, slots=True)
class DueDay:
    """A day that was said, and where it stands in the text."""

    day: dt.date
    start: int
    end: int


Resolve = Callable[["re.Match[str]", dt.date], dt.date | None]


def read_days(text: str, said_on: dt.date) -> list[DueDay]:
    """The days from the day of the message on that a text names, in the order in which they stand there."""
    found: list[DueDay] = []
    for start, end, day in _named(text.translate(_ALIKE), said_on):
        inside = any(start < each.end and each.start < end for each in found)
        if not inside and said_on <= day <= said_on + FURTHEST:
            found.append(DueDay(day, start, end))
    return sorted(found, key=lambda each: each.start)


def _named(text: str, said_on: dt.date) -> Iterator[tuple[int, int, dt.date]]:
    for pattern, resolve in _FORMS:
        for match in pattern.finditer(text):
            try:
                day = resolve(match, said_on)
            except (ValueError, OverflowError):
                # The 31st of a month of thirty days, a year beyond the calendar: no day.
                continue
            if day is not None:
                yield match.start(), match.end(), day


def _after(days: int) -> Resolve:
    return lambda _match, said_on: said_on + dt.timedelta(days=days)


def _week_end(said_on: dt.date, weeks: int = 0) -> dt.date:
    """The Friday of a week; of this week its Sunday when Friday is over."""
    day = said_on + dt.timedelta(days=_FRIDAY - said_on.weekday() + 7 * weeks)
    return day if day >= said_on else day + dt.timedelta(days=2)


def _of_week(weeks: int) -> Resolve:
    return lambda _match, said_on: _week_end(said_on, weeks)


def _month_end(months: int) -> Resolve:
    def resolve(_match: re.Match[str], said_on: dt.date) -> dt.date:
        return _add_months(said_on.replace(day=1), months, last=True)

    return resolve


def _add_months(day: dt.date, months: int, *, last: bool = False) -> dt.date:
    place = day.year * 12 + day.month - 1 + months
    year, month = divmod(place, 12)
    length = calendar.monthrange(year, month + 1)[1]
    return dt.date(year, month + 1, length if last else min(day.day, length))


def _weekday(match: re.Match[str], said_on: dt.date) -> dt.date:
    wanted = _WEEKDAYS[match["weekday"].lower()[:3]]
    if match.groupdict().get("next"):
        return said_on + dt.timedelta(days=7 - said_on.weekday() + wanted)
    ahead = (wanted - said_on.weekday()) % 7
    return said_on + dt.timedelta(days=ahead or 7)


def _in(match: re.Match[str], said_on: dt.date) -> dt.date:
    written = (match["count"] or "one").lower().split()
    count = (
        int(written[0])
        if written[0].isdigit()
        else max(_NUMBERS[word] for word in written if word in _NUMBERS)
    )
    unit = match["unit"].lower()
    if unit.startswith(("month", "мес")):
        return _add_months(said_on, count)
    return said_on + dt.timedelta(days=count * (7 if unit.startswith(("week", "нед")) else 1))


def _day_and_month(match: re.Match[str], said_on: dt.date) -> dt.date | None:
    named = match["month"]
    month = int(named) if named.isdigit() else _MONTHS[named.lower()[:3]]
    if match["year"]:
        return dt.date(int(match["year"]), month, int(match["day"]))
    day = dt.date(said_on.year, month, int(match["day"]))
    if day >= said_on:
        return day
    return None if (said_on - day).days <= _PAST_DAYS else day.replace(year=day.year + 1)


def _day_of_month(match: re.Match[str], said_on: dt.date) -> dt.date:
    day = int(match["day"])
    return (said_on if day >= said_on.day else _add_months(said_on.replace(day=1), 1)).replace(day=day)


def _form(pattern: str, resolve: Resolve) -> tuple[re.Pattern[str], Resolve]:
    return re.compile(rf"(?<![\w.]){pattern}", re.IGNORECASE), resolve


_ALIKE = str.maketrans({"ё": "е", "Ё": "Е", "’": "'"})
# In the order in which they win: a longer form before a shorter one that stands inside of it.
_FORMS: tuple[tuple[re.Pattern[str], Resolve], ...] = (
    _form(r"(?P<year>20\d\d)-(?P<month>\d\d)-(?P<day>\d\d)\b", _day_and_month),
    _form(rf"{_DAY}(?:st|nd|rd|th)?(?: of)? {_MONTH_EN}{_YEAR}", _day_and_month),
    _form(rf"{_MONTH_EN} (?:the )?{_DAY}(?:st|nd|rd|th)?\b{_YEAR}", _day_and_month),
    _form(rf"{_DAY}(?:-?го|-?е)? {_MONTH_RU}{_YEAR}", _day_and_month),
    _form(r"(?P<day>\d{1,2})\.(?P<month>0[1-9]|1[0-2])\.(?P<year>20\d\d)(?![\d.]*\d)", _day_and_month),
    # Without a year a number with a point is a day only after a word for one.
    _form(
        r"(?:до|к|на|by|on|due) (?P<day>\d{1,2})\.(?P<month>0[1-9]|1[0-2])(?P<year>)(?![\d.]*\d)", _day_and_month
    ),
    _form(r"(?:the )?day after tomorrow\b|послезавтра\b", _after(2)),
    _form(r"(?:tomorrow|завтра(?:шн\w+)?)\b", _after(1)),
    _form(r"(?:today|tonight|(?:the )?end of (?:the )?day|eod|сегодня|до конца дня|к вечеру)\b", _after(0)),
    _form(r"(?:(?:the )?end of )?next month\b|(?:до конца |в )следующе(?:го|м) месяц[ае]\b", _month_end(1)),
    _form(r"(?:the )?end of (?:the |this )?month\b|(?:до|к) конц[ау] (?:этого )?месяца\b", _month_end(0)),
    _form(r"(?:(?:the )?end of )?next week\b|(?:на следующей неделе|до конца следующей недели)\b", _of_week(1)),
    _form(r"(?:(?:the )?end of (?:the |this )?|this )week\b|(?:на этой неделе|(?:до|к) конц[ау] (?:этой )?недели)\b", _of_week(0)),
    _form(rf"(?:in|within) {_COUNT_EN} (?P<unit>days?|weeks?|months?)\b", _in),
    _form(rf"(?:через|в течение|за) {_COUNT_RU} ?(?P<unit>день|дня|дней|недел[июья]|месяц[аев]*)\b", _in),
    _form(rf"(?P<next>next ){_WEEKDAY_EN}", _weekday),
    _form(rf"(?:by|on|before|until|till|this|come|for) (?:this |the )?{_WEEKDAY_EN}", _weekday),
    _form(rf"(?:в|во|к|до) (?P<next>следующ\w+ ){_WEEKDAY_RU}", _weekday),
    _form(rf"(?:в|во|к|ко|до) (?:эт\w+ |ближайш\w+ )?{_WEEKDAY_RU}(?! (?:разработк|тестирован|исполнен)\w*)", _weekday),
    _form(rf"(?:by|before|on) the {_DAY}(?:st|nd|rd|th)\b", _day_of_month),
    _form(rf"(?:к|до) {_DAY}-?(?:му|го)\b", _day_of_month),
)  # fmt: skip
# Part of what makes a message read again when the forms change.
RULES = "\n".join(pattern.pattern for pattern, _ in _FORMS)
