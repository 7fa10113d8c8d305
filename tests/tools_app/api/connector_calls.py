"""How the leak test calls the endpoints of connectors and jobs: reads by project, work that is asked for."""

from collections.abc import Callable
from typing import Any

import httpx

from models.infra.database import transaction
from models.infra.ids import new_id
from models.tables.platform import ProjectBinding
from models.tables.reliability import ConnectorError
from tests.tools_app.world import Place

Call = Callable[[httpx.Client, str | None], list[httpx.Response]]
Key = tuple[str, str]
ERRORS = "/api/connectors/errors"
DIFF = "/api/connectors/reconciliation/diff"
_READS: dict[str, list[dict[str, Any]]] = {
    "/api/connectors/state": [{}],
    ERRORS: [{"limit": 200}],
    f"{ERRORS}/dead-letter": [{"limit": 200}],
    "/api/connectors/reconciliation": [{}],
    DIFF: [{"limit": 200}, {"connector": "linear", "stream": "issues"}, {"format": "csv"}],
    "/api/jobs/status": [{}],
    "/api/bindings": [{}],
    "/api/jobs/schedule": [{}],
}
# Work that names no project.
_ASKED: dict[Key, tuple[str, dict[str, Any] | None]] = {
    ("post", "/api/connectors/sync"): ("/api/connectors/sync", None),
    ("post", "/api/connectors/{name}/sync"): ("/api/connectors/linear/sync", None),
    ("post", "/api/connectors/{name}/repair"): ("/api/connectors/linear/repair", None),
    ("post", "/api/connectors/reconciliation/run"): ("/api/connectors/reconciliation/run", None),
    ("post", "/api/jobs/run"): ("/api/jobs/run", {"job": "index"}),
}
PAYLOAD: Key = ("get", f"{ERRORS}/{{error_id}}/payload")
RETRY: Key = ("post", f"{ERRORS}/retry")


def _chosen(project: str | None) -> dict[str, str]:
    return {} if project is None else {"project_id": project}


def _read(path: str) -> Call:
    return lambda client, project: [
        client.get(path, params={**query, **_chosen(project)}) for query in _READS[path]
    ]


def _ask(path: str, body: dict[str, Any] | None) -> Call:
    return lambda client, _: [client.post(path, json=body)]


def _payloads(client: httpx.Client, project: str | None) -> list[httpx.Response]:
    """Asks for the payload of every error that a project lists, else of one that is not there."""
    listed = client.get(ERRORS, params={**_chosen(project), "limit": 200}).json().get("items", [])
    ids = [each["id"] for each in listed] or [str(new_id())]
    return [client.get(f"{ERRORS}/{each}/payload", params=_chosen(project)) for each in ids]


def _retry(client: httpx.Client, project: str | None) -> list[httpx.Response]:
    return [client.post(RETRY[1], json=_chosen(project))]


def give_up(place: Place) -> None:
    """A dead letter of the project, beside its error that waits, and a rule that leads into it."""
    with transaction() as session:
        session.add(
            ProjectBinding(
                account_scope_id=place.scope,
                project_id=place.project,
                connection_id=place.connections["linear"],
                rule_kind="team",
                rule_value=place.marker,
            )
        )
        session.add(
            ConnectorError(
                account_scope_id=place.scope,
                project_id=place.project,
                connection_id=place.connections["linear"],
                stream="issues",
                unit=f"given up {place.marker}",
                error_kind="bad_record",
                message=f"given up {place.marker}",
                status="dead_letter",
                attempt=5,
            )
        )


def _bind(client: httpx.Client, project: str | None) -> list[httpx.Response]:
    body = {
        "connection_id": str(new_id()),
        "project_id": project or "alpha",
        "rule_kind": "team",
        "rule_value": "X",
    }
    return [client.post("/api/bindings", json=body)]


_BINDING: dict[Key, Call] = {
    ("post", "/api/bindings"): _bind,
    ("patch", "/api/bindings/{binding_id}"): lambda client, _: [
        client.patch(f"/api/bindings/{new_id()}", json={"priority": 1})
    ],
    ("delete", "/api/bindings/{binding_id}"): lambda client, _: [client.delete(f"/api/bindings/{new_id()}")],
}
READS: list[Key] = [*(("get", path) for path in _READS), PAYLOAD]
# Their answers hold no text of a project's rows.
NUMBERS = {"/api/connectors/state", "/api/connectors/reconciliation", "/api/jobs/schedule"}
CALLS: dict[Key, Call] = {
    **{("get", path): _read(path) for path in _READS},
    **_BINDING,
    **{key: _ask(*asked) for key, asked in _ASKED.items()},
    PAYLOAD: _payloads,
    RETRY: _retry,
}
