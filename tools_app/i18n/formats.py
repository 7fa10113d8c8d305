"""Numbers, money, durations and dates as text in the reader's language (Babel); unknown values as a dash."""

from __future__ import annotations

from datetime import date, datetime

from babel.dates import format_date, format_skeleton
from babel.numbers import format_compact_currency, format_compact_decimal, format_currency, format_decimal

from tools_app.i18n.catalogue import text

UNKNOWN = "—"
_COMPACT_FROM = 100_000


def number(locale: str, value: float | None) -> str:
    """A count or a measure, at most one decimal place; compact from 100,000 on."""
    if value is None:
        return UNKNOWN
    if abs(value) >= _COMPACT_FROM:
        return format_compact_decimal(value, locale=locale, fraction_digits=1)
    pattern = "#,##0" if float(value).is_integer() or abs(value) >= 100 else "#,##0.#"
    return format_decimal(value, format=pattern, locale=locale)


def whole(locale: str, value: int) -> str:
    """A count in full, never compact: for numbers that must add up."""
    return format_decimal(value, format="#,##0", locale=locale)


def percent(locale: str, value: float | None) -> str:
    """A share given as 0..100. 99.96 is never rounded up to 100: completeness must not look perfect."""
    if value is None:
        return UNKNOWN
    shown = value if value >= 100 else min(value, 99.9)
    return text(locale, "unit.percent", value=number(locale, shown))


def money(locale: str, value: float | None, currency: str, *, compact: bool = True) -> str:
    """An amount with its currency; compact from 100,000 on where `compact`."""
    if value is None:
        return UNKNOWN
    if compact and abs(value) >= _COMPACT_FROM:
        return format_compact_currency(value, currency, locale=locale, fraction_digits=1)
    pattern = "¤#,##0" if locale == "en" else "#,##0\xa0¤"
    return format_currency(value, currency, format=pattern, locale=locale, currency_digits=False)


def hours(locale: str, value: float | None) -> str:
    """A duration given in hours: minutes below one hour, days from two days on."""
    if value is None:
        return UNKNOWN
    if round(value * 60) < 60:
        return text(locale, "unit.minutes", value=number(locale, round(value * 60)))
    if value < 48:
        return text(locale, "unit.hours", value=number(locale, round(value, 1)))
    return days(locale, value / 24)


def days(locale: str, value: float | None) -> str:
    """A duration given in days."""
    return UNKNOWN if value is None else text(locale, "unit.days", value=number(locale, round(value, 1)))


def seconds(locale: str, value: float | None) -> str:
    """A duration given in seconds: one decimal below ten, minutes from two minutes on."""
    if value is None:
        return UNKNOWN
    if value < 120:
        return text(
            locale, "unit.seconds", value=number(locale, round(value, 1) if value < 10 else round(value))
        )
    return text(locale, "unit.minutes", value=number(locale, round(value / 60)))


def size(locale: str, value: float) -> str:
    """A size given in bytes, in the largest unit that leaves at least one: B, KB, MB, GB, TB of 1024 each."""
    units = ("b", "kb", "mb", "gb", "tb")
    power = 0
    while value >= 1024 and power < len(units) - 1:
        value, power = value / 1024, power + 1
    return text(locale, f"unit.{units[power]}", value=number(locale, round(value, 1)))


def quantity(locale: str, value: float | None, unit: str, currency: str = "", *, compact: bool = True) -> str:
    """A value in one of the units of the view models (count, percent, hours, days, money)."""
    if unit == "money":
        return money(locale, value, currency, compact=compact)
    formatter = {"percent": percent, "hours": hours, "days": days}.get(unit, number)
    return formatter(locale, value)


def day(locale: str, value: date | datetime | None) -> str:
    """A day without the year: 24 Nov, 24 нояб."""
    return UNKNOWN if value is None else format_skeleton("MMMd", _as_datetime(value), locale=_region(locale))


def full_day(locale: str, value: date | datetime | None) -> str:
    """A day with the year: 24 Nov 2026, 24 нояб. 2026 г."""
    return UNKNOWN if value is None else format_date(value, format="medium", locale=_region(locale))


def instant(locale: str, value: datetime | None) -> str:
    """A day and time of day in UTC, for titles of relative times."""
    return UNKNOWN if value is None else f"{full_day(locale, value)}, {value:%H:%M} UTC"


def _as_datetime(value: date | datetime) -> datetime:
    return value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)  # noqa: DTZ001 - a date has no zone


def _region(locale: str) -> str:
    # A European studio reads day before month.
    return "en_GB" if locale == "en" else locale


def parse_day(value: str) -> date | None:
    """The day of an ISO text, None when it is none."""
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None
