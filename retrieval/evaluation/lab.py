"""What every notebook starts with: the world in the database at hand, its questions, and a folder for what comes out.

A notebook works on whatever `deploy.notebooks` points the settings to: the demo, or a small part of the world made for a
quick run. Sizes follow from the data, so that the same cells run on both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from IPython.display import Markdown

from models.infra.database import reading
from models.infra.scope import Scope
from retrieval import pipeline
from retrieval.evaluation import metrics, world
from retrieval.evaluation.comparison import K
from retrieval.evaluation.datasets import GoldQuestion, all_questions
from retrieval.evaluation.metrics import Interval
from retrieval.evaluation.run import SCOPE_SLUG, IndexIncomplete
from retrieval.evaluation.sets import JudgedSet, world_set
from retrieval.evaluation.systems import Run
from retrieval.evaluation.world import WorldMissing, WorldScope
from retrieval.profile import Profile, load_profile


@dataclass(frozen=True, slots=True)
class Lab:
    """The world as a notebook sees it; ``questions`` are those whose project is in the database."""

    world: WorldScope
    questions: tuple[GoldQuestion, ...]
    profile: Profile
    folder: Path

    @property
    def everything(self) -> Scope:
        """The scope of all projects."""
        return Scope.of(self.world.account_scope_id, self.world.projects.values())

    @property
    def development(self) -> tuple[GoldQuestion, ...]:
        """The questions that something may be chosen on."""
        return tuple(question for question in self.questions if not question.held_out)

    @property
    def held_out(self) -> tuple[GoldQuestion, ...]:
        """The questions that a choice is judged on."""
        return tuple(question for question in self.questions if question.held_out)

    def judged(self, questions: Sequence[GoldQuestion]) -> JudgedSet:
        """Questions as cases of the world's set."""
        return world_set(questions, self.world.of)

    def describe(self) -> Markdown:
        """What is measured here, as a sentence."""
        return Markdown(
            f"{len(self.world.projects)} projects, {len(self.questions)} gold questions"
            f" ({len(self.held_out)} of them held out), profile `{self.profile.name}`."
        )


def open_lab(reports: str, questions: int | None = None) -> Lab:
    """The world of the configured database with at most so many questions of each half and language.

    Raises WorldMissing, and IndexIncomplete while vectors are still growing.
    """
    with reading() as session:
        found = world.find_world(session, SCOPE_SLUG, ())
        known = [question for question in all_questions() if question.project in found.projects]
        if not known:
            raise WorldMissing("none of the gold questions is about a project in this database")
        state = pipeline.status(session, Scope.of(found.account_scope_id, found.projects.values()))
    if state.embedded < state.embeddable:
        raise IndexIncomplete(f"only {state.embedded} of {state.embeddable} chunks have a vector yet")
    chosen = known if questions is None else _spread(known, questions)
    return Lab(found, tuple(chosen), load_profile(), Path(reports))


def _spread(questions: Sequence[GoldQuestion], count: int) -> list[GoldQuestion]:
    """At most ``count`` of each half and language, evenly over the list, the same ones every time."""
    kept: list[GoldQuestion] = []
    for held_out in (False, True):
        for lang in ("en", "ru"):
            part = [item for item in questions if (item.held_out, item.lang) == (held_out, lang)]
            taken = min(count, len(part))
            kept += [part[place * len(part) // taken] for place in range(taken)]
    return kept


def quality_of(judged: JudgedSet, runs: Sequence[Run], lang: str | None = None) -> Interval:
    """NDCG@10 of a run over the answerable cases, of one language or all."""
    return metrics.interval(
        [
            metrics.ndcg_at(run.ranked, case.relevant, K)
            for case, run in zip(judged.cases, runs, strict=True)
            if case.answerable and lang in (None, case.lang)
        ]
    )


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> Markdown:
    """A Markdown table; fractions with three decimals."""
    lines = [
        "| " + " | ".join(heads) + " |",
        "|" + "---|" * len(heads),
        *("| " + " | ".join(_cell(value) for value in row) + " |" for row in rows),
    ]
    return Markdown("\n".join(lines))


def _cell(value: object) -> str:
    if isinstance(value, Interval):
        return f"{value.mean:.3f} ({value.low:.3f}–{value.high:.3f})"
    return f"{value:.3f}" if isinstance(value, float) else f"{value}"


def verdict(*sentences: str) -> Markdown:
    """The last cell of a notebook: what its numbers say."""
    return Markdown("**Verdict.** " + " ".join(sentences))
