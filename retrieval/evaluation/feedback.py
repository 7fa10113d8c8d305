"""Votes become judged questions: every thumbs-down on a query run is a case for the evaluation set.

A case holds what was asked, over which projects, what was shown and what the person said. Once somebody has named the right
records (`complete_case`) it is measured like a gold question; until then it says only what a profile shows now.
Evidence ids (``type:record uuid``) name the records. A run's scope is repeated as it was; reading a case needs the scope of
whoever reads it, and cases with a project outside of it are not given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import Session, col

from models.infra.errors import InvalidInput, NotFound
from models.infra.ids import ProjectId
from models.infra.scope import Scope
from models.queries.feedback_cases import one_case, thumbs_down
from models.tables.retrieval import Feedback, QueryRun
from retrieval.evaluation.datasets import is_held_out
from retrieval.evaluation.sets import Case, JudgedSet
from retrieval.language import detect
from retrieval.shown import parse_evidence_id

MAX_CASES = 2000
MAX_EVIDENCE = 50


@dataclass(frozen=True, slots=True)
class FeedbackCase:
    """A thumbs-down with everything that is known of it; ``evidence`` is None until an analyst has named the right records.

    An empty ``evidence`` is a judgement too: nothing answers the question.
    """

    query_run_id: UUID
    question: str
    mode: str
    profile: str
    scope: Scope
    shown: tuple[str, ...]
    answerable: bool
    answer: str
    comment: str | None
    voted_at: datetime
    evidence: frozenset[str] | None


def read_cases(session: Session, scope: Scope) -> list[FeedbackCase]:
    """The thumbs-down of a scope, newest first, at most ``MAX_CASES``; runs that looked beyond the scope are left out."""
    newest = thumbs_down(scope).order_by(col(Feedback.created_at).desc(), col(Feedback.id)).limit(MAX_CASES)
    return [case_of(vote, run) for vote, run in session.execute(newest)]


def read_case(session: Session, scope: Scope, query_run_id: UUID) -> FeedbackCase:
    """One case. Raises NotFound when the scope has no such thumbs-down."""
    found = one_case(session, scope, query_run_id)
    if found is None:
        raise NotFound("there is no such thumbs-down in this scope")
    return case_of(*found)


def complete_case(session: Session, scope: Scope, query_run_id: UUID, evidence: Sequence[str]) -> None:
    """Name the records that answer a thumbs-down question; an empty list says that none does. A later call replaces it.

    Raises NotFound when the scope has no such thumbs-down, InvalidInput for ids that are no evidence ids or too many.
    """
    wrong = [item for item in evidence if parse_evidence_id(item) is None]
    if wrong or len(evidence) > MAX_EVIDENCE:
        raise InvalidInput(
            f"evidence is a list of at most {MAX_EVIDENCE} ids like message:0190…", wrong=wrong[:5]
        )
    found = one_case(session, scope, query_run_id, lock=True)
    if found is None:
        raise NotFound("there is no such thumbs-down in this scope")
    vote, _ = found
    vote.evidence = sorted(set(evidence))
    session.add(vote)
    session.flush()


def feedback_set(cases: Sequence[FeedbackCase]) -> JudgedSet:
    """The completed cases as a judged set; halves are by the question's words, so that a repeated question stays in one."""
    judged = [
        Case(
            str(case.query_run_id),
            detect(case.question),
            case.question,
            case.scope,
            case.evidence,
            is_held_out(case.question.casefold()),
        )
        for case in cases
        if case.evidence is not None
    ]
    return JudgedSet(
        "feedback", "thumbs-down of users, completed with the right evidence", "record", tuple(judged)
    )


def case_of(vote: Feedback, run: QueryRun) -> FeedbackCase:
    """The case that a vote and its run make."""
    return FeedbackCase(
        query_run_id=run.id,
        question=run.query,
        mode=run.mode,
        profile=run.profile,
        scope=Scope.of(run.account_scope_id, [ProjectId(UUID(value)) for value in run.project_ids]),  # pyright: ignore[reportArgumentType]
        shown=tuple(_evidence_ids(run.hits)),
        answerable=run.answerable,
        answer=run.answer,
        comment=vote.comment,
        voted_at=vote.created_at,
        evidence=None if vote.evidence is None else frozenset(vote.evidence),
    )


def _evidence_ids(hits: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(str(hit["evidence_id"]) for hit in hits if "evidence_id" in hit))
