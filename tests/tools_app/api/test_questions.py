"""Cases out of thumbs-down, votes and figures by week, recent, kept and suggested questions."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlmodel import col, select

from models.infra.clock import utcnow
from models.infra.database import reading, transaction
from models.infra.ids import new_id
from models.tables.chatwoot import Message
from models.tables.retrieval import QueryRun, SavedQuery
from retrieval.evaluation.feedback import feedback_set, read_cases
from tests.tools_app.api.question_calls import fill_questions
from tests.tools_app.conftest import USER
from tests.tools_app.world import DAY, Place, World
from tools_app.services import feedback_cases, questions
from tools_app.services.question_charts import analytics_charts, votes_chart

CASES = "/api/lightrag/cases"
SAVED = "/api/lightrag/saved"


@pytest.fixture
def alpha(worlds: dict[str, World]) -> Place:
    """A project whose records are indexed."""
    from jobs.indexing import index_pending

    index_pending(worlds["one"].scope, budget_s=60)
    return worlds["one"].places["alpha"]


def add_run(place: Place, **values: Any) -> QueryRun:
    defaults: dict[str, Any] = {
        "project_ids": [str(place.project)], "query": "x", "mode": "hybrid", "profile": "default",
        "answerable": True, "quality_score": 1, "took_ms": 1,
    }  # fmt: skip
    with transaction() as session:
        run = QueryRun(account_scope_id=place.scope, **{**defaults, **values})
        session.add(run)
        session.flush()
        session.expunge(run)
    return run


def vote(client: httpx.Client, run: QueryRun, rating: str) -> None:
    answer = client.post("/api/lightrag/feedback", json={"query_run_id": str(run.id), "rating": rating})
    assert answer.status_code == 200, answer.text


def messages(place: Place) -> list[str]:
    with reading() as session:
        found = session.exec(select(Message.id).where(Message.project_id == place.project)).all()
    return [f"message:{each}" for each in found]


def test_a_case_says_what_was_asked_shown_and_said(client: httpx.Client, alpha: Place) -> None:
    run = fill_questions(alpha, USER)
    case = client.get(f"{CASES}/{run.id}").json()["case"]
    assert (case["status"], case["evidence"], case["question"]) == ("open", None, run.query)
    assert case["comment"] == f"Not what {alpha.marker} said"
    assert {each["id"] for each in case["shown"]} == set(messages(alpha))
    assert all(alpha.marker in each["snippet"] and not each["is_gone"] for each in case["shown"])
    assert case["answer"] == run.answer


def test_a_deleted_record_is_told_as_gone_and_its_answer_is_shown_no_more(
    client: httpx.Client, alpha: Place
) -> None:
    run = fill_questions(alpha, USER)
    with transaction() as session:
        gone = session.exec(select(Message).where(Message.project_id == alpha.project)).first()
        assert gone is not None
        gone.deleted_at = utcnow()
        gone_id = f"message:{gone.id}"
    case = client.get(f"{CASES}/{run.id}").json()["case"]
    told = {each["id"]: each for each in case["shown"]}
    assert told[gone_id]["is_gone"]
    assert (told[gone_id]["snippet"], told[gone_id]["title"], told[gone_id]["url"]) == ("", "", "")
    assert sum(each["is_gone"] for each in case["shown"]) == 1
    assert case["answer"] is None


def test_a_completed_case_is_what_the_evaluation_loads(
    client: httpx.Client, alpha: Place, worlds: dict[str, World]
) -> None:
    run = fill_questions(alpha, USER)
    right = messages(alpha)[0]
    done = client.put(f"{CASES}/{run.id}", json={"evidence": [right, right]})
    assert done.status_code == 200, done.text
    assert [each["id"] for each in done.json()["case"]["evidence"]] == [right]
    with reading() as session:
        (case,) = feedback_set(read_cases(session, worlds["one"].of())).cases
    assert (case.relevant, case.scope) == ({right}, worlds["one"].of("alpha"))
    rows = {
        name: client.get(CASES, params={"status": name}).json()["items"] for name in ("open", "completed")
    }
    assert rows["open"] == []
    assert [(each["query_run_id"], each["right"]) for each in rows["completed"]] == [(str(run.id), 1)]


def test_evidence_that_is_no_live_record_of_the_questions_projects_is_refused(
    client: httpx.Client, alpha: Place, worlds: dict[str, World]
) -> None:
    run = fill_questions(alpha, USER)
    strange = [messages(worlds["one"].places["beta"])[0], f"message:{new_id()}", "the second message"]
    for each in strange:
        answer = client.put(f"{CASES}/{run.id}", json={"evidence": [messages(alpha)[0], each]})
        assert answer.status_code == 400, answer.text
    assert client.get(f"{CASES}/{run.id}").json()["case"]["status"] == "open"


def test_a_case_is_nobodys_who_may_not_see_every_project_it_was_asked_over(
    client: httpx.Client, login: Callable[..., httpx.Client], worlds: dict[str, World]
) -> None:
    both = [str(worlds["one"].places[name].project) for name in ("alpha", "beta")]
    run = add_run(worlds["one"].places["alpha"], project_ids=both)
    vote(client, run, "down")
    path = f"{CASES}/{run.id}"
    assert client.get(path).status_code == 200
    assert client.get(path, params={"project_id": "alpha"}).status_code == 404
    assert client.get(CASES, params={"project_id": "alpha"}).json()["items"] == []
    assert client.put(path, json={"evidence": [], "project_id": "alpha"}).status_code == 404
    assert login("two").get(path).status_code == 404
    assert login("two").put(path, json={"evidence": []}).status_code == 404


def test_cases_come_page_by_page_newest_first(client: httpx.Client, worlds: dict[str, World]) -> None:
    runs = [add_run(worlds["one"].places["alpha"], query=f"question {number}") for number in range(3)]
    for run in runs:
        vote(client, run, "down")
    seen: list[str] = []
    cursor = None
    while True:
        page = client.get(CASES, params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [each["query_run_id"] for each in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [str(each.id) for each in reversed(runs)]


def test_right_records_are_looked_for_in_the_questions_projects_only(
    alpha: Place, worlds: dict[str, World]
) -> None:
    run = fill_questions(alpha, USER)
    with reading() as session:
        before = len(session.exec(select(QueryRun.id)).all())
    found = feedback_cases.look_up(worlds["one"].of(), run.id, "promised deadline on Friday")
    assert found
    assert {each.project for each in found} == {"Alpha of one"}
    with reading() as session:
        assert len(session.exec(select(QueryRun.id)).all()) == before


def test_figures_count_answers_latency_and_votes_by_week_and_mode(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    place = worlds["one"].places["alpha"]
    old = utcnow() - 14 * DAY
    for took in (10, 20, 30):
        add_run(place, took_ms=took, created_at=old)
    refused = add_run(place, mode="global", answerable=False, took_ms=50)
    add_run(place, cached=True, took_ms=0.1)
    add_run(worlds["one"].places["beta"], answerable=False)
    vote(client, refused, "down")
    view = client.get("/api/lightrag/analytics", params={"project_id": "alpha", "weeks": 4}).json()[
        "analytics"
    ]
    total = view["total"]
    assert (total["questions"], total["unanswered"], total["cached"], total["down"]) == (5, 1, 1, 1)
    assert (total["no_answer_rate"], total["p50_ms"]) == (20.0, 25.0)
    assert [each["questions"] for each in view["by_week"]] == [0, 3, 0, 2]
    assert view["by_week"][0]["no_answer_rate"] is None
    assert {each["mode"]: each["questions"] for each in view["by_mode"]} == {"hybrid": 4, "global": 1}
    assert {(each["week"], each["mode"]) for each in view["by_week_and_mode"]} == {
        (view["by_week"][1]["week"], "hybrid"), (view["by_week"][3]["week"], "hybrid"), (view["by_week"][3]["week"], "global"),
    }  # fmt: skip


def test_votes_are_counted_by_the_week_they_were_given_in(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    place = worlds["one"].places["alpha"]
    for rating in ("up", "up", "down"):
        vote(client, add_run(place, created_at=utcnow() - 14 * DAY), rating)
    items = client.get("/api/lightrag/feedback/trend", params={"weeks": 3}).json()["items"]
    assert [(each["up"], each["down"]) for each in items] == [(0, 0), (0, 0), (2, 1)]
    beta = client.get("/api/lightrag/feedback/trend", params={"weeks": 1, "project_id": "beta"}).json()[
        "items"
    ]
    assert [(each["up"], each["down"]) for each in beta] == [(0, 0)]


def test_charts_without_a_vote_or_question_are_empty(worlds: dict[str, World]) -> None:
    scope = worlds["one"].of()
    assert votes_chart(questions.vote_trend(scope)).series == ()
    assert [each.series for each in analytics_charts(questions.analytics(scope))] == [(), ()]


def test_a_question_is_kept_once_and_let_go(client: httpx.Client, worlds: dict[str, World]) -> None:
    body = {"query": "Who waits for us?", "project_id": "alpha"}
    kept = client.post(SAVED, json=body).json()["saved"]
    assert (
        client.post(SAVED, json={**body, "query": " WHO waits for us? "}).json()["saved"]["id"] == kept["id"]
    )
    assert [each["text"] for each in client.get(SAVED, params={"project_id": "all"}).json()["items"]] == [
        body["query"]
    ]
    assert client.get(SAVED, params={"project_id": "beta"}).json()["items"] == []
    assert client.delete(f"{SAVED}/{kept['id']}", params={"project_id": "beta"}).status_code == 404
    assert client.delete(f"{SAVED}/{kept['id']}").status_code == 200
    assert client.delete(f"{SAVED}/{kept['id']}").status_code == 404


def test_what_somebody_else_keeps_is_not_mine(client: httpx.Client, worlds: dict[str, World]) -> None:
    fill_questions(worlds["one"].places["alpha"], "somebody else")
    with reading() as session:
        other = session.exec(select(SavedQuery.id).where(col(SavedQuery.saved_by) == "somebody else")).one()
    assert client.get(SAVED).json()["items"] == []
    assert client.get("/api/lightrag/recent").json()["items"] == []
    assert client.delete(f"{SAVED}/{other}").status_code == 404


def test_more_questions_than_can_be_kept_are_refused_and_change_nothing(
    client: httpx.Client, worlds: dict[str, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "MAX_SAVED", 1)
    assert client.post(SAVED, json={"query": "first"}).status_code == 200
    assert client.post(SAVED, json={"query": "second"}).status_code == 409
    assert client.post(SAVED, json={"query": "   "}).status_code == 400
    assert [each["text"] for each in client.get(SAVED).json()["items"]] == ["first"]


def test_suggestions_are_made_of_the_scopes_own_records(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    place = worlds["one"].places["alpha"]
    items = client.get("/api/lightrag/suggestions", params={"project_id": "alpha", "lang": "ru"}).json()[
        "items"
    ]
    assert {"overdue_issue", "deal_state", "promised_deadline"} <= {each["code"] for each in items}
    assert any(place.marker in each["text"] and each["text"].startswith("Почему") for each in items)


def test_one_asks_and_finds_the_question_again(client: httpx.Client, alpha: Place) -> None:
    client.post("/api/lightrag/query", json={"query": "When is the deadline?", "project_id": "alpha"})
    with reading() as session:
        run = session.exec(select(QueryRun)).one()
    assert (run.requested_by, run.created_at <= utcnow() + dt.timedelta(seconds=1)) == (USER, True)
    assert run.request_id
    items = client.get("/api/lightrag/recent", params={"project_id": "alpha"}).json()["items"]
    assert [each["text"] for each in items] == ["When is the deadline?"]
