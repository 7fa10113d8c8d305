"""Asks the gold questions of the demo world on the indexed data and records what came back, question by question."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, select

from models.infra.ids import AccountScopeId, ProjectId
from models.infra.scope import Scope
from models.tables.platform import AccountScope, Project
from retrieval import pipeline
from retrieval.evaluation.datasets import GoldQuestion
from retrieval.profile import Profile
from retrieval.schemas import Mode, Query

DEPTH = 50
_UNASSIGNED = "unassigned"


class WorldMissing(LookupError):
    """The database does not hold the demo world; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One question's ranking as (source type, vendor id), whether it was answered, what was cited, and how long it took."""

    question: GoldQuestion
    ranked: tuple[tuple[str, str], ...]
    answered: bool
    support: float
    took_ms: float


@dataclass(frozen=True, slots=True)
class WorldScope:
    """The demo's account scope: its id and its projects by slug."""

    account_scope_id: AccountScopeId
    projects: dict[str, ProjectId]

    def of(self, question: GoldQuestion) -> Scope:
        """What a question is asked over."""
        if question.scope == "project":
            return Scope.of(self.account_scope_id, [self.projects[question.project]])
        return Scope.of(self.account_scope_id, self.projects.values())

    def elsewhere(self, question: GoldQuestion, turn: int) -> Scope:
        """A client that the question is not about; ``turn`` chooses which."""
        others = [
            project_id
            for slug, project_id in self.projects.items()
            if slug not in (question.project, _UNASSIGNED)
        ]
        return Scope.of(self.account_scope_id, [others[turn % len(others)]])


def find_world(session: Session, slug: str, questions: Sequence[GoldQuestion]) -> WorldScope:
    """The demo's account scope with all its projects. Raises WorldMissing."""
    scope = session.exec(select(AccountScope).where(col(AccountScope.slug) == slug)).one_or_none()
    if scope is None:
        raise WorldMissing(f"there is no account scope {slug!r}: run `make up` first")
    rows = session.exec(select(Project).where(col(Project.account_scope_id) == scope.id)).all()
    projects = {row.slug: ProjectId(row.id) for row in rows}
    if missing := {question.project for question in questions} - set(projects):
        raise WorldMissing(f"the account scope {slug!r} lacks the projects {', '.join(sorted(missing))}")
    return WorldScope(AccountScopeId(scope.id), projects)


def ask_all(
    session: Session,
    world: WorldScope,
    questions: Sequence[GoldQuestion],
    profile: Profile,
    mode: Mode = "hybrid",
) -> list[Outcome]:
    """Every question searched in its scope, in order."""
    return [ask_one(session, world, question, profile, mode) for question in questions]


def ask_one(
    session: Session, world: WorldScope, question: GoldQuestion, profile: Profile, mode: Mode = "hybrid"
) -> Outcome:
    """One question searched in its scope."""
    started = time.perf_counter()
    query = Query(text=question.question, scope=world.of(question), top_k=DEPTH, mode=mode)
    found = pipeline.search(session, query, profile)
    return Outcome(
        question,
        tuple((hit.chunk.kind, hit.chunk.vendor_id) for hit in found.ranked[:DEPTH]),
        bool(found.ranked) and found.support >= profile.support.threshold,
        found.support,
        round((time.perf_counter() - started) * 1000, 1),
    )
