"""The demo world in a database: where its gold questions are asked, and what came back for one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, select

from models.infra.ids import AccountScopeId, ProjectId
from models.infra.scope import Scope
from models.tables.platform import AccountScope, Project
from retrieval.evaluation.datasets import GoldQuestion

_UNASSIGNED = "unassigned"


class WorldMissing(LookupError):
    """The database does not hold the demo world; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One question's ranking as (source type, vendor id), whether it was answered, and how long the search took."""

    question: GoldQuestion
    ranked: tuple[tuple[str, str], ...]
    answered: bool
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
