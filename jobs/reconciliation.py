"""Compares the local copy of a connection with the vendor, stream by stream, and keeps what was found.

Completeness is 100 * |vendor and local| / |vendor|, in percent (connector-apis.md, section 5); of an empty vendor
100, of one that could not be read unknown. Reads only: mending is `jobs.repair`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rq.timeouts import JobTimeoutException
from sqlmodel import Session

from jobs import round_figures
from jobs.comparison import Figures, compare, sum_of
from jobs.connectors.errors import SURPRISES, CredentialsInvalid, SchemaChanged, VendorDown, VendorError
from jobs.crm_mirror import count_differences
from jobs.page_writer import SyncRun, table_of
from jobs.rounds import Position, keep_position, read_position
from jobs.sweep import PER_PARENT, WITH, Sweep
from jobs.sync import Progress, open_run
from models.infra import events
from models.infra.clock import utcnow
from models.infra.database import reading, transaction
from models.infra.ids import ConnectionId, ProjectId
from models.infra.logging import get_logger, request_id
from models.infra.settings import get_settings
from models.queries import reconciliation as queries
from models.queries.audit import add_audit_event
from models.queries.records import STREAM_TABLES

log = get_logger(__name__)

IDS_AT_MOST = 10_000
_IN_PARTS = ("messages", "attachments")
_KEEP = dt.timedelta(days=90)
# A pass that is not deep is satisfied with the vendor's own count above this many records of a stream, and with the
# last figure of a stream that costs a request a parent while it is younger than this.
_COUNT_ABOVE = 2_000
_FRESH = dt.timedelta(hours=20)
# The same for a stream that is big: it is left to the daily comparison unless that was missed.
_FRESH_IF_BIG = dt.timedelta(hours=25)


@dataclass(frozen=True, slots=True)
class StreamResult:
    """One stream's outcome. ``pct`` is 0..100, None when unknown; ``previous_pct`` the last figure before."""

    stream: str
    method: str
    pct: float | None
    previous_pct: float | None
    vendor_count: int | None
    local_count: int
    missing: int | None
    extra: int | None
    stale: int | None
    error: str | None = None
    # Differences in what this pass read; the other figures are of all parts where an account is read in parts.
    found: int = 0

    @property
    def delta(self) -> float | None:
        """Change of completeness since the last figure, in percentage points."""
        if self.pct is None or self.previous_pct is None:
            return None
        return self.pct - self.previous_pct


@dataclass(frozen=True, slots=True)
class ReconcileResult:
    """Outcome of a pass by stream; a stream that was fresh enough is left out."""

    connector: str
    streams: Mapping[str, StreamResult]
    requests: int
    # Conversations whose messages the next passes read, because they were too many for this one.
    unread: int = 0
    # Rows of the CRM tables that are not what the copy says; only a deep pass over Attio looks.
    mirror_differs: int = 0

    def counts(self) -> dict[str, Any]:
        """Return totals and figures per stream as plain JSON, for the job's row and its events."""
        found = self.streams.values()
        return {
            "measured": sum(each.pct is not None for each in found),
            "unknown": sum(each.pct is None for each in found),
            "missing": sum(each.missing or 0 for each in found),
            "extra": sum(each.extra or 0 for each in found),
            "stale": sum(each.stale or 0 for each in found),
            "requests": self.requests,
            "unread": self.unread,
            "mirror_differs": self.mirror_differs,
            "streams": {each.stream: {"pct": each.pct, "delta": each.delta} for each in found},
        }


def reconcile(
    connection_id: ConnectionId, deep: bool, progress: Callable[[Progress], None]
) -> ReconcileResult:
    """Compare every stream of a connection with the vendor and store one row a stream and one a project of it.

    ``deep`` compares contents too and reads everything; without it, big streams are compared by the vendor's
    count, and messages only when a round over them is under way (`jobs.rounds`) or their last figure is unknown or
    too old. What the vendor does not answer is stored as unknown. Raises NotFound for an unknown or disabled connection.
    """
    run = open_run(connection_id)
    with reading() as session:
        position = read_position(session, connection_id)
    sweep = Sweep(
        run,
        deep=_deep_streams(run, position, everything=deep),
        count_above=None if deep else _COUNT_ABOVE,
        position=position,
    )
    results: dict[str, StreamResult] = {}
    failed: dict[str, VendorError] = {}
    try:
        for stream in streams_of(run.connection.connector, run.connector.streams):
            if stream in PER_PARENT and stream not in sweep.deep:
                if _can_wait(sweep, stream, failed):
                    continue
                sweep.deepen_if_big(stream)
            measured_at = utcnow()
            error = _refusal(stream, failed) or _read(sweep, stream, progress)
            if error is not None:
                failed[stream] = error
            for each in (stream, *WITH.get(stream, ())):
                results[each] = _measure(sweep, each, measured_at, error)
            if stream in PER_PARENT and error is None:
                _keep_round(sweep, [results[each] for each in (stream, *WITH.get(stream, ()))])
    except JobTimeoutException:
        _leave_unknown(sweep, results, failed)
        raise
    finally:
        run.connector.close()
    unread = 0 if sweep.part is None else sweep.part.left
    differs = count_differences(connection_id) if deep and run.connection.connector == "attio" else 0
    return ReconcileResult(
        run.connection.connector, results, run.connector.requests_made, unread, mirror_differs=differs
    )


def _leave_unknown(
    sweep: Sweep, results: Mapping[str, StreamResult], failed: Mapping[str, VendorError]
) -> None:
    """Store that what a pass without time left did not reach is unknown: it must not go on showing its last figure."""
    late = VendorDown("the comparison did not come to its end in the time it has")
    connector = sweep.run.connection.connector
    for stream in streams_of(connector, sweep.run.connector.streams):
        if stream in PER_PARENT and stream not in sweep.deep and _can_wait(sweep, stream, failed):
            continue
        for each in (stream, *WITH.get(stream, ())):
            if each not in results:
                _measure(sweep, each, utcnow(), late)


def _deep_streams(run: SyncRun, position: Position, *, everything: bool) -> set[str]:
    """Return the streams whose contents are compared; a round that is under way is carried on by every pass."""
    streams = {*run.connector.streams} if everything else set[str]()
    if position.is_under_way:
        streams |= PER_PARENT.keys() & {*run.connector.streams}
    return streams | {child for stream in streams for child in WITH.get(stream, ())}


def _keep_round(sweep: Sweep, results: Sequence[StreamResult]) -> None:
    wrong = sum(each.found for each in results)
    with transaction() as session:
        keep_position(session, sweep.run.connection, sweep.position, sweep.part, wrong)


def streams_of(connector: str, streams: Sequence[str]) -> list[str]:
    """Return the streams that have a table to compare, in the order they are read."""
    return [stream for stream in streams if (connector, stream) in STREAM_TABLES]


def _refusal(stream: str, failed: Mapping[str, VendorError]) -> VendorError | None:
    """Return why a stream need not be asked for: the token was refused, or its parents could not be read."""
    for error in failed.values():
        if isinstance(error, CredentialsInvalid):
            return error
    return failed.get(PER_PARENT.get(stream, ""))


def _can_wait(sweep: Sweep, stream: str, failed: Mapping[str, VendorError]) -> bool:
    """Whether the last figure of a stream may stand: it is young, and the last sync left nothing of the stream unread."""
    if _refusal(stream, failed):
        return False
    fresh = _FRESH if sweep.seen(PER_PARENT[stream]).total is None else _FRESH_IF_BIG
    connection_id = sweep.run.connection.id
    with reading() as session:
        last = queries.latest_readings(session, connection_id).get(stream)
        if last is None or last.pct is None or utcnow() - last.measured_at >= fresh:
            return False
        return not queries.is_left_unread(session, connection_id, stream)


def _read(sweep: Sweep, stream: str, progress: Callable[[Progress], None]) -> VendorError | None:
    try:
        sweep.read(stream, progress)
    except VendorError as error:
        log.warning("stream not compared", stream=stream, kind=error.kind, error=str(error))
        return error
    except SURPRISES as error:
        # What the vendor sent surprised us: the figure is unknown, and the other streams need not suffer for it.
        log.exception("stream surprised the comparison", stream=stream)
        return SchemaChanged(stream, f"{type(error).__name__}: {error}")
    return None


def _measure(sweep: Sweep, stream: str, measured_at: dt.datetime, error: VendorError | None) -> StreamResult:
    """Compare what was read with what is here now, store it, and say it aloud when it fell too low."""
    run = sweep.run
    place = table_of(run, stream)
    deep = stream in sweep.deep
    part = sweep.part if error is None and stream in _IN_PARTS else None
    below = None if part is None else part.threads
    with transaction() as session:
        local = queries.read_inventory(session, place, run.connection.id, below=below)
        previous = queries.last_known_pct(session, run.connection.id, stream)
        parts: dict[ProjectId, Figures] = {}
        found = 0
        if error is not None:
            whole = _row(
                run, stream, measured_at, method="unknown", local_count=len(local), error_kind=error.kind
            )
        elif (total := sweep.seen(stream).total) is not None:
            whole = _counted(run, stream, measured_at, total, sum(held.listed for held in local.values()))
        else:
            seen = sweep.seen(stream)
            parts = compare(
                seen,
                frozenset(sweep.here(stream)),
                local,
                measured_at,
                run.router.unassigned,
                deep=deep,
            )
            found = sum(each.wrong for each in parts.values())
            if part is not None:
                round_figures.add_earlier(session, sweep, stream, part, parts, local)
            elif stream in _IN_PARTS:
                round_figures.forget(session, sweep, stream)
            whole = _figures_row(run, stream, measured_at, sum_of(parts.values(), deep=deep))
            whole["duplicates"] = queries.count_duplicates(session, place, run.connection.id)
        shares = [_share_row(run, stream, measured_at, project, each) for project, each in parts.items()]
        queries.add_metrics(session, [whole, *shares], keep=_KEEP)
        result = replace(_result(stream, whole, previous, error), found=found)
        alert = _record(session, run, result)
    if alert:
        events.publish("completeness_drop", alert)
    return result


def _row(run: SyncRun, stream: str, measured_at: dt.datetime, **values: Any) -> dict[str, Any]:
    return {
        "account_scope_id": run.connection.account_scope_id,
        "connection_id": run.connection.id,
        "stream": stream,
        "measured_at": measured_at,
        **values,
    }


def _figures_row(run: SyncRun, stream: str, measured_at: dt.datetime, figures: Figures) -> dict[str, Any]:
    here = figures.vendor - len(figures.missing)
    return _row(
        run,
        stream,
        measured_at,
        method="ids",
        vendor_count=figures.vendor,
        local_count=figures.local,
        missing=len(figures.missing),
        extra=len(figures.extra),
        stale=None if figures.stale is None else len(figures.stale),
        duplicates=0,
        completeness_pct=100.0 * here / figures.vendor if figures.vendor else 100.0,
        ids_seen=figures.vendor,
    )


def _share_row(
    run: SyncRun, stream: str, measured_at: dt.datetime, project: ProjectId, figures: Figures
) -> dict[str, Any]:
    """Return a project's row: its figures and its ids, sorted, IDS_AT_MOST of a kind."""
    missing = sorted(figures.missing.items())[:IDS_AT_MOST]
    return {
        **_figures_row(run, stream, measured_at, figures),
        "project_id": project,
        "missing_ids": dict(missing),
        "extra_ids": sorted(figures.extra)[:IDS_AT_MOST],
        "stale_ids": sorted(figures.stale or [])[:IDS_AT_MOST],
    }


def _counted(run: SyncRun, stream: str, measured_at: dt.datetime, total: int, local: int) -> dict[str, Any]:
    return _row(
        run,
        stream,
        measured_at,
        method="counts",
        vendor_count=total,
        local_count=local,
        missing=max(0, total - local),
        extra=max(0, local - total),
        completeness_pct=100.0 * min(total, local) / total if total else 100.0,
    )


def _result(
    stream: str, row: Mapping[str, Any], previous: float | None, error: VendorError | None
) -> StreamResult:
    return StreamResult(
        stream,
        row["method"],
        row.get("completeness_pct"),
        previous,
        row.get("vendor_count"),
        row["local_count"],
        row.get("missing"),
        row.get("extra"),
        row.get("stale"),
        str(error) if error else None,
    )


def _record(session: Session, run: SyncRun, result: StreamResult) -> dict[str, Any] | None:
    """Append the measurement to the audit trail, and a drop; return the alert to publish after the commit, if any."""
    facts: dict[str, Any] = {
        "connector": run.connection.connector,
        "stream": result.stream,
        "method": result.method,
        "completeness_pct": result.pct,
        "completeness_delta": result.delta,
        "missing": result.missing,
        "extra": result.extra,
        "stale": result.stale,
    }
    _audit(session, run, result, "reconciliation.measured", facts)
    minimum = get_settings().connector_reconciliation_min_completeness_pct
    if not _is_drop(result, minimum):
        return None
    alert = {**facts, "minimum_pct": minimum, "previous_pct": result.previous_pct}
    _audit(session, run, result, "completeness_drop", alert)
    return {
        **alert,
        "connection_id": str(run.connection.id),
        # Listeners show an event only to sessions of its account scope.
        "account_scope_id": str(run.connection.account_scope_id),
        "project_id": None,
    }


def _is_drop(result: StreamResult, minimum: float) -> bool:
    """Whether it fell below the minimum, or further below: an unchanged low figure is not told twice."""
    if result.pct is None or result.pct >= minimum:
        return False
    return result.previous_pct is None or result.previous_pct > result.pct


def _audit(session: Session, run: SyncRun, result: StreamResult, action: str, after: dict[str, Any]) -> None:
    add_audit_event(
        session,
        actor="system",
        action=action,
        entity_type="connection_stream",
        entity_id=f"{run.connection.id}:{result.stream}",
        account_scope_id=run.connection.account_scope_id,
        before=None if result.previous_pct is None else {"completeness_pct": result.previous_pct},
        after=after,
        request_id=request_id.get() or None,
    )
