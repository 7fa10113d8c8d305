"""The instant a figure is computed at, in the zone of its account scope: what "today" and "this week" mean."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Date, cast, func
from sqlalchemy.orm import Mapped


@dataclass(frozen=True, slots=True)
class Moment:
    """`now` is an aware UTC instant, `zone` an IANA name. Weeks start on Monday (ISO 8601)."""

    now: dt.datetime
    zone: str

    @property
    def today(self) -> dt.date:
        """The calendar day in the scope's zone."""
        return self.now.astimezone(ZoneInfo(self.zone)).date()

    def start_of(self, day: dt.date) -> dt.datetime:
        """The instant a local day begins. Where midnight is skipped by a clock change, the first instant after it."""
        return dt.datetime.combine(day, dt.time(), ZoneInfo(self.zone)).astimezone(dt.UTC)

    def weeks(self, count: int) -> list[dt.date]:
        """The Mondays of the last `count` weeks, oldest first, the current week last."""
        monday = self.today - dt.timedelta(days=self.today.weekday())
        return [monday - dt.timedelta(weeks=back) for back in range(count - 1, -1, -1)]

    def week_of(self, instant: ColumnElement[Any] | Mapped[Any]) -> ColumnElement[dt.date]:
        """SQL: the Monday of the local week of a timestamptz."""
        return cast(func.date_trunc("week", func.timezone(self.zone, instant)), Date)
