"""Thumbs-down for people: what was asked, shown and said; naming the right records completes a case for the evaluation.

Cases keep ids. What a record said is read when a case is opened, so what was deleted, or left the question's projects, is
told as gone and shown no more; then the answer that quoted it is not shown either (decision: redacted when read).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from models.infra.database import reading, transaction
from models.infra.errors import InvalidInput
from models.infra.ids import AccountScopeId, ProjectId
from models.infra.scope import Scope
from models.queries.feedback_cases import Status, page_of_cases
from models.queries.projects import list_projects
from models.tables.retrieval import Feedback, QueryRun
from tools_app.services import audit_trail, search
from tools_app.services.views import SessionView

if TYPE_CHECKING:
    from sqlmodel import Session

    from retrieval.evaluation.feedback import FeedbackCase

# Records that a search for right evidence brings up.
FOUND = 12


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case of the list. `right` counts the records named as right: null while it is open, 0: nothing answers it."""

    query_run_id: UUID
    question: str
    comment: str | None
    voted_at: dt.datetime
    mode: str
    answerable: bool
    project: str
    right: int | None


@dataclass(frozen=True, slots=True)
class CaseRecord:
    """A record of a case as it is now. Gone (deleted, or not in the question's projects any more): only its id."""

    id: str
    is_gone: bool
    source_type: str = ""
    title: str = ""
    snippet: str = ""
    author: str = ""
    created_at: dt.datetime | None = None
    project: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class CaseView:
    """A case with what was shown. `answer` is null when a record behind it is gone.

    `status` is open or completed; `evidence` are the records named as right, null while it is open, empty: none answers.
    """

    query_run_id: UUID
    status: Status
    question: str
    comment: str | None
    voted_at: dt.datetime
    mode: str
    profile: str
    answerable: bool
    answer: str | None
    project_ids: tuple[UUID, ...]
    shown: tuple[CaseRecord, ...]
    evidence: tuple[CaseRecord, ...] | None


def list_cases(
    scope: Scope,
    status: Status | None = None,
    *,
    sort: str = "-voted_at",
    cursor: str | None = None,
    limit: int = 50,
) -> tuple[list[CaseRow], str | None]:
    """A page of the scope's cases and the next cursor. Raises InvalidInput for an unknown sort or cursor."""
    with reading() as session:
        names = {str(each.id): each.name for each in list_projects(session, scope.account_scope_id)}
        rows, after = page_of_cases(session, scope, status, sort=sort, cursor=cursor, limit=limit)
        found = [_row(vote, run, names) for vote, run in rows]
    return found, after


def _row(vote: Feedback, run: QueryRun, names: Mapping[str, str]) -> CaseRow:
    return CaseRow(
        query_run_id=run.id,
        question=run.query,
        comment=vote.comment,
        voted_at=vote.created_at,
        mode=run.mode,
        answerable=run.answerable,
        project=names.get(run.project_ids[0], "") if len(run.project_ids) == 1 else "",
        right=None if vote.evidence is None else len(vote.evidence),
    )


def get_case(scope: Scope, query_run_id: UUID) -> CaseView:
    """A case with its records as they are now. Raises NotFound when the scope has no such thumbs-down."""
    from retrieval.evaluation.feedback import read_case  # noqa: PLC0415  (heavy: see `search`)

    with reading() as session:
        return _view(session, read_case(session, scope, query_run_id))


def complete_case(
    session: SessionView, scope: Scope, query_run_id: UUID, evidence: Sequence[str]
) -> CaseView:
    """Name the right records, none: nothing answers the question. A later call replaces the earlier one.

    Raises NotFound when the scope has no such thumbs-down, InvalidInput for ids that are no live records of the projects
    that the question was asked over, or too many.
    """
    from retrieval.evaluation import feedback  # noqa: PLC0415

    with transaction() as db:
        before = feedback.read_case(db, scope, query_run_id)
        feedback.complete_case(db, scope, query_run_id, evidence)
        _check_live(db, before, set(evidence))
        asked_over = before.scope.project_ids
        audit_trail.record_event(
            db,
            actor=session.user,
            action="lightrag.case_completed",
            entity=audit_trail.Entity("query_run", str(query_run_id)),
            account_scope_id=AccountScopeId(UUID(session.account_scope_id)),
            project_id=asked_over[0] if len(asked_over) == 1 else None,
            before={"evidence": None if before.evidence is None else sorted(before.evidence)},
            after={"evidence": sorted(set(evidence))},
        )
        return _view(db, feedback.read_case(db, scope, query_run_id))


def look_up(scope: Scope, query_run_id: UUID, words: str) -> tuple[CaseRecord, ...]:
    """Records that a search for other words finds in the projects of a case's question, best first. Logs no question.

    Raises NotFound when the scope has no such thumbs-down, InvalidInput for words out of bounds.
    """
    from retrieval import pipeline  # noqa: PLC0415
    from retrieval.evaluation.feedback import read_case  # noqa: PLC0415
    from retrieval.profile import load_profile  # noqa: PLC0415

    with reading() as session:
        asked_over = read_case(session, scope, query_run_id).scope
    query = search.read_query(asked_over, search.Question(words, top_k=FOUND))
    with reading() as session:
        found = pipeline.search(session, query, load_profile()).evidence
        return _records(session, asked_over, [each.id for each in found])


def _check_live(db: Session, case: FeedbackCase, evidence: set[str]) -> None:
    from retrieval import store  # noqa: PLC0415
    from retrieval.shown import parse_evidence_id  # noqa: PLC0415

    # What is named already may have been deleted since; it stays, as the id it is.
    added = evidence - (case.evidence or frozenset())
    wanted = {pair for each in added if (pair := parse_evidence_id(each)) is not None}
    missing = wanted - set(store.live_records(db, case.scope, wanted))
    if missing:
        raise InvalidInput(
            "These are no records of the projects that the question was asked over.",
            code="unknown_evidence",
            unknown=sorted(f"{kind}:{key}" for kind, key in missing)[:5],
        )


def _view(session: Session, case: FeedbackCase) -> CaseView:
    shown = _records(session, case.scope, case.shown)
    return CaseView(
        query_run_id=case.query_run_id,
        status="open" if case.evidence is None else "completed",
        question=case.question,
        comment=case.comment,
        voted_at=case.voted_at,
        mode=case.mode,
        profile=case.profile,
        answerable=case.answerable,
        answer=None if any(each.is_gone for each in shown) else case.answer,
        project_ids=case.scope.project_ids,
        shown=shown,
        evidence=None if case.evidence is None else _records(session, case.scope, sorted(case.evidence)),
    )


def _records(session: Session, scope: Scope, ids: Iterable[str]) -> tuple[CaseRecord, ...]:
    from retrieval.shown import read_shown  # noqa: PLC0415

    wanted = list(ids)
    found = read_shown(session, scope, wanted)
    names = {each.id: each.name for each in list_projects(session, scope.account_scope_id)}
    return tuple(
        CaseRecord(
            id=each,
            is_gone=False,
            source_type=record.source_type,
            title=record.title,
            snippet=record.snippet,
            author=record.author or "",
            created_at=record.created_at,
            project=names.get(ProjectId(record.project_id), ""),
            url=record.url or "",
        )
        if (record := found.get(each)) is not None
        else CaseRecord(each, is_gone=True)
        for each in wanted
    )
