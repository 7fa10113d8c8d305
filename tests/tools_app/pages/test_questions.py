"""The page of questions and cases: what the URL names is shown, and only what is on the page can be chosen."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlmodel import select

from models.infra.database import reading
from models.infra.ids import new_id
from models.tables.retrieval import Feedback, SavedQuery
from tests.tools_app.api.question_calls import fill_questions
from tests.tools_app.conftest import USER
from tests.tools_app.world import World
from tools_app.pages.case import CaseState
from tools_app.pages.questions import QuestionsState
from tools_app.pages.search import SearchState
from tools_app.pages.shell_state import ShellState

Tab = Callable[[str], Any]


def state(root: Any, kind: Any) -> Any:
    return root.substates[kind.get_name()]


def load(root: Any) -> None:
    async def work() -> None:
        async for _ in QuestionsState.load.fn(state(root, QuestionsState)):
            pass

    asyncio.run(work())


def run(root: Any, kind: Any, handler: str, *arguments: Any) -> Any:
    return asyncio.run(getattr(kind, handler).fn(state(root, kind), *arguments))


@pytest.fixture
def case(worlds: dict[str, World]) -> str:
    from jobs.indexing import index_pending

    index_pending(worlds["one"].scope, budget_s=60)
    return str(fill_questions(worlds["one"].places["alpha"], USER).id)


def test_open_cases_and_figures_are_listed_by_default(tab: Tab, case: str) -> None:
    root = tab("/questions?project=alpha")
    load(root)
    shown = state(root, QuestionsState)
    assert (shown.ready, shown.status) == (True, "open")
    assert [case in each.href for each in shown.cases] == [True]
    assert [each.key for each in shown.plots] == ["votes", "no_answer", "latency"]
    assert [each.questions for each in shown.modes] == ["1", "1"]
    assert state(root, CaseState).case.id == ""


def test_a_case_of_another_project_is_told_as_not_there(tab: Tab, case: str) -> None:
    root = tab(f"/questions?project=beta&case={case}")
    load(root)
    assert (state(root, CaseState).case.id, state(root, QuestionsState).cases) == ("", [])
    assert [each.tone for each in state(root, ShellState).toasts] == ["bad"]


def test_a_chosen_record_completes_the_case_and_what_is_not_on_the_page_cannot_be_chosen(
    tab: Tab, case: str
) -> None:
    root = tab(f"/questions?project=alpha&case={case}")
    load(root)
    opened = state(root, CaseState)
    assert opened.case.is_open
    run(root, CaseState, "toggle", f"message:{new_id()}")
    assert opened.right_ids == []
    right = opened.shown[0].id
    run(root, CaseState, "toggle", right)
    run(root, CaseState, "toggle", opened.shown[1].id)
    run(root, CaseState, "toggle", opened.shown[1].id)
    run(root, CaseState, "save")
    assert (opened.case.is_open, opened.right_ids) == (False, [right])
    with reading() as session:
        assert session.exec(select(Feedback.evidence)).one() == [right]


def test_nothing_answers_it_completes_the_case_too(tab: Tab, case: str) -> None:
    root = tab(f"/questions?project=alpha&case={case}")
    load(root)
    run(root, CaseState, "none_answers")
    with reading() as session:
        assert session.exec(select(Feedback.evidence)).one() == []


def test_the_question_of_the_page_is_kept_and_let_go(tab: Tab) -> None:
    root = tab("/search?project=alpha&q=x")
    state(root, SearchState).question = "Who waits for us?"
    run(root, SearchState, "keep")
    assert state(root, SearchState).kept_id
    run(root, SearchState, "keep")
    assert state(root, SearchState).kept_id == ""
    with reading() as session:
        assert session.exec(select(SavedQuery)).all() == []
