"""Turns outcomes into the report: recall, rank and refusals with their confidence intervals, as Markdown and JSON.

Pure. Each row of the table is a set of questions; held-out questions stand beside the development ones, so that a gap
between what was tuned on and what was not is visible.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from retrieval.evaluation import metrics
from retrieval.evaluation.metrics import Interval
from retrieval.evaluation.world import Outcome

K = 10
KINDS = ("fact", "commitment", "status", "cross-source", "person")


@dataclass(frozen=True, slots=True)
class Row:
    """Measures of one set of questions; all but ``questions`` and the latency are 0..1."""

    name: str
    questions: int
    recall: Interval
    reciprocal_rank: Interval
    ndcg: Interval
    refused_rightly: Interval
    refused_wrongly: Interval


@dataclass(frozen=True, slots=True)
class Report:
    """What one profile and mode came to."""

    profile: str
    mode: str
    rows: tuple[Row, ...]
    took_ms_p50: float
    took_ms_p95: float

    def as_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return asdict(self)


def summarise(outcomes: Sequence[Outcome], *, profile: str, mode: str) -> Report:
    """The report over all questions and over each language, half, kind and scope."""
    parts: list[tuple[str, Callable[[Outcome], bool]]] = [("all", lambda _: True)]
    parts += [(lang, _by_lang(lang)) for lang in ("en", "ru")]
    for held_out, half in ((False, "development"), (True, "held out")):
        parts.append((half, _by_half(held_out)))
        parts += [(f"{half}, {lang}", _both(_by_half(held_out), _by_lang(lang))) for lang in ("en", "ru")]
    parts += [(f"kind: {kind}", _by_kind(kind)) for kind in KINDS]
    parts += [(f"scope: {scope}", _by_scope(scope)) for scope in ("project", "portfolio")]
    times = [outcome.took_ms for outcome in outcomes]
    return Report(
        profile,
        mode,
        tuple(_row(name, [outcome for outcome in outcomes if belongs(outcome)]) for name, belongs in parts),
        metrics.percentile(times, 0.50),
        metrics.percentile(times, 0.95),
    )


def as_markdown(report: Report, failures: Sequence[Outcome] = ()) -> str:
    """The report for readers: the table, how to read it, and the development questions that were missed."""
    lines = [
        f"# Retrieval on the demo world: profile `{report.profile}`, mode `{report.mode}`",
        "",
        (
            f"Means with 95 % bootstrap intervals. recall@{K}: share of a question's evidence records among the first {K}"
            " records; MRR and nDCG likewise. *Refused rightly*: of the questions without an answer; *refused wrongly*: of"
            " those with one. Parameters were chosen on the development half only."
        ),
        "",
        f"| questions | n | recall@{K} | MRR | nDCG@{K} | refused rightly | refused wrongly |",
        "|---|---:|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.name} | {row.questions} | {_cell(row.recall)} | {_cell(row.reciprocal_rank)} | {_cell(row.ndcg)}"
        f" | {_cell(row.refused_rightly)} | {_cell(row.refused_wrongly)} |"
        for row in report.rows
    ]
    lines += ["", f"Time of one search: p50 {report.took_ms_p50:.0f} ms, p95 {report.took_ms_p95:.0f} ms."]
    if failures:
        lines += ["", f"## Development questions whose evidence was not among the first {K}", ""]
        lines += [
            f"- `{missed.question.id}` ({missed.question.kind}) {missed.question.question}"
            for missed in failures
        ]
    return "\n".join(lines) + "\n"


def missed(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Answerable development questions without any evidence among the first ``K``."""
    return [
        outcome
        for outcome in outcomes
        if outcome.question.answerable and not outcome.question.held_out and _recall(outcome) == 0
    ]


def _row(name: str, outcomes: Sequence[Outcome]) -> Row:
    answerable = [outcome for outcome in outcomes if outcome.question.answerable]
    unanswerable = [outcome for outcome in outcomes if not outcome.question.answerable]
    return Row(
        name,
        len(outcomes),
        metrics.interval([_recall(outcome) for outcome in answerable]),
        metrics.interval(
            [metrics.reciprocal_rank(_keys(outcome), _relevant(outcome)) for outcome in answerable]
        ),
        metrics.interval([metrics.ndcg_at(_keys(outcome), _relevant(outcome), K) for outcome in answerable]),
        metrics.interval([float(not outcome.answered) for outcome in unanswerable]),
        metrics.interval([float(not outcome.answered) for outcome in answerable]),
    )


def _recall(outcome: Outcome) -> float:
    return metrics.recall_at(_keys(outcome), _relevant(outcome), K)


def _keys(outcome: Outcome) -> list[str]:
    # A record may have several chunks: its first place counts.
    return list(dict.fromkeys(f"{kind}:{vendor_id}" for kind, vendor_id in outcome.ranked))


def _relevant(outcome: Outcome) -> frozenset[str]:
    return frozenset(f"{kind}:{vendor_id}" for kind, vendor_id in outcome.question.evidence)


def _by_lang(lang: str) -> Callable[[Outcome], bool]:
    return lambda outcome: outcome.question.lang == lang


def _by_half(held_out: bool) -> Callable[[Outcome], bool]:
    return lambda outcome: outcome.question.held_out is held_out


def _by_kind(kind: str) -> Callable[[Outcome], bool]:
    return lambda outcome: outcome.question.kind == kind


def _by_scope(scope: str) -> Callable[[Outcome], bool]:
    return lambda outcome: outcome.question.scope == scope


def _both(one: Callable[[Outcome], bool], other: Callable[[Outcome], bool]) -> Callable[[Outcome], bool]:
    return lambda outcome: one(outcome) and other(outcome)


def _cell(value: Interval) -> str:
    return f"{value.mean:.3f} ({value.low:.2f}–{value.high:.2f})" if value.count else "—"
