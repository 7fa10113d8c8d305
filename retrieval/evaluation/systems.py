"""What is measured: every mode of the product, its other ways of fusion, and the predecessor; asked case by case.

A mode that the type ``Mode`` gains is measured without a change here. Each runs through `pipeline.search`, as a user's question does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import get_args

from sqlmodel import Session

from models.infra.settings import get_settings
from retrieval import answer as answers
from retrieval import pipeline
from retrieval.embedding import embedding_model
from retrieval.evaluation import predecessor
from retrieval.evaluation.sets import Case, JudgedSet, KeyKind, key_of
from retrieval.profile import Profile, changed
from retrieval.retrievers import query_vector
from retrieval.schemas import Mode, Query

DEPTH = 50
HYBRID = "hybrid"
PREDECESSOR = "predecessor"
# Modes of one search alone, by any name they have had: what hybrid has to beat.
SINGLE: frozenset[str] = frozenset({"vector", "naive", "lexical"})
FUSIONS: tuple[str, ...] = ("rrf", "weighted", "linear")


@dataclass(frozen=True, slots=True)
class Run:
    """One system's result for one case: keys best first, whether it answered, and the time of the search.

    ``cited`` are the records that the answer quotes, None where the system writes no answer.
    """

    case_id: str
    ranked: tuple[str, ...]
    answered: bool
    cited: tuple[str, ...] | None
    took_ms: float


System = Callable[[Session, Case, KeyKind], Run]


def systems(profile: Profile, modes: Sequence[str] = ()) -> dict[str, System]:
    """The systems by name: modes (all, or those named), hybrid under the other ways of fusion, the predecessor."""
    known: tuple[Mode, ...] = get_args(Mode)
    found: dict[str, System] = {mode: _mode(profile, mode) for mode in known if not modes or mode in modes}
    if modes:
        return found
    for method in FUSIONS:
        # Also linear where the profile would not use it: on pages without threads.
        if (method, method) != (profile.fusion.method, profile.fusion.uniform):
            other = changed(profile, {"fusion.method": method, "fusion.uniform": method})
            found[f"{HYBRID}, {method}"] = _mode(other, HYBRID)
    found[PREDECESSOR] = _predecessor()
    return found


def ask_all(
    session: Session,
    judged: JudgedSet,
    asked: dict[str, System],
    progress: Callable[[int], None] | None = None,
) -> dict[str, list[Run]]:
    """Every case put to every system, case by case, so that all of them share the question's vector."""
    runs: dict[str, list[Run]] = {name: [] for name in asked}
    for done, case in enumerate(judged.cases, 1):
        for name, system in asked.items():
            runs[name].append(system(session, case, judged.keys))
        if progress is not None:
            progress(done)
    return runs


def _mode(profile: Profile, mode: Mode) -> System:
    def ask(session: Session, case: Case, keys: KeyKind) -> Run:
        started = time.perf_counter()
        found = pipeline.search(
            session, Query(text=case.text, scope=case.scope, top_k=DEPTH, mode=mode), profile
        )
        took_ms = (time.perf_counter() - started) * 1000
        answered = bool(found.ranked) and found.support >= profile.support.threshold
        named = {hit.chunk.evidence_id: key_of(hit, keys) for hit in found.ranked}
        cited: tuple[str, ...] | None = None
        if answered and mode == HYBRID:
            quotes = answers.extract(case.text, found.ranked[:10], found.result.lexical, profile.answer)
            cited = tuple(dict.fromkeys(named[quote.evidence_id] for quote in quotes))
        ranked = tuple(dict.fromkeys(key_of(hit, keys) for hit in found.ranked[:DEPTH]))
        return Run(case.id, ranked, answered, cited, round(took_ms, 1))

    return ask


def _predecessor() -> System:
    def ask(session: Session, case: Case, keys: KeyKind) -> Run:
        model = embedding_model(get_settings())
        started = time.perf_counter()
        vector = query_vector(model, case.text)
        found = predecessor.search(session, case.text, case.scope, model.spec, vector, keys=keys)
        took_ms = (time.perf_counter() - started) * 1000
        # It always answers.
        return Run(case.id, found.keys, True, None, round(took_ms, 1))

    return ask
