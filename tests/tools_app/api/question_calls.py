"""How the leak test calls the endpoints around questions, and what it has to fill in so that they have something to show."""

from collections.abc import Callable
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import httpx
from sqlmodel import select

from models.infra.database import transaction
from models.infra.ids import new_id
from models.tables.chatwoot import Message
from models.tables.retrieval import Feedback, QueryRun, SavedQuery
from tests.tools_app.world import Place

Key = tuple[str, str]
Call = Callable[[httpx.Client, str | None], list[httpx.Response]]


def case_id(marker: str) -> UUID:
    """The id of the case that `fill_questions` makes in the project of a marker."""
    return uuid5(NAMESPACE_URL, marker)


def fill_questions(place: Place, user: str) -> QueryRun:
    """A question of the project with a thumbs-down, shown with its messages, and a question that is kept."""
    projects = [str(place.project)]
    with transaction() as session:
        messages = session.exec(select(Message.id).where(Message.project_id == place.project)).all()
        run = QueryRun(
            id=case_id(place.marker),
            account_scope_id=place.scope,
            project_ids=projects,
            query=f"Asked about {place.marker}?",
            mode="hybrid",
            profile="default",
            answerable=True,
            answer=f"As {place.marker} said [1].",
            hits=[{"evidence_id": f"message:{each}"} for each in messages],
            quality_score=50,
            took_ms=10,
            requested_by=user,
        )
        session.add(run)
        session.flush()
        session.add(
            Feedback(
                query_run_id=run.id,
                account_scope_id=place.scope,
                rating="down",
                comment=f"Not what {place.marker} said",
            )
        )
        session.add(
            SavedQuery(
                account_scope_id=place.scope,
                project_ids=projects,
                scope_key=place.marker,
                saved_by=user,
                query=f"Kept about {place.marker}?",
                query_key=place.marker,
            )
        )
        session.expunge(run)
        return run


def _get(path: str, **query: Any) -> Call:
    def call(client: httpx.Client, project: str | None) -> list[httpx.Response]:
        return [client.get(path, params={**query, **({} if project is None else {"project_id": project})})]

    return call


def _open_cases(client: httpx.Client, project: str | None) -> list[httpx.Response]:
    chosen = {} if project is None else {"project_id": project}
    listed = client.get("/api/lightrag/cases", params=chosen).json().get("items", [])
    ids = [each["query_run_id"] for each in listed] or [str(new_id())]
    return [client.get(f"/api/lightrag/cases/{each}", params=chosen) for each in ids]


READS: list[Key] = [
    ("get", f"/api/lightrag/{name}")
    for name in (
        "feedback/trend", "analytics", "cases", "cases/{query_run_id}", "recent", "suggestions", "saved",
    )
]  # fmt: skip
NUMBERS_ONLY = {"/api/lightrag/feedback/trend", "/api/lightrag/analytics"}
CALLS: dict[Key, Call] = {
    **{key: _get(key[1]) for key in READS},
    ("get", "/api/lightrag/cases/{query_run_id}"): _open_cases,
    ("put", "/api/lightrag/cases/{query_run_id}"): lambda client, project: [
        client.put(f"/api/lightrag/cases/{new_id()}", json={"evidence": [], "project_id": project})
    ],
    ("post", "/api/lightrag/saved"): lambda client, project: [
        client.post("/api/lightrag/saved", json={"query": "x", "project_id": project})
    ],
    ("delete", "/api/lightrag/saved/{saved_id}"): lambda client, _: [
        client.delete(f"/api/lightrag/saved/{new_id()}")
    ],
}
