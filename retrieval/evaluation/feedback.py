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

from sqlmodel import Session, col, select

from models.infra.errors import InvalidInput, NotFound
from models.infra.ids import ProjectId
from models.infra.scope import Scope
from models.tables.retrieval import Feedback, QueryRun
from retrieval.evaluation.datasets import is_held_out
from retrieval.evaluation.sets import Case, JudgedSet
from retrieval.language import detect

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
    comment: str | None
    voted_at: datetime
    evidence: frozenset[str] | None


def read_cases(session: Session, scope: Scope) -> list[FeedbackCase]:
    """The thumbs-down of a scope, newest first, at most ``MAX_CASES``; runs that looked beyond the scope are left out."""
    rows = session.exec(
        select(Feedback, QueryRun)
        .join(QueryRun, col(QueryRun.id) == col(Feedback.query_run_id))
        .where(
            Feedback.rating == "down",
            Feedback.account_scope_id == scope.account_scope_id,
            QueryRun.account_scope_id == scope.account_scope_id,
            # The JSON array of the run's projects holds nothing but projects of the scope.
            col(QueryRun.project_ids).op("<@")([str(project_id) for project_id in scope.project_ids]),
        )
        .order_by(col(Feedback.created_at).desc(), col(Feedback.id))
        .limit(MAX_CASES)
    ).all()
    return [_case(vote, run) for vote, run in rows]


def complete_case(session: Session, scope: Scope, query_run_id: UUID, evidence: Sequence[str]) -> None:
    """Name the records that answer a thumbs-down question; an empty list says that none does. A later call replaces it.

    Raises NotFound when the scope has no such thumbs-down, InvalidInput for ids that are no evidence ids or too many.
    """
    wrong = [item for item in evidence if not _is_evidence_id(item)]
    if wrong or len(evidence) > MAX_EVIDENCE:
        raise InvalidInput(
            f"evidence is a list of at most {MAX_EVIDENCE} ids like message:0190…", wrong=wrong[:5]
        )
    known = {case.query_run_id for case in read_cases(session, scope)}
    if query_run_id not in known:
        raise NotFound("there is no such thumbs-down in this scope")
    vote = session.exec(select(Feedback).where(Feedback.query_run_id == query_run_id)).one()
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


def _case(vote: Feedback, run: QueryRun) -> FeedbackCase:
    return FeedbackCase(
        query_run_id=run.id,
        question=run.query,
        mode=run.mode,
        profile=run.profile,
        scope=Scope.of(run.account_scope_id, [ProjectId(UUID(value)) for value in run.project_ids]),  # pyright: ignore[reportArgumentType]
        shown=tuple(_evidence_ids(run.hits)),
        answerable=run.answerable,
        comment=vote.comment,
        voted_at=vote.created_at,
        evidence=None if vote.evidence is None else frozenset(vote.evidence),
    )


def _evidence_ids(hits: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(str(hit["evidence_id"]) for hit in hits if "evidence_id" in hit))


def _is_evidence_id(value: str) -> bool:
    kind, _, key = value.partition(":")
    try:
        UUID(key)
    except ValueError:
        return False
    return kind in ("message", "issue", "comment", "deal", "note", "company")
