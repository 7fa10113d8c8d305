"""Time of the demo world: authored week offsets, the stored anchor, and dates spoken in texts.

The world is written in *notional minutes*: minutes of studio time before or after Monday 00:00 of the
anchor's week (at a weekend, of the week to come), so that order, ids and weekdays never depend on the day of the first run. A `Calendar`
turns them into instants for one anchor.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal, NewType
from zoneinfo import ZoneInfo

Notional = NewType("Notional", int)
Lang = Literal["en", "ru"]

STUDIO_ZONE: Final = ZoneInfo("Europe/Belgrade")
MINUTES_A_DAY: Final = 24 * 60
MINUTES_A_WEEK: Final = 7 * MINUTES_A_DAY

_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTHS: Final[dict[Lang, tuple[str, ...]]] = {
    "en": (
        "January", "February", "March", "April", "May", "June",
        "July", "August", "September", "October", "November", "December",
    ),
    "ru": (
        "января", "февраля", "марта", "апреля", "мая", "июня",
        "июля", "августа", "сентября", "октября", "ноября", "декабря",
    ),
}  # fmt: skip
_MOMENT: Final = re.compile(r"^w(-?\d+) (mon|tue|wed|thu|fri|sat|sun) (\d\d):(\d\d)$")
_DAY: Final = re.compile(r"^w(-?\d+)(?: (mon|tue|wed|thu|fri|sat|sun))?$")
_OFFSET: Final = re.compile(r"^(\d+)([mhd])$")
_SLOT: Final = re.compile(r"\{d (w-?\d+ (?:mon|tue|wed|thu|fri|sat|sun))\}")
_OFFSET_MINUTES: Final = {"m": 1, "h": 60, "d": MINUTES_A_DAY}


def parse_moment(text: str) -> Notional:
    """Minutes of `"w30 fri 10:14"`: Friday 10:14, 30 weeks before the anchor's week.

    Raises ValueError when the text has another form.
    """
    found = _MOMENT.match(text)
    if found is None:
        raise ValueError(f'expected a time like "w30 fri 10:14", found {text!r}')
    week, weekday, hour, minute = found.groups()
    return Notional(_day_minutes(week, weekday) + int(hour) * 60 + int(minute))


def parse_day(text: str, default_weekday: str = "mon") -> Notional:
    """Minutes of the start of `"w29 fri"`, or of `default_weekday` in `"w29"`. Raises ValueError."""
    found = _DAY.match(text)
    if found is None:
        raise ValueError(f'expected a day like "w29 fri", found {text!r}')
    week, weekday = found.groups()
    return Notional(_day_minutes(week, weekday or default_weekday))


def parse_offset(text: str) -> int:
    """Minutes of `"5m"`, `"2h"` or `"3d"`. Raises ValueError."""
    found = _OFFSET.match(text)
    if found is None:
        raise ValueError(f'expected an offset like "5m", "2h" or "3d", found {text!r}')
    return int(found.group(1)) * _OFFSET_MINUTES[found.group(2)]


def language_of(text: str, written_in: Lang) -> Lang:
    """The language whose month names suit a text, given the language its record declares.

    A Russian text keeps English tech words, so one Cyrillic letter suffices in a Russian record.
    """
    plain = _SLOT.sub("", text)
    cyrillic = len(re.findall(r"[А-Яа-яЁё]", plain))
    latin = len(re.findall(r"[A-Za-z]", plain))
    if written_in == "ru":
        return "en" if cyrillic == 0 and latin >= 8 else "ru"
    return "ru" if cyrillic > latin else "en"


def _day_minutes(week: str, weekday: str) -> int:
    return -int(week) * MINUTES_A_WEEK + _WEEKDAYS.index(weekday) * MINUTES_A_DAY


@dataclass(frozen=True, slots=True)
class Calendar:
    """Studio time as seen from one anchor (an aware instant, stored at the first run)."""

    anchor: datetime

    @property
    def monday(self) -> date:
        """The Monday that weeks are counted from: of the anchor's week, or of the next one at a weekend.

        The last days before it are written as working days; on a Saturday the week that ends must be they.
        """
        shifted = self.anchor.astimezone(STUDIO_ZONE).date() + timedelta(days=2)
        return shifted - timedelta(days=shifted.weekday())

    def instant(self, at: Notional) -> datetime:
        """The UTC instant of a notional minute; wall-clock times keep across daylight saving."""
        local = datetime.combine(self.monday, time()) + timedelta(minutes=at)
        return local.replace(tzinfo=STUDIO_ZONE).astimezone(UTC)

    def day(self, at: Notional) -> date:
        """The studio's calendar date of a notional minute."""
        return self.monday + timedelta(days=at // MINUTES_A_DAY)

    def render(self, text: str, written_in: Lang) -> str:
        """Text with its `{d w29 fri}` slots as "24 May" or "24 мая"."""
        if "{d " not in text:
            return text
        lang = language_of(text, written_in)

        def spoken(match: re.Match[str]) -> str:
            day = self.day(parse_day(match.group(1)))
            return f"{day.day} {_MONTHS[lang][day.month - 1]}"

        return _SLOT.sub(spoken, text)
