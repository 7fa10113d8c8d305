"""The board: every figure of the dashboard in one read, from the materialized view that the end of a sync refreshes.

`mv_portfolio_dashboard` holds the figures of the record sets by project, bucket and series; what depends on the minute
(ages, the running day) is derived here. Until its first refresh the same figures come from the views it is made of, so
a board is always there. Predicates are those of `record_sets`: a test compares them set by set.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlmodel import Session

from models.infra.ids import ProjectId
from models.infra.scope import Scope
from models.queries.moment import Moment
from models.queries.record_figures import GroupBy, GroupFigure, figures
from models.queries.record_sets import WEEKS

# What stands for "all projects of the account scope" in the view.
EVERYBODY = UUID(int=0)
_SEVEN = dt.timedelta(days=7)

_READ = """
SELECT project_id, code, bucket, series, value, records, latest FROM {figures}
WHERE account_scope_id = :scope AND project_id = ANY(:projects) AND code = ANY(:codes)
"""
_MINUTE = """
UNION ALL
SELECT project_id, 'waiting', CASE WHEN since > :now - interval '24 hours' THEN 'under_1d'
       WHEN since > :now - interval '72 hours' THEN '1_3d' WHEN since > :now - interval '168 hours' THEN '3_7d'
       ELSE 'over_7d' END, '', NULL, count(*), NULL
FROM {waiting} WHERE account_scope_id = :scope AND project_id = ANY(:projects) GROUP BY 1, 3
UNION ALL
SELECT project_id, 'messages_partial', '', '', NULL, count(*), NULL
FROM cw_messages
WHERE account_scope_id = :scope AND project_id = ANY(:projects) AND deleted_at IS NULL AND NOT private
  AND message_type IN (0, 1) AND sent_at >= :day_began AND sent_at < :week_ago
GROUP BY 1
"""
_POPULATED = text("SELECT relispopulated FROM pg_class WHERE oid = to_regclass('mv_portfolio_dashboard')")
STREAM_CODES = ("stream",)
ALL_CODES = (
    "messages_weekly", "messages_daily", "open_issues", "issues_created", "issues_completed", "open_deals", "pipeline",
    "first_response", "stream", "activity",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class BoardRow:
    """One stored figure: `records` rows, their `value` where the set has one, the `latest` instant among them."""

    project_id: UUID
    bucket: str
    series: str
    value: float | None
    records: int
    latest: dt.datetime | None = None


@dataclass(slots=True)
class Board:
    """The figures of a scope at a moment. Read it with `read_board`; it is bound to its reading session."""

    session: Session
    scope: Scope
    moment: Moment
    is_whole: bool
    is_stored: bool
    rows: Mapping[str, Sequence[BoardRow]] = field(default_factory=dict[str, Sequence[BoardRow]])

    def figures(
        self, code: str, by: Sequence[GroupBy] = (), where: Mapping[str, str] | None = None
    ) -> list[GroupFigure]:
        """What `record_figures.figures` answers for the same arguments, without another query."""
        if code == "first_response":
            return self._medians(by)
        chosen = self._derived(code)
        if where:
            chosen = [each for each in chosen if each.series == where.get("currency", each.series)]
        groups: dict[tuple[Any, ...], list[BoardRow]] = {}
        for each in chosen:
            key = tuple(getattr(each, name) for name in by)
            groups.setdefault(key, []).append(each)
        if not by and not groups:
            return [GroupFigure(0.0 if code != "pipeline" else None, 0)]
        return [self._sum(code, by, key, members) for key, members in sorted(groups.items())]

    def figure(self, code: str) -> GroupFigure:
        """The figure of a whole set."""
        return self.figures(code)[0]

    def streams(self) -> Mapping[tuple[str, str], tuple[int, dt.datetime | None]]:
        """Live rows and the newest write by (connection id, stream)."""
        found: dict[tuple[str, str], tuple[int, dt.datetime | None]] = {}
        for each in self.rows.get("stream", ()):
            count, latest = found.get((each.series, each.bucket), (0, None))
            newest = max((at for at in (latest, each.latest) if at is not None), default=None)
            found[each.series, each.bucket] = (count + each.records, newest)
        return found

    def newest_activity(self) -> Mapping[UUID, dt.datetime]:
        """When something last happened in each project: its newest message, issue or deal change."""
        newest: dict[UUID, dt.datetime] = {}
        for each in self.rows.get("activity", ()):
            if each.latest is not None:
                newest[each.project_id] = max(each.latest, newest.get(each.project_id, each.latest))
        return newest

    def _sum(
        self, code: str, by: Sequence[GroupBy], key: tuple[Any, ...], members: Iterable[BoardRow]
    ) -> GroupFigure:
        records = sum(each.records for each in members)
        value = float(records)
        if code == "pipeline":
            value = sum(each.value or 0.0 for each in members)
        named = dict(zip(by, key, strict=True))
        project = named.get("project_id")
        return GroupFigure(
            value,
            records,
            None if project is None else ProjectId(project),
            named.get("bucket"),
            named.get("series"),
        )

    def _derived(self, code: str) -> Sequence[BoardRow]:
        """The rows of a set, from what is stored: days become the last seven, due dates become what is late today."""
        today = self.moment.today
        stored = self.rows.get
        if code in ("messages_weekly", "issues_created", "issues_completed"):
            first = self.moment.weeks(WEEKS)[0].isoformat()
            return [each for each in stored(code, ()) if each.bucket >= first]
        if code == "messages_7d":
            since = (today - dt.timedelta(days=6)).isoformat()
            return [each for each in stored("messages_daily", ()) if each.bucket >= since]
        if code == "messages_before_7d":
            since, until = (today - dt.timedelta(days=13)).isoformat(), (today - _SEVEN).isoformat()
            days = [each for each in stored("messages_daily", ()) if since <= each.bucket < until]
            return [*days, *stored("messages_partial", ())]
        if code == "waiting_conversations":
            return stored("waiting", ())
        late = [each for each in stored("open_issues", ()) if each.bucket and each.bucket < today.isoformat()]
        if code == "overdue_issues":
            return late
        if code == "overdue_or_blocked_issues":
            overdue = set(map(id, late))
            blocked = [
                each
                for each in stored("open_issues", ())
                if id(each) not in overdue and each.series == "blocked"
            ]
            return [*late, *blocked]
        if code in ("open_issues", "open_deals", "pipeline"):
            return stored(code, ())
        raise KeyError(code)

    def _medians(self, by: Sequence[GroupBy]) -> list[GroupFigure]:
        # A median of several projects is no sum of theirs: it is stored for one and for all, and else computed.
        one = len(self.scope.project_ids) == 1
        if not self.is_stored or not (one or self.is_whole or tuple(by) == ("project_id",)):
            return figures(self.session, self.scope, self.moment, "first_response", by)
        rows = self.rows.get("first_response", ())
        if tuple(by) == ("project_id",):
            return [
                GroupFigure(each.value, each.records, ProjectId(each.project_id))
                for each in rows
                if each.project_id != EVERYBODY and not each.bucket
            ]
        owner = self.scope.project_ids[0] if one else EVERYBODY
        mine = [each for each in rows if each.project_id == owner and bool(each.bucket) == bool(by)]
        if not by:
            return [GroupFigure(mine[0].value, mine[0].records)] if mine else [GroupFigure(None, 0)]
        ordered = sorted(mine, key=lambda each: each.bucket)
        return [GroupFigure(each.value, each.records, bucket=each.bucket) for each in ordered]


def read_board(
    session: Session,
    scope: Scope,
    moment: Moment,
    *,
    is_whole: bool = False,
    codes: Sequence[str] = ALL_CODES,
) -> Board:
    """The board of a scope; `is_whole` says that the scope holds every project of its account scope that is not archived.

    With fewer `codes` only those are read: `STREAM_CODES` is what connectors need.
    """
    stored, has_minute = is_populated(session), "messages_daily" in codes
    if not stored:
        session.execute(text("SELECT set_config('ct.as_of', :now, true)"), {"now": moment.now.isoformat()})
    bound: dict[str, Any] = {
        "scope": scope.account_scope_id,
        "projects": [*scope.project_ids, EVERYBODY] if is_whole else list(scope.project_ids),
        "codes": list(codes),
    }
    if has_minute:
        week_ago = moment.now - _SEVEN
        bound |= {
            "now": moment.now,
            "week_ago": week_ago,
            "day_began": moment.start_of(moment.today - _SEVEN),
        }
    rows: dict[str, list[BoardRow]] = {}
    found = session.execute(_statement(is_stored=stored, has_minute=has_minute), bound)
    for project_id, code, bucket, series, value, records, latest in found:
        kept = BoardRow(project_id, bucket, series, None if value is None else float(value), records, latest)
        rows.setdefault(code, []).append(kept)
    return Board(session, scope, moment, is_whole, stored, rows)


@lru_cache(maxsize=4)
def _statement(*, is_stored: bool, has_minute: bool) -> TextClause:
    relations = (
        {"figures": "mv_portfolio_dashboard", "waiting": "mv_waiting_conversations"}
        if is_stored
        else {"figures": "dashboard_figures", "waiting": "waiting_conversations"}
    )
    return text((_READ + (_MINUTE if has_minute else "")).format(**relations))


def is_populated(session: Session) -> bool:
    """Whether the materialized views hold anything yet; once they do, this is not asked again."""
    where = str(session.get_bind().url)  # pyright: ignore[reportAttributeAccessIssue]  # an Engine
    if where not in _populated and session.execute(_POPULATED).scalar():
        _populated.add(where)
    return where in _populated


_populated: set[str] = set()
