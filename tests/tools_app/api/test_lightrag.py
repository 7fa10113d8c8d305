import datetime as dt

import httpx
import pytest
from sqlmodel import select

from models.infra.clock import utcnow
from models.infra.database import transaction
from models.tables.platform import AuditEvent, JobRun
from models.tables.retrieval import Feedback, QueryRun
from tests.tools_app.world import World
from tools_app.services import questions, search
from tools_app.services.answer_views import AnswerSentence
from tools_app.services.search import sentences_of

QUESTION = "What did we promise about the deadline?"
FIELDS = {
    "query", "answer", "answerable", "code", "params", "lang", "citations", "evidence", "chunks", "stats", "quality_score",
    "quality_parts", "source_diversity", "completeness", "query_run_id", "cached", "mode", "took_ms", "request_id",
}  # fmt: skip


@pytest.fixture
def indexed(worlds: dict[str, World]) -> World:
    from jobs.indexing import index_pending

    index_pending(worlds["one"].scope, budget_s=60)
    return worlds["one"]


@pytest.mark.parametrize("path", ["/api/lightrag/query", "/api/search"])
def test_an_answer_has_every_field_and_its_citations_resolve(
    client: httpx.Client, indexed: World, path: str
) -> None:
    answer = client.post(path, json={"query": QUESTION, "project_id": "alpha"})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == FIELDS
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body["evidence"]
    known = {each["id"] for each in body["evidence"]}
    assert {each["evidence_id"] for each in body["citations"]} <= known
    assert all(each["url"].startswith("http://vendor.example/") for each in body["evidence"])
    assert len(body["evidence"]) <= 8
    assert 0 <= body["quality_score"] <= 100


def test_camel_case_names_are_accepted(client: httpx.Client, indexed: World) -> None:
    body = {
        "query": QUESTION, "topK": 3, "sourceLimit": 2, "sourceFilter": ["issues"], "projectId": "alpha",
        "dateFrom": "2020-01-01", "dateTo": (utcnow() + dt.timedelta(days=1)).date().isoformat(),
    }  # fmt: skip
    answer = client.post("/api/lightrag/query", json=body).json()
    # What is cited is always shown, whatever the limit.
    assert 1 <= len(answer["evidence"]) <= max(2, len(answer["citations"]))
    assert {each["source_type"] for each in answer["evidence"]} <= {"issue", "comment"}
    with transaction() as session:
        run = session.exec(select(QueryRun)).one()
    assert run.project_ids == [str(indexed.places["alpha"].project)]


def test_the_source_filter_decides_what_comes_out(client: httpx.Client, indexed: World) -> None:
    groups = {"messages": {"message"}, "issues": {"issue", "comment"}, "deals": {"deal", "note", "company"}}
    for group, types in groups.items():
        body = client.post("/api/lightrag/query", json={"query": QUESTION, "source_filter": [group]}).json()
        assert {each["source_type"] for each in body["evidence"]} <= types


def test_a_day_means_the_whole_day_in_the_scopes_zone(worlds: dict[str, World]) -> None:
    from zoneinfo import ZoneInfo

    zone = ZoneInfo("Europe/Belgrade")
    day = dt.date(2026, 3, 29)  # a day of 23 hours
    assert search._instant(day, zone, end=False) == dt.datetime(2026, 3, 28, 23, tzinfo=dt.UTC)
    assert search._instant(day, zone, end=True) == dt.datetime(2026, 3, 29, 21, 59, 59, 999999, tzinfo=dt.UTC)


def test_a_vote_with_a_comment_is_stored_replaced_and_audited(client: httpx.Client, indexed: World) -> None:
    run = client.post("/api/lightrag/query", json={"query": QUESTION}).json()["query_run_id"]
    for rating, comment in (("up", None), ("down", "Это про другого клиента")):
        vote = {"query_run_id": run, "rating": rating, "comment": comment}
        assert client.post("/api/lightrag/feedback", json=vote).status_code == 200
    with transaction() as session:
        [stored] = session.exec(select(Feedback)).all()
        audited = session.exec(select(AuditEvent).where(AuditEvent.action == "lightrag.feedback")).all()
    assert (str(stored.query_run_id), stored.rating, stored.comment) == (
        run,
        "down",
        "Это про другого клиента",
    )
    assert len(audited) == 2


def test_the_same_vote_again_keeps_its_comment_and_the_opposite_one_drops_it(
    client: httpx.Client, indexed: World
) -> None:
    run = client.post("/api/lightrag/query", json={"query": QUESTION}).json()["query_run_id"]
    kept: list[str | None] = []
    for rating, comment in (
        ("down", "Wrong client"),
        ("down", None),
        ("down", ""),
        ("down", "Late"),
        ("up", None),
    ):
        vote = {"query_run_id": run, "rating": rating, "comment": comment}
        assert client.post("/api/lightrag/feedback", json=vote).status_code == 200
        with transaction() as session:
            kept.append(session.exec(select(Feedback)).one().comment)
    assert kept == ["Wrong client", "Wrong client", None, "Late", None]


def test_a_vote_on_nothing_is_404_and_a_third_rating_400(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    nothing = "0198c0de-0000-7000-8000-000000000000"
    assert (
        client.post("/api/lightrag/feedback", json={"query_run_id": nothing, "rating": "up"}).status_code
        == 404
    )
    assert (
        client.post("/api/lightrag/feedback", json={"query_run_id": nothing, "rating": "meh"}).status_code
        == 400
    )


def test_status_says_how_much_is_indexed(client: httpx.Client, indexed: World) -> None:
    body = client.get("/api/lightrag/status?project_id=alpha").json()
    assert sum(body["chunks"].values()) > 0
    assert set(body["sources"]) == {"messages", "issues", "deals"}
    assert body["coverage"] == 1.0
    coverage = client.get("/api/jobs/status?project_id=alpha").json()["jobs"]["coverage"]
    assert coverage["chunks"] == sum(body["chunks"].values())
    assert coverage["embedded"] == body["embedded"]


def test_refresh_asks_for_indexing_of_the_callers_scope_only(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    answer = client.post("/api/lightrag/refresh")
    assert answer.status_code == 202
    with transaction() as session:
        [run] = session.exec(select(JobRun).where(JobRun.job == "index")).all()
    assert answer.json()["run_ids"] == [str(run.id)]
    assert run.account_scope_id == worlds["one"].scope


def test_recent_questions_come_newest_first_and_once(client: httpx.Client, indexed: World) -> None:
    for text in ("first question about the deadline", QUESTION, QUESTION.upper()):
        client.post("/api/lightrag/query", json={"query": text, "project_id": "all"})
    assert [each.text for each in questions.recent(indexed.of())] == [
        QUESTION.upper(),
        "first question about the deadline",
    ]


def test_suggestions_name_the_scopes_clients(worlds: dict[str, World]) -> None:
    named = {
        each.params["client"]
        for each in questions.suggestions(worlds["one"].of("beta"))
        if "client" in each.params
    }
    assert named == {"Beta of one"}
    assert all("client" not in each.params for each in questions.suggestions(worlds["one"].of("unassigned")))


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("", ()),
        ("One. [1]", (AnswerSentence("One.", (1,)),)),
        ("One. [1][2] Two [3].", (AnswerSentence("One.", (1, 2)), AnswerSentence("Two", (3,)))),
        ("One [1] [2]\nTwo. [10]", (AnswerSentence("One", (1, 2)), AnswerSentence("Two.", (10,)))),
        ("No citation here.", (AnswerSentence("No citation here.", ()),)),
        ("Раз. [1] Два.", (AnswerSentence("Раз.", (1,)), AnswerSentence("Два.", ()))),
    ],
)
def test_an_answers_text_is_cut_at_its_citations(text: str, sentences: tuple[AnswerSentence, ...]) -> None:
    assert sentences_of(text) == sentences
