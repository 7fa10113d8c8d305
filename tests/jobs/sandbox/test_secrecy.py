"""What only evaluation may know cannot be reached through the vendors."""

from typing import Any

import orjson
import pytest

from jobs.sandbox.sandbox import Sandbox
from jobs.sandbox.server import assemble
from jobs.sandbox.state import StateFile
from jobs.sandbox.world.authored import StudioWorld
from jobs.sandbox.world.gold_files import read_gold
from tests.jobs.sandbox.harness import ORIGINS, Client, Clock

API = "/api/v1/accounts/1"


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Client]:
    sandbox = Sandbox(StateFile(tmp_path_factory.mktemp("secrecy")), ORIGINS, Clock())
    apps, tokens = assemble(sandbox, ORIGINS.chatwoot).apps, sandbox.state.tokens
    return {
        "chatwoot": Client(apps["chatwoot"], {"api_access_token": tokens["chatwoot"]}),
        "linear": Client(apps["linear"], {"authorization": tokens["linear"]}),
        "attio": Client(apps["attio"], {"authorization": f"Bearer {tokens['attio']}"}),
    }


def everything(clients: dict[str, Client]) -> str:
    """Every byte that a reader of the three vendors could get from lists."""
    found: list[str] = []

    def take(answer: Any) -> Any:
        assert answer.status_code == 200, answer.text
        found.append(orjson.dumps(answer.json()).decode())
        return answer.json()

    chatwoot, linear, attio = clients["chatwoot"], clients["linear"], clients["attio"]
    wide = {"status": "all", "updated_within": 86_400 * 400}
    for conversation in take(chatwoot.get(f"{API}/conversations", params=wide))["data"]["payload"]:
        take(chatwoot.get(f"{API}/conversations/{conversation['id']}/messages", params={"after": 1}))
    for name in ("inboxes", "labels", "agents", "teams"):
        take(chatwoot.get(f"{API}/{name}"))
    for connection, fields in (
        ("issues", "id title description labels(first: 9) { nodes { name } }"),
        ("comments", "id body"),
        ("projects", "id name description content"),
    ):
        after = None
        for _ in range(10):
            text = f"query($a: String) {{ {connection}(first: 200, after: $a, includeArchived: true) {{ nodes {{ {fields} }} pageInfo {{ hasNextPage endCursor }} }} }}"
            page = take(linear.post("/graphql", json={"query": text, "variables": {"a": after}}))["data"][
                connection
            ]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
    for name in ("companies", "people", "deals"):
        take(attio.post(f"/v2/objects/{name}/records/query", json={}))
    for offset in range(0, 400, 50):
        take(attio.get("/v2/notes", params={"limit": 50, "offset": offset}))
    return "\n".join(found)


def encoded(text: str) -> str:
    return orjson.dumps(" ".join(text.split())).decode()[1:-1]


def test_no_gold_question_agreement_or_storyline_is_among_the_vendors_records(
    clients: dict[str, Client], world: StudioWorld
) -> None:
    shown = everything(clients)
    assert shown.count("Conversation was marked resolved") > 100
    told = [q.question for p in world.projects.values() for q in read_gold(p)]
    told += [s.text for p in world.projects.values() for s in p.storylines]
    leaked = [text for text in told if len(text) > 25 and encoded(text) in shown]
    assert leaked == []
    assert "held_out" not in shown
    for project in world.projects.values():
        assert not [a.key for a in project.agreements if a.key in shown]


@pytest.mark.parametrize(
    "path",
    [
        "/gold.yaml",
        "/jobs/sandbox/world/harbor-pine/gold.yaml",
        "/../jobs/sandbox/world/harbor-pine/truth.yaml",
        "/%2e%2e/world.jsonl",
        "/static/world.jsonl",
        f"{API}/gold",
        "/v2/objects/gold/records/query",
        "/meridian/notes/..%2f..%2ftruth.yaml",
    ],
)
def test_no_path_leads_to_a_file_of_the_world(clients: dict[str, Client], path: str) -> None:
    for client in clients.values():
        assert client.get(path).status_code in (404, 405)
