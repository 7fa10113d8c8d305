"""A thumbs-down becomes a judged question of its own scope, and of no other."""

from uuid import UUID

import pytest

from models.infra.database import reading, transaction
from models.infra.errors import InvalidInput, NotFound
from models.infra.scope import Scope
from models.tables.retrieval import QueryRun
from retrieval.evaluation.feedback import complete_case, feedback_set, read_cases
from retrieval.pipeline import record_feedback
from tests.scopes import make_scope


def two_scopes() -> tuple[Scope, Scope]:
    with transaction() as session:
        return make_scope(session, "studio").all, make_scope(session, "other").all


RIGHT = f"message:{UUID(int=7)}"


def asked(scope: Scope, question: str = "When is the launch?") -> UUID:
    with transaction() as session:
        run = QueryRun(
            account_scope_id=scope.account_scope_id,
            project_ids=[str(project_id) for project_id in scope.project_ids],
            query=question,
            mode="hybrid",
            profile="default",
            answerable=True,
            hits=[{"evidence_id": "issue:1"}, {"evidence_id": "issue:1"}],
            quality_score=50,
            took_ms=1.0,
        )
        session.add(run)
        session.flush()
        return run.id


def vote(scope: Scope, run: UUID, rating: str = "down") -> None:
    with transaction() as session:
        record_feedback(session, scope, run, rating, "wrong launch")  # pyright: ignore[reportArgumentType]


def test_a_thumbs_down_becomes_a_case_with_what_was_shown_and_said(database: str) -> None:
    scope, _ = two_scopes()
    vote(scope, run := asked(scope))
    with reading() as session:
        (case,) = read_cases(session, scope)
    assert (case.query_run_id, case.question, case.shown, case.comment) == (
        run, "When is the launch?", ("issue:1",), "wrong launch",
    )  # fmt: skip
    assert case.evidence is None
    assert feedback_set([case]).cases == ()


def test_a_thumbs_up_is_no_case(database: str) -> None:
    scope, _ = two_scopes()
    vote(scope, asked(scope), "up")
    with reading() as session:
        assert read_cases(session, scope) == []


def test_another_scope_sees_no_case(database: str) -> None:
    scope, other = two_scopes()
    vote(scope, asked(scope))
    with reading() as session:
        assert read_cases(session, other) == []


def test_a_completed_case_is_measured_like_a_gold_question(database: str) -> None:
    scope, _ = two_scopes()
    vote(scope, run := asked(scope))
    with transaction() as session:
        complete_case(session, scope, run, [RIGHT, RIGHT])
    with reading() as session:
        (case,) = feedback_set(read_cases(session, scope)).cases
    assert (case.relevant, case.scope, case.answerable) == ({RIGHT}, scope, True)


def test_nothing_answers_it_is_a_judgement_too(database: str) -> None:
    scope, _ = two_scopes()
    vote(scope, run := asked(scope))
    with transaction() as session:
        complete_case(session, scope, run, [])
    with reading() as session:
        (case,) = feedback_set(read_cases(session, scope)).cases
    assert not case.answerable


def test_a_case_of_another_scope_cannot_be_completed(database: str) -> None:
    scope, other = two_scopes()
    vote(scope, run := asked(scope))
    with pytest.raises(NotFound), transaction() as session:
        complete_case(session, other, run, [RIGHT])


def test_what_is_no_evidence_id_is_refused(database: str) -> None:
    scope, _ = two_scopes()
    vote(scope, run := asked(scope))
    with pytest.raises(InvalidInput), transaction() as session:
        complete_case(session, scope, run, ["the second message"])
