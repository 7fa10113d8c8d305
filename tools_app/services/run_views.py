"""Job runs turned into what pages show: progress of a running one, counts and duration of a finished one."""

from collections.abc import Mapping
from typing import Any

from models.queries.runs_overview import RunFacts
from tools_app.services.views import RunProgress, RunRow, RunStatus

_STATUS: Mapping[str, RunStatus] = {
    "queued": "queued",
    "running": "running",
    "succeeded": "succeeded",
    "failed": "failed",
    "skipped": "skipped",
}


def _number(values: Mapping[str, Any], name: str) -> int:
    value = values.get(name)
    return int(value) if isinstance(value, int | float) else 0


def run_status(run: RunFacts) -> RunStatus:
    """The status people see: a run that succeeded while some records failed is partial."""
    if run.status == "succeeded" and _number(run.counts, "failed"):
        return "partial"
    return _STATUS[run.status]


def progress_view(run: RunFacts) -> RunProgress:
    """Where a run stands, as its last progress said."""
    eta = run.progress.get("eta_s")
    return RunProgress(
        run_id=str(run.id),
        stream=str(run.progress.get("stream") or ""),
        page=_number(run.progress, "page"),
        rows=_number(run.progress, "rows"),
        eta_s=float(eta) if isinstance(eta, int | float) else None,
        total=_number(run.progress, "total"),
        status=run_status(run),
    )


def run_row(run: RunFacts) -> RunRow:
    """A line of the list of runs."""
    ended = run.finished_at
    duration = (
        (ended - run.started_at).total_seconds() if ended is not None and run.started_at is not None else None
    )
    return RunRow(
        run_id=str(run.id),
        job=run.job,
        subject=run.connector or run.subject,
        status=run_status(run),
        started_at=run.started_at or run.queued_at,
        duration_s=duration,
        fetched=_number(run.counts, "fetched"),
        written=_number(run.counts, "written"),
        unchanged=_number(run.counts, "unchanged"),
        deleted=_number(run.counts, "deleted"),
        failed=_number(run.counts, "failed"),
        embedded=_number(run.counts, "embedded"),
        missing=_number(run.counts, "missing"),
        extra=_number(run.counts, "extra"),
        stale=_number(run.counts, "stale"),
        unknown=_number(run.counts, "unknown"),
        resolved=_number(run.counts, "resolved"),
        waiting=_number(run.counts, "waiting"),
        requested_by=run.requested_by,
        error_code=run.error_code,
    )
