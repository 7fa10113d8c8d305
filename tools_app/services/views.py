"""View models: what services hand to pages and API, and all that a page needs to draw itself.

Views carry values and codes, never interface text: the reader's language turns a code into words
(`tools_app.i18n`), so one cached view serves every language. A value that is not known is `None`; a page then
says so and shows no zero and no guess. Every figure carries `records_query`, the query string of `/records`
that lists the records it was computed from ("" when the figure is not made of records).
Instants are aware UTC datetimes, money is in units of `currency`, shares are percentages 0..100.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

Unit = Literal["count", "percent", "hours", "days", "money"]
Better = Literal["up", "down", "neutral"]
ChartKind = Literal["line", "bar", "stacked", "hbar"]
XKind = Literal["day", "week", "month", "category"]
ConnectorState = Literal["ok", "syncing", "late", "failing", "never"]
RunStatus = Literal["queued", "running", "succeeded", "partial", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class SessionView:
    """Who is asking. `account_scope_id` bounds everything this session may read.

    A program asks with an API key: `key_id` names it, `limited_to` are the ids of the projects it is limited to (None:
    all of the account scope), `read_only` says that it changes nothing.
    """

    session_id: str
    user: str
    csrf_token: str
    account_scope_id: str
    active_project_id: str | None = None
    key_id: str | None = None
    read_only: bool = False
    limited_to: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ProjectOption:
    """One entry of the project sidebar. `is_unassigned` marks the project of records that no rule took."""

    id: str
    slug: str
    name: str
    is_unassigned: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with the records behind it. `value` is None when it is not known."""

    value: float | None
    unit: Unit = "count"
    currency: str = ""
    records_query: str = ""


@dataclass(frozen=True, slots=True)
class TileView:
    """A highlight. `key` names its texts (`tile.<key>.title`, `.note`); `previous` is the same figure one period
    earlier (None: not compared), `better` says which direction is good news. `page` is where the tile leads when that
    is not its list of records, `anchor` the part of that page. `is_unknown`: the figure could be had before, `known_at`
    last (None: never).
    """

    key: str
    figure: Figure
    previous: float | None = None
    better: Better = "neutral"
    trend: tuple[float, ...] = ()
    page: str = ""
    anchor: str = ""
    is_unknown: bool = False
    known_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PointView:
    """One mark of a chart. `x` is an ISO date (the first day of a week or month) or a category's label."""

    x: str
    value: float | None
    records_query: str = ""


@dataclass(frozen=True, slots=True)
class SeriesView:
    """One series. Its name is `label` when it comes from data, else the text `chart.<chart>.<key>`."""

    key: str
    points: tuple[PointView, ...]
    label: str = ""


@dataclass(frozen=True, slots=True)
class ChartView:
    """One chart, one question (`chart.<key>.title`). All series share the same `x` values in the same order.
    Without data `series` is empty and the text `chart.<key>.empty` says what to do.
    """

    key: str
    kind: ChartKind
    x_kind: XKind
    series: tuple[SeriesView, ...]
    unit: Unit = "count"
    currency: str = ""


@dataclass(frozen=True, slots=True)
class ProjectRow:
    """One line of the per-project table; money is in the base currency of the scope."""

    slug: str
    name: str
    messages_7d: Figure
    waiting: Figure
    reply_hours: Figure
    open_issues: Figure
    overdue_issues: Figure
    open_deals: Figure
    pipeline: Figure
    last_activity_at: datetime | None = None
    is_unassigned: bool = False


@dataclass(frozen=True, slots=True)
class SourceTrust:
    """How far one connector's copy can be trusted. `completeness_pct` is None until it has been measured, and while
    `is_unknown`: then a stream could not be compared, and `known_at` is when it could last (None: never).
    """

    connector: str
    state: ConnectorState
    last_success_at: datetime | None
    rows: int
    completeness_pct: float | None = None
    measured_at: datetime | None = None
    is_unknown: bool = False
    known_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LowStream:
    """A stream whose completeness is below CONNECTOR_RECONCILIATION_MIN_COMPLETENESS_PCT, in percent."""

    connector: str
    stream: str
    pct: float


@dataclass(frozen=True, slots=True)
class TrustView:
    """The trust bar: the oldest success among the sources, each source, what failed and is not resolved.

    `completeness_pct` is that of the weakest source. It is None while a source `is_unknown` (`known_at` is then the
    oldest last figure among those) or has not been measured yet. `low` are the streams that miss the minimum, worst first.
    """

    updated_at: datetime | None
    sources: tuple[SourceTrust, ...]
    error_count: int
    completeness_pct: float | None = None
    is_unknown: bool = False
    known_at: datetime | None = None
    low: tuple[LowStream, ...] = ()


@dataclass(frozen=True, slots=True)
class ControlTowerView:
    """The dashboard of one project or of all projects of the scope."""

    tiles: tuple[TileView, ...]
    trust: TrustView
    charts: tuple[ChartView, ...]
    projects: tuple[ProjectRow, ...]
    base_currency: str
    generated_at: datetime
    # Amounts that no exchange rate covers stay out of the totals and are shown beside them.
    unconverted: tuple[Figure, ...] = ()


@dataclass(frozen=True, slots=True)
class StreamRow:
    """One stream of a connector: live rows of the local copy, errors not resolved, when it last moved."""

    stream: str
    rows: int
    errors: int
    synced_at: datetime | None
    records_query: str = ""


@dataclass(frozen=True, slots=True)
class RunProgress:
    """Where a running job stands. `eta_s` is None and `total` 0 while nobody can know."""

    run_id: str
    stream: str = ""
    page: int = 0
    rows: int = 0
    eta_s: float | None = None
    status: RunStatus = "running"
    total: int = 0


@dataclass(frozen=True, slots=True)
class ConnectorCard:
    """One vendor connection. `error_code` names the last failure (`connector_error.<code>`).

    `lag_s` are the seconds since the last success, to be held against `cadence_s`, how often a sync has its turn; null
    before the first success, and where no schedule is kept or the connection is switched off.
    """

    connection_id: str
    connector: str
    origin: str
    state: ConnectorState
    last_success_at: datetime | None
    next_run_at: datetime | None
    streams: tuple[StreamRow, ...]
    error_count: int
    error_code: str = ""
    error_at: datetime | None = None
    running: RunProgress | None = None
    circuit_open: bool = False
    lag_s: float | None = None
    cadence_s: int | None = None


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """One failed unit of work: a record by its vendor id, or a whole stream (`unit` is then "stream")."""

    error_id: str
    connector: str
    stream: str
    unit: str
    kind: str
    message: str
    status: str
    attempt: int
    next_retry_at: datetime | None
    failed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RunRow:
    """One finished or running job. Counts are rows (sync), records that differ (comparison), units (retry) or chunks
    (indexing).
    """

    run_id: str
    job: str
    subject: str
    status: RunStatus
    started_at: datetime | None
    duration_s: float | None
    fetched: int = 0
    written: int = 0
    unchanged: int = 0
    deleted: int = 0
    failed: int = 0
    embedded: int = 0
    missing: int = 0
    extra: int = 0
    stale: int = 0
    unknown: int = 0
    resolved: int = 0
    waiting: int = 0
    requested_by: str = ""
    error_code: str = ""


@dataclass(frozen=True, slots=True)
class IndexCoverage:
    """How much can be found: by words (`chunks`) and by meaning (`embedded` of `chunks`)."""

    chunks: int
    embedded: int
    pending: int
    failed: int
    model_key: str = ""


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One queue: jobs that wait, and workers that listen."""

    name: str
    waiting: int
    workers: int


@dataclass(frozen=True, slots=True)
class RecordRow:
    """One vendor record in a drill-down list. `status` is the vendor's own word for the record's state."""

    id: str
    source_type: str
    project_slug: str
    project_name: str
    title: str
    snippet: str
    author: str
    status: str
    occurred_at: datetime | None
    url: str
    due_on: date | None = None
    amount: float | None = None
    currency: str = ""
    # The record's own contribution when the figure is a sum, a mean or a median (hours of a reply, days late).
    value: float | None = None
    unit: Unit = "count"


@dataclass(frozen=True, slots=True)
class RecordsView:
    """The records behind one number. `set_code` names the set (`records.<set_code>.title`), `params` narrow it
    (week, project, stage …), `figure` is the number itself, computed from exactly these records.
    """

    set_code: str
    params: dict[str, str]
    figure: Figure
    total: int
    items: tuple[RecordRow, ...]
    next_cursor: str | None = None
