"""Questions around the question: one's own newest, those one keeps, those worth asking, and how all of them went."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from uuid import UUID

from sqlmodel import Session

from models.infra.database import reading, transaction
from models.infra.errors import Conflict, InvalidInput, NotFound
from models.infra.ids import AccountScopeId
from models.infra.scope import Scope
from models.queries import query_analytics, saved_queries
from models.queries.projects import list_projects
from models.queries.query_log import list_questions
from models.tables.retrieval import SavedQuery
from tools_app.services import audit_trail, records
from tools_app.services.moments import scope_and_moment
from tools_app.services.run_log import run_log
from tools_app.services.views import SessionView

WEEKS = 13
MAX_WEEKS = 53
MAX_SAVED = 50
_MAX_QUESTION = 4000
_CLIENT_QUESTIONS = ("promised_deadline", "what_blocks", "price_talks", "next_step")
_MAX_NAME = 120


@dataclass(frozen=True, slots=True)
class RecentQuery:
    """One earlier question of this scope."""

    query_run_id: str
    text: str
    asked_at: dt.datetime
    answerable: bool
    project: str = ""


@dataclass(frozen=True, slots=True)
class SuggestedQuestion:
    """A question worth asking here: a text of the catalogue (`suggest.<code>`) with names from the data."""

    code: str
    params: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SavedQuestion:
    """A question that the caller keeps, for the projects it was kept for."""

    id: UUID
    text: str
    project_ids: tuple[UUID, ...]
    saved_at: dt.datetime


@dataclass(frozen=True, slots=True)
class AskedRow:
    """Counts of a group of questions. `week` is its Monday. Rates are percentages, null without a question.

    `p50_ms` and `p95_ms` are of the computed answers, null when all came from the cache.
    """

    questions: int
    unanswered: int
    cached: int
    no_answer_rate: float | None
    p50_ms: float | None
    p95_ms: float | None
    up: int
    down: int
    week: dt.date | None = None
    mode: str | None = None


@dataclass(frozen=True, slots=True)
class AnalyticsView:
    """How the questions of the last weeks went: the whole, by week, by mode, and by week and mode."""

    since: dt.date
    total: AskedRow
    by_week: tuple[AskedRow, ...]
    by_mode: tuple[AskedRow, ...]
    by_week_and_mode: tuple[AskedRow, ...]


@dataclass(frozen=True, slots=True)
class VoteWeek:
    """The votes that were given in a week (its Monday)."""

    week: dt.date
    up: int
    down: int


def recent(scope: Scope, user: str | None = None, limit: int = 8) -> tuple[RecentQuery, ...]:
    """The newest questions inside the scope, of a user or of all."""
    # One's last question may wait for its batch.
    run_log.write()
    with reading() as session:
        names = {each.id: each.name for each in list_projects(session, scope.account_scope_id)}
        asked = list_questions(session, scope, limit=limit, user=user)
    return tuple(
        RecentQuery(
            str(each.id),
            each.text,
            each.asked_at,
            each.answerable,
            names.get(each.project_ids[0], "") if len(each.project_ids) == 1 else "",
        )
        for each in asked
    )


def suggestions(scope: Scope, limit: int = 6) -> tuple[SuggestedQuestion, ...]:
    """Questions worth asking, made of the scope's own data: late issues, open deals, clients. Empty where there are none."""
    with reading() as session:
        clients = [
            each.name
            for each in list_projects(session, scope.account_scope_id)
            if each.kind == "client" and each.id in scope.project_ids
        ]
    found = [
        *_about(scope, "overdue_issues", "overdue_issue", "issue"),
        *_about(scope, "open_deals", "deal_state", "deal"),
    ]
    by_client = (
        [
            SuggestedQuestion(code, {"client": clients[number % len(clients)]})
            for number, code in enumerate(_CLIENT_QUESTIONS)
        ]
        if clients
        else []
    )
    # What hurts first, but the clients' questions are not crowded out.
    return tuple([*by_client[:2], *found, *by_client[2:]][:limit])


def _about(scope: Scope, set_code: str, code: str, name: str) -> list[SuggestedQuestion]:
    listed = records.list_records(scope, set_code, limit=1).items
    return [SuggestedQuestion(code, {name: each.title[:_MAX_NAME]}) for each in listed if each.title]


def list_saved(scope: Scope, user: str) -> tuple[SavedQuestion, ...]:
    """The questions that a user keeps inside the scope, newest first."""
    with reading() as session:
        return tuple(_saved(each) for each in saved_queries.list_saved(session, scope, user, limit=MAX_SAVED))


def save(session: SessionView, scope: Scope, question: str) -> SavedQuestion:
    """Keep a question for exactly these projects; kept already, nothing changes.

    Raises InvalidInput for an empty or too long question, Conflict when the user keeps `MAX_SAVED` already.
    """
    words = question.strip()
    if not words or len(words) > _MAX_QUESTION or "\0" in words:
        raise InvalidInput(f"A question has 1 to {_MAX_QUESTION} characters.", code="invalid_question")
    with transaction() as db:
        row, is_new = saved_queries.save_query(db, scope, session.user, words)
        if is_new and saved_queries.count_saved(db, scope, session.user) > MAX_SAVED:
            raise Conflict(
                f"You keep {MAX_SAVED} questions already: remove one first.", code="too_many_saved"
            )
        if is_new:
            _record(db, session, scope, "saved_query.create", row.id, after={"query": words})
        return _saved(row)


def remove(session: SessionView, scope: Scope, saved_id: UUID) -> None:
    """Keep a question no longer. Raises NotFound when the user keeps no such question inside the scope."""
    with transaction() as db:
        words = saved_queries.remove_saved(db, scope, session.user, saved_id)
        if words is None:
            raise NotFound("There is no such saved question.", id=str(saved_id))
        _record(db, session, scope, "saved_query.delete", saved_id, before={"query": words})


def _record(
    db: Session,
    session: SessionView,
    scope: Scope,
    action: str,
    saved_id: UUID,
    *,
    before: dict[str, str] | None = None,
    after: dict[str, str] | None = None,
) -> None:
    audit_trail.record_event(
        db,
        actor=session.user,
        action=action,
        entity=audit_trail.Entity("saved_query", str(saved_id)),
        account_scope_id=AccountScopeId(UUID(session.account_scope_id)),
        project_id=scope.project_ids[0] if len(scope.project_ids) == 1 else None,
        before=before,
        after=after,
    )


def _saved(row: SavedQuery) -> SavedQuestion:
    return SavedQuestion(row.id, row.query, tuple(UUID(each) for each in row.project_ids), row.created_at)


def analytics(scope: Scope, weeks: int = WEEKS) -> AnalyticsView:
    """How the questions of the last weeks went inside the scope, the current week included."""
    run_log.write()
    with reading() as session:
        _, moment = scope_and_moment(session, scope)
        rows = query_analytics.analyse_questions(session, scope, moment, weeks=weeks)
    groups = [_row(each) for each in rows]
    by_week = {each.week: each for each in groups if each.week and each.mode is None}
    return AnalyticsView(
        since=moment.weeks(weeks)[0],
        total=next(each for each in groups if each.week is None and each.mode is None),
        # Weeks without a question are there too: a gap is not the week before.
        by_week=tuple(
            by_week.get(week, AskedRow(0, 0, 0, None, None, None, 0, 0, week)) for week in moment.weeks(weeks)
        ),
        by_mode=tuple(each for each in groups if each.week is None and each.mode is not None),
        by_week_and_mode=tuple(each for each in groups if each.week and each.mode is not None),
    )


def _row(found: query_analytics.Asked) -> AskedRow:
    return AskedRow(
        questions=found.questions,
        unanswered=found.unanswered,
        cached=found.cached,
        no_answer_rate=round(100 * found.unanswered / found.questions, 1) if found.questions else None,
        p50_ms=None if found.p50_ms is None else round(found.p50_ms, 1),
        p95_ms=None if found.p95_ms is None else round(found.p95_ms, 1),
        up=found.up,
        down=found.down,
        week=found.week,
        mode=found.mode,
    )


def vote_trend(scope: Scope, weeks: int = WEEKS) -> tuple[VoteWeek, ...]:
    """Votes by week, oldest first, the current week last."""
    with reading() as session:
        _, moment = scope_and_moment(session, scope)
        found = query_analytics.weekly_votes(session, scope, moment, weeks=weeks)
    return tuple(VoteWeek(each.week, each.up, each.down) for each in found)
