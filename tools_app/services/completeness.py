"""How complete the copy is, as the vendors say: figures, and asking for work on them. The ids are in `differences`.

Figures stay inside the caller's projects; a comparison or a repair is about the whole connection.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Literal

from sqlmodel import Session

from models.infra.clock import utcnow
from models.infra.database import reading
from models.infra.scope import Scope
from models.queries import completeness as queries
from models.queries import connector_overview as overview
from models.queries import runs_overview
from models.queries.completeness_trend import CompletenessPoint, list_trends
from tools_app.services.job_requests import RequestedRun, ask_for
from tools_app.services.run_views import progress_view
from tools_app.services.views import RunProgress, SessionView

TREND = dt.timedelta(days=30)
# The jobs that compare and mend.
WORK = ("reconcile", "repair")


@dataclass(frozen=True, slots=True)
class CompletenessRow:
    """The newest comparison of one stream. `completeness_pct` is 0..100 and null while `state` is unknown.

    `delta` is local minus vendor rows. `empty` means that the vendor has nothing of the stream: complete by definition. `age_s` is the age of the last
    figure in seconds, also while the newest one is unknown; null when there never was one. `unknown_since` is the time
    of that figure, and null while the state is known. `stale` is null unless
    contents were compared; `method` `counts` compares numbers alone. `trend` are the comparisons of the last 30 days
    whose figure differs from the one before, with the first and the newest, oldest first.
    """

    connection_id: str
    connector: str
    stream: str
    state: Literal["measured", "empty", "unknown"]
    method: str
    completeness_pct: float | None
    vendor_count: int | None
    local_count: int | None
    missing: int | None
    extra: int | None
    stale: int | None
    duplicates: int | None
    ids_seen: int | None
    error_code: str
    measured_at: dt.datetime
    age_s: float | None
    known_at: dt.datetime | None = None
    unknown_since: dt.datetime | None = None
    delta: int | None = None
    trend: tuple[CompletenessPoint, ...] = ()


@dataclass(frozen=True, slots=True)
class CompletenessBlock:
    """A connector's total and the streams it is made of; without any it was never compared.

    `completeness_pct` is what the trust bar says of the connector: over its streams' sums, None while one of
    them is unknown. `origins` are its connections' addresses by id. `job` runs or waits now, if any.
    """

    connector: str
    completeness_pct: float | None
    rows: tuple[CompletenessRow, ...]
    origins: dict[str, str]
    job: str = ""
    running: RunProgress | None = None


def list_completeness(scope: Scope) -> tuple[CompletenessRow, ...]:
    """The newest comparison of every stream that was compared, by connector and stream."""
    with reading() as session:
        return tuple(row for _, row in _rows(session, scope))


def completeness_blocks(scope: Scope) -> tuple[CompletenessBlock, ...]:
    """Completeness of every connector of the account scope, by name, counted inside the scope."""
    with reading() as session:
        connections = overview.list_connections(session, scope.account_scope_id)
        found = _rows(session, scope)
        work = [run for run in runs_overview.active_runs(session, scope) if run.job in WORK]
    blocks: list[CompletenessBlock] = []
    for connector in sorted({each.connector for each in connections}):
        origins = {str(each.id): each.base_url for each in connections if each.connector == connector}
        mine = [(facts, row) for facts, row in found if facts.connector == connector]
        # What runs before what waits.
        runs = sorted((run for run in work if run.subject in origins), key=lambda run: run.status == "queued")
        blocks.append(
            CompletenessBlock(
                connector,
                queries.total_of([facts for facts, _ in mine]).pct,
                tuple(row for _, row in mine),
                origins,
                runs[0].job if runs else "",
                progress_view(runs[0]) if runs else None,
            )
        )
    return tuple(blocks)


def _rows(session: Session, scope: Scope) -> list[tuple[queries.StreamCompleteness, CompletenessRow]]:
    now = utcnow()
    trends = list_trends(session, scope, now - TREND)
    return [
        (each, _row(each, now, trends.get((each.connection_id, each.stream), ())))
        for each in queries.list_completeness(session, scope)
    ]


def _row(
    facts: queries.StreamCompleteness, now: dt.datetime, trend: tuple[CompletenessPoint, ...]
) -> CompletenessRow:
    state = "unknown" if facts.pct is None else "measured" if facts.vendor_count else "empty"
    return CompletenessRow(
        connection_id=str(facts.connection_id),
        connector=facts.connector,
        stream=facts.stream,
        state=state,
        method=facts.method,
        completeness_pct=facts.pct,
        vendor_count=facts.vendor_count,
        local_count=facts.local_count,
        missing=facts.missing,
        extra=facts.extra,
        stale=facts.stale,
        duplicates=facts.duplicates,
        ids_seen=facts.ids_seen,
        error_code=facts.error_kind,
        measured_at=facts.measured_at,
        age_s=None if facts.known_at is None else max(0.0, (now - facts.known_at).total_seconds()),
        known_at=facts.known_at,
        unknown_since=facts.known_at if state == "unknown" else None,
        delta=None
        if facts.vendor_count is None or facts.local_count is None
        else facts.local_count - facts.vendor_count,
        trend=trend,
    )


def reconcile_now(session: SessionView, connector: str | None = None) -> tuple[RequestedRun, ...]:
    """Ask for a deep comparison of the connections (of a connector, if given). Raises NotFound without any."""
    return ask_for(session, "reconcile", connector)


def repair_now(session: SessionView, connector: str) -> tuple[RequestedRun, ...]:
    """Ask for the mending of what the newest comparison found. Raises NotFound when the scope has no connection."""
    return ask_for(session, "repair", connector)
