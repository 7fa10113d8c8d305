"""Runs become one table: every system on every set, per language, with how far hybrid is ahead of it. Pure.

Each row is a system on a part of a set (all of it, or one language; gold questions also by half). Its last columns are
the paired difference of hybrid to that system, so the best single search, the other ways of fusion and the predecessor
can all be read off one table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from retrieval.evaluation import metrics
from retrieval.evaluation.metrics import Difference, Interval, Refusals
from retrieval.evaluation.sets import LANGS, Case, JudgedSet
from retrieval.evaluation.systems import HYBRID, PREDECESSOR, SINGLE, Run

K = 10


@dataclass(frozen=True, slots=True)
class Row:
    """One system on one part of a set. ``ahead`` is hybrid's nDCG minus this system's; None for hybrid itself."""

    set: str
    part: str
    system: str
    questions: int
    ndcg: Interval
    recall: Interval
    reciprocal_rank: Interval
    support: Interval
    refusals: Refusals
    took_ms_p50: float
    took_ms_p95: float
    ahead: Difference | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """All rows of one set, and from which of its halves they come."""

    set: str
    about: str
    profile: str
    rows: tuple[Row, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    def row(self, part: str, system: str) -> Row:
        """The row of a part and a system. Raises StopIteration when there is none."""
        return next(row for row in self.rows if row.part == part and row.system == system)

    def best_single(self, part: str) -> Row:
        """The single search with the best nDCG on a part. Raises ValueError when none was measured."""
        return max(
            (row for row in self.rows if row.part == part and row.system in SINGLE),
            key=lambda row: row.ndcg.mean,
        )


def compare(judged: JudgedSet, runs: Mapping[str, Sequence[Run]], profile: str) -> Comparison:
    """The rows of a set whose cases were put to these systems, in the order of its cases."""
    rows: list[Row] = []
    for part, places in parts(judged).items():
        cases = [judged.cases[place] for place in places]
        ours = [runs[HYBRID][place] for place in places] if HYBRID in runs else None
        for system, answered in runs.items():
            rows.append(_row(judged.name, part, system, cases, [answered[place] for place in places], ours))
    return Comparison(judged.name, judged.about, profile, tuple(rows))


def parts(judged: JudgedSet) -> dict[str, list[int]]:
    """Places of the cases by part: all, each language, and the halves of a set that has both of them."""
    places = range(len(judged.cases))
    found: dict[str, list[int]] = {"all": list(places)}
    for lang in LANGS:
        found[lang] = [place for place in places if judged.cases[place].lang == lang]
    halves = {case.held_out for case in judged.cases}
    if halves == {True, False}:
        found["held out"] = [place for place in places if judged.cases[place].held_out]
        for lang in LANGS:
            found[f"held out, {lang}"] = [
                place for place in found["held out"] if judged.cases[place].lang == lang
            ]
    return {part: chosen for part, chosen in found.items() if chosen}


def scores(cases: Sequence[Case], runs: Sequence[Run]) -> list[float]:
    """NDCG at ``K`` of every answerable case."""
    return [
        metrics.ndcg_at(run.ranked, case.relevant, K)
        for case, run in zip(cases, runs, strict=True)
        if case.answerable
    ]


def _row(
    name: str,
    part: str,
    system: str,
    cases: Sequence[Case],
    runs: Sequence[Run],
    ours: Sequence[Run] | None,
) -> Row:
    pairs = [(case, run) for case, run in zip(cases, runs, strict=True) if case.answerable]
    cited = [(case, run.cited) for case, run in pairs if run.cited is not None]
    times = [run.took_ms for run in runs]
    own = scores(cases, runs)
    return Row(
        name,
        part,
        system,
        len(cases),
        metrics.interval(own),
        metrics.interval([metrics.recall_at(run.ranked, case.relevant, K) for case, run in pairs]),
        metrics.interval([metrics.reciprocal_rank(run.ranked, case.relevant) for case, run in pairs]),
        metrics.interval([float(not case.relevant.isdisjoint(records)) for case, records in cited]),
        metrics.refusals([run.answered for run in runs], [case.answerable for case in cases]),
        metrics.percentile(times, 0.50),
        metrics.percentile(times, 0.95),
        metrics.paired_bootstrap(scores(cases, ours), own) if ours is not None and system != HYBRID else None,
    )


def as_table(comparisons: Sequence[Comparison]) -> str:
    """The one table, in Markdown."""
    lines = [
        (
            f"| set | part | system | n | nDCG@{K} | recall@{K} | MRR | answer support | refusals P / R | p50 / p95 ms"
            " | hybrid is ahead by | relative |"
        ),
        "|---|---|---|---:|---|---|---|---|---|---|---|---|",
    ]
    lines += [_line(row) for comparison in comparisons for row in comparison.rows]
    return "\n".join(lines)


def as_markdown(comparisons: Sequence[Comparison], skipped: Mapping[str, str], head: str) -> str:
    """The report for readers: how it was made, the verdicts, the table and what was left out."""
    lines = ["# Retrieval compared", "", head, ""]
    lines += [f"- **{comparison.set}**: {comparison.about}" for comparison in comparisons]
    lines += [f"- **{name}**: left out, {reason}" for name, reason in skipped.items()]
    lines += ["", "## Verdicts", "", *(line for item in comparisons for line in verdicts(item))]
    lines += [
        "",
        "## Table",
        "",
        (
            "Means with 95 % bootstrap intervals over questions with an answer. *Answer support*: of the answers given, the share"
            " that quotes a relevant record. *Refusals*: precision and recall of refusing. *Hybrid is ahead by*: paired difference"
            " in nDCG of hybrid to the row's system, its 95 % interval, and the p-value of no difference."
        ),
        "",
        as_table(comparisons),
    ]
    return "\n".join(lines) + "\n"


def verdicts(comparison: Comparison) -> list[str]:
    """For every part of a set, what hybrid comes to against the best single search and the predecessor."""
    found: list[str] = []
    for part in dict.fromkeys(row.part for row in comparison.rows):
        rivals = {row.system for row in comparison.rows if row.part == part}
        if HYBRID not in rivals or not rivals & SINGLE:
            continue
        single = comparison.best_single(part)
        line = (
            f"- {comparison.set}, {part}: hybrid − best single ({single.system}) {_difference(single.ahead)}"
        )
        if PREDECESSOR in rivals:
            theirs = comparison.row(part, PREDECESSOR)
            line += f"; − predecessor {_difference(theirs.ahead)}{_relative(theirs, ' = ')}"
        found.append(line)
    return found


def _line(row: Row) -> str:
    refused = " / ".join(
        "—" if value is None else f"{value:.2f}" for value in (row.refusals.precision, row.refusals.recall)
    )
    return (
        f"| {row.set} | {row.part} | {row.system} | {row.questions} | {_interval(row.ndcg)} | {_interval(row.recall)}"
        f" | {_interval(row.reciprocal_rank)} | {_interval(row.support)} | {refused}"
        f" | {row.took_ms_p50:.0f} / {row.took_ms_p95:.0f} | {_difference(row.ahead)} | {_relative(row) or '—'} |"
    )


def _interval(value: Interval) -> str:
    return f"{value.mean:.3f} ({value.low:.2f}–{value.high:.2f})" if value.count else "—"


def _difference(value: Difference | None) -> str:
    if value is None or not value.count:
        return "—"
    return f"{value.mean:+.3f} ({value.low:+.3f}…{value.high:+.3f}, p {value.p_value:.3f})"


def _relative(row: Row, before: str = "") -> str:
    if row.ahead is None or not row.ndcg.mean:
        return ""
    return f"{before}{row.ahead.mean / row.ndcg.mean:+.0%}"
