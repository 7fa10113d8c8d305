"""Measures one set on the database of the settings, and writes the report of all that were measured.

Which database holds what is the caller's (`deploy.evaluate`): the world and the votes are the demo's, collections have a
database of their own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlmodel import Session

from models.infra.database import reading
from models.infra.logging import get_logger
from models.infra.scope import Scope
from retrieval import pipeline
from retrieval.evaluation import comparison, feedback, reliability, report, world
from retrieval.evaluation.collection import KIND, PARTS, find_part
from retrieval.evaluation.comparison import Comparison
from retrieval.evaluation.datasets import GoldQuestion, JudgedCollection, all_questions
from retrieval.evaluation.sets import JudgedSet, Task, collection_set, index_part, world_set
from retrieval.evaluation.systems import HYBRID, Run, ask_all, systems
from retrieval.profile import Profile

SCOPE_SLUG = "meridian"

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Choice:
    """What is measured of each set: how many questions a language (None: all), and which modes (none named: every system)."""

    profile: Profile
    questions: int | None = None
    modes: tuple[str, ...] = ()


class IndexIncomplete(LookupError):
    """Vectors are still growing; figures measured now would be of another system."""


def measure_world(choice: Choice, *, partial: bool = False) -> tuple[Comparison, str]:
    """The gold questions, and the detailed report of hybrid. Raises WorldMissing, IndexIncomplete (unless ``partial``)."""
    questions = all_questions()
    with reading() as session:
        found = world.find_world(session, SCOPE_SLUG, questions)
        everything = Scope.of(found.account_scope_id, found.projects.values())
        _check_index(session, everything, partial)
        judged = _limited(world_set(questions, found.of), choice)
        runs = ask_all(session, judged, systems(choice.profile, choice.modes), _progress(judged))
    compared = comparison.compare(judged, runs, choice.profile.name)
    details = _details(questions, judged, runs, choice.profile)
    return compared, details + (_answers(found, questions, choice) if HYBRID in runs else "")


def _answers(found: world.WorldScope, questions: Sequence[GoldQuestion], choice: Choice) -> str:
    """The sections about answers: rightness, citations that resolve, and whether the quality score keeps its word."""
    wanted = questions if choice.questions is None else questions[: choice.questions]
    answered = reliability.answer_all(found, wanted, choice.profile)
    halves = (("development", False), ("held out", True))
    parts = [(name, [item for item in answered if item.question.held_out is held]) for name, held in halves]
    return "".join("\n" + reliability.as_markdown(name, items) for name, items in parts)


def measure_feedback(choice: Choice) -> tuple[Comparison | None, str]:
    """The completed votes of the demo's users, None when there are none; and how many there are of each sort."""
    with reading() as session:
        found = world.find_world(session, SCOPE_SLUG, ())
        cases = feedback.read_cases(session, Scope.of(found.account_scope_id, found.projects.values()))
        judged = _limited(feedback.feedback_set(cases), choice)
        told = f"{len(cases)} thumbs-down, {len(judged.cases)} of them completed with the right evidence"
        if not judged.cases:
            return None, told
        runs = ask_all(session, judged, systems(choice.profile, choice.modes), _progress(judged))
    return comparison.compare(judged, runs, choice.profile.name), told


def measure_collection(collection: JudgedCollection, task: Task, choice: Choice) -> Comparison:
    """The held-out half of one task of an indexed collection. Raises LookupError when it is not imported or not indexed."""
    with reading() as session:
        scopes = collection_scopes(session, collection.name)
        for scope in scopes.values():
            _check_index(session, scope, partial=False)
        whole = collection_set(collection, task, scopes.__getitem__, KIND)
        judged = _limited(whole.half(held_out=True), choice)
        runs = ask_all(session, judged, systems(choice.profile, choice.modes), _progress(judged))
    return comparison.compare(judged, runs, choice.profile.name)


def collection_scopes(session: Session, name: str) -> dict[str, Scope]:
    """The scopes of a collection by index part. Raises LookupError when one was not imported."""
    scopes = {part: scope for part in PARTS if (scope := find_part(session, name, part)) is not None}
    if missing := set(PARTS) - set(scopes):
        raise LookupError(f"the collection {name} is not imported: {', '.join(sorted(missing))} missing")
    return scopes


@dataclass(frozen=True, slots=True)
class CollectionScope:
    """Where the questions of a task are asked, for what works on gold questions."""

    scopes: Mapping[str, Scope]

    def of(self, question: GoldQuestion) -> Scope:
        """The scope of the index part that the question's ``project`` names."""
        return self.scopes[question.project.rpartition("-")[2]]


def development_of(
    collection: JudgedCollection, task: Task, scopes: Mapping[str, Scope]
) -> list[GoldQuestion]:
    """The development half of a task as gold questions, for fitting; their project is the task and the index part."""
    judged = collection_set(collection, task, scopes.__getitem__, KIND).half(held_out=False)
    found: list[GoldQuestion] = []
    for case in judged.cases:
        evidence = frozenset((KIND, key.partition(":")[2]) for key in case.relevant)
        project = f"{judged.name}-{index_part(task, case.lang)}"
        found.append(GoldQuestion(case.id, case.lang, "page", "project", project, case.text, False, evidence))
    return found


def write_report(
    compared: Sequence[Comparison], skipped: Mapping[str, str], head: str, folder: Path
) -> list[Path]:
    """Markdown, JSON and pictures of everything that was measured; the files written."""
    folder.mkdir(parents=True, exist_ok=True)
    markdown, plain = folder / "comparison.md", folder / "comparison.json"
    markdown.write_text(comparison.as_markdown(compared, skipped, head), encoding="utf-8")
    data = {"head": head, "skipped": dict(skipped), "sets": [item.as_json() for item in compared]}
    plain.write_text(json.dumps(data, indent=1), encoding="utf-8")
    written = [markdown, plain]
    if any(row.system == HYBRID for item in compared for row in item.rows):
        from retrieval.evaluation import plots  # noqa: PLC0415  matplotlib takes a second to import

        written += plots.draw(compared, folder)
    return written


def _limited(judged: JudgedSet, choice: Choice) -> JudgedSet:
    return judged if choice.questions is None else judged.first(choice.questions)


def _check_index(session: Session, scope: Scope, partial: bool) -> None:
    state = pipeline.status(session, scope)
    if state.embedded < state.embeddable and not partial:
        raise IndexIncomplete(
            f"only {state.embedded} of {state.embeddable} chunks have a vector yet: let the index grow (`make up`)"
        )


def _details(
    questions: Iterable[GoldQuestion], judged: JudgedSet, runs: Mapping[str, Sequence[Run]], profile: Profile
) -> str:
    if HYBRID not in runs:
        return ""
    by_id = {question.id: question for question in questions}
    outcomes = [
        world.Outcome(
            by_id[case.id],
            tuple((kind, key) for kind, _, key in (name.partition(":") for name in run.ranked)),
            run.answered,
            run.took_ms,
        )
        for case, run in zip(judged.cases, runs[HYBRID], strict=True)
    ]
    summary = report.summarise(outcomes, profile=profile.name, mode=HYBRID)
    return report.as_markdown(summary, report.missed(outcomes))


def _progress(judged: JudgedSet) -> Callable[[int], None]:
    def tell(done: int) -> None:
        if done % 50 == 0 or done == len(judged.cases):
            log.info("evaluation", set=judged.name, done=done, of=len(judged.cases))

    return tell
