"""Completeness in words: every connector's total and, stream by stream, the counts it is made of, so that it can be recomputed."""

from __future__ import annotations

from dataclasses import dataclass, field

from tools_app.components.connector_card import progress_words
from tools_app.components.geometry import trend_path
from tools_app.i18n import formats
from tools_app.i18n.catalogue import text, text_or
from tools_app.services.completeness import CompletenessBlock, CompletenessRow
from tools_app.services.views import RunProgress

# The lower edge of a trend, in percent; a figure below it takes its place.
_FLOOR = 99.0
COUNTS = ("vendor", "here", "missing", "extra", "stale")


@dataclass(frozen=True, slots=True)
class Count:
    """One number of a stream. `differs` asks for attention, `name` is the text key of its column."""

    name: str
    label: str
    value: str
    differs: bool


@dataclass(frozen=True, slots=True)
class CompletenessLine:
    """One stream ready to be shown. `why` and `known_iso` are for a figure that is unknown, `csv` leads to the ids."""

    id: str
    name: str
    note: str
    value: str
    tone: str
    counts: tuple[Count, ...]
    measured_iso: str
    known_iso: str
    why: str
    trend: str
    trend_words: str
    csv: str


@dataclass(frozen=True, slots=True)
class Completeness:
    """A connector ready to be shown. `run_id` and `progress` are empty while nothing compares or mends."""

    connector: str
    name: str
    total: str
    tone: str
    differs: bool
    lines: tuple[CompletenessLine, ...] = field(default=())
    job: str = ""
    run_id: str = ""
    progress: str = ""


def present(block: CompletenessBlock, locale: str, project: str) -> Completeness:
    """A connector in the reader's language. `project` is the slug (or `all`) whose ids the CSV lists."""
    unknown = any(row.completeness_pct is None for row in block.rows)
    otherwise = text(locale, "unit.unknown" if unknown else "unit.not_measured")
    return Completeness(
        connector=block.connector,
        name=text_or(locale, f"connector.{block.connector}", block.connector),
        total=otherwise
        if block.completeness_pct is None
        else formats.percent(locale, block.completeness_pct),
        tone=_tone(block.completeness_pct),
        differs=any(_differences(row) for row in block.rows),
        lines=tuple(_line(row, block, locale, project) for row in block.rows),
        job=block.job,
        run_id=block.running.run_id if block.running else "",
        progress=work_words(block.job, block.running, locale) if block.running else "",
    )


def work_words(job: str, progress: RunProgress, locale: str) -> str:
    """What a comparison or a repair does now, in words."""
    return f"{text_or(locale, f'job.{job}', job)} · {progress_words(progress, locale)}"


def _tone(pct: float | None) -> str:
    return "unknown" if pct is None else "full" if pct >= 100 else "part"


def _differences(row: CompletenessRow) -> int:
    return (row.missing or 0) + (row.extra or 0) + (row.stale or 0)


def _line(row: CompletenessRow, block: CompletenessBlock, locale: str, project: str) -> CompletenessLine:
    is_known = row.completeness_pct is not None
    notes = [
        block.origins.get(row.connection_id, "") if len(block.origins) > 1 else "",
        text(locale, "completeness.empty") if row.state == "empty" else "",
        text(locale, "completeness.by_counts") if row.method == "counts" else "",
    ]
    why = "" if is_known else row.error_code or "vendor_error"
    has_ids = row.method == "ids" and _differences(row) > 0
    return CompletenessLine(
        id=f"{row.connection_id}-{row.stream}",
        name=text_or(locale, f"stream.{row.stream}", row.stream),
        note=" · ".join(each for each in notes if each),
        value=formats.percent(locale, row.completeness_pct) if is_known else text(locale, "unit.unknown"),
        tone=_tone(row.completeness_pct),
        counts=tuple(_count(name, row, locale) for name in COUNTS),
        measured_iso=row.measured_at.isoformat(),
        known_iso=row.known_at.isoformat() if row.known_at and not is_known else "",
        why=text_or(locale, f"connector_error.{why}", why) if why else "",
        trend=trend_path([(each.measured_at.timestamp(), each.pct) for each in row.trend], _FLOOR),
        trend_words=_trend_words(row, locale),
        csv=f"/api/connectors/reconciliation/diff?format=csv&connector={row.connector}&stream={row.stream}&project_id={project}"
        if has_ids
        else "",
    )


def _count(name: str, row: CompletenessRow, locale: str) -> Count:
    value = {
        "vendor": row.vendor_count,
        "here": row.local_count,
        "missing": row.missing,
        "extra": row.extra,
        "stale": row.stale,
    }[name]
    # Contents are compared by a deep comparison alone: nothing was found because nobody looked.
    absent = "completeness.not_compared" if name == "stale" and row.completeness_pct is not None else ""
    return Count(
        name=name,
        label=text(locale, f"completeness.{name}"),
        value=text(locale, absent)
        if value is None and absent
        else formats.UNKNOWN
        if value is None
        else formats.whole(locale, value),
        differs=name in ("missing", "extra", "stale") and bool(value),
    )


def _trend_words(row: CompletenessRow, locale: str) -> str:
    known = [each.pct for each in row.trend if each.pct is not None]
    if not known:
        return ""
    return text(
        locale,
        "completeness.trend_words",
        day=formats.day(locale, row.trend[0].measured_at),
        lowest=formats.percent(locale, min(known)),
    )
