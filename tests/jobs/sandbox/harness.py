"""A small studio of its own for contract tests, served in process under a clock that the test moves."""

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from starlette.types import ASGIApp

from jobs.sandbox.sandbox import Sandbox
from jobs.sandbox.server import assemble
from jobs.sandbox.state import StateFile
from jobs.sandbox.tenant import Origins
from jobs.sandbox.world.authored import StudioWorld
from jobs.sandbox.world.loader import load_studio

# A Wednesday noon in the studio's zone.
NOON = datetime(2026, 6, 17, 10, 0, tzinfo=UTC)
ORIGINS = Origins("http://chatwoot.test", "http://linear.test", "http://attio.test")

STUDIO: dict[str, Any] = {
    "name": "Small Studio",
    "slug": "small",
    "staff": [
        {"key": "dana-whitfield", "first": "Dana", "last": "Whitfield", "email": "dana@s.example",
         "title": "Founder", "admin": True},
        {"key": "marta-kovac", "first": "Marta", "last": "Kovač", "email": "marta@s.example", "title": "PM"},
        {"key": "ilya-sorokin", "first": "Ilya", "last": "Sorokin", "email": "ilya@s.example", "title": "PM"},
    ],
    "hotline": {"name": "Hotline", "by_label": "acme", "by_domain": "beta"},
    "projects": [
        {"slug": "acme", "client": "Acme", "lang": "en", "team": "ACM", "color": "#000000"},
        {"slug": "beta", "client": "Бета", "lang": "ru", "team": "BET", "color": "#ffffff"},
    ],
}  # fmt: skip

PEOPLE: dict[str, Any] = {
    "companies": [
        {"key": "acme", "name": "Acme Ltd", "domains": ["acme.example"], "cw_name": "ACME",
         "description": "Makes anvils.", "city": "Leeds", "country": "GB", "categories": ["tools"]},
        {"key": "anvils", "name": "Anvils & Sons", "domains": ["anvils.example"], "city": "York", "country": "GB"},
    ],
    "people": [
        {"key": "ann", "company": "acme", "first": "Ann", "last": "Lee", "job": "Buyer", "email": "ann@acme.example",
         "phone": "+44 7700 900001", "cw": {"name": "Annie L."}, "in": ["cw", "attio"]},
        {"key": "bob", "company": "anvils", "first": "Bob", "last": "Ray", "email": "bob@anvils.example",
         "phone": None, "in": ["cw", "attio"]},
        {"key": "ghost", "first": "Quiet", "last": "Heron", "in": ["cw"],
         "cw": {"name": "quiet-heron-1", "email": None, "phone": None}},
        {"key": "silent", "company": "acme", "first": "Si", "last": "Lent", "email": "si@acme.example",
         "in": ["cw"]},
    ],
}  # fmt: skip

CONVERSATIONS: list[dict[str, Any]] = [
    {"key": "first", "lang": "en", "inbox": "mail", "contact": "ann", "assignee": "marta-kovac",
     "subject": "Anvil {d w3 fri}", "labels": ["deadline"], "status": "resolved", "priority": "high",
     "at": "w6 mon 09:00", "messages": [
         ["ann", "0m", "When will the anvil be done?"],
         ["marta-kovac", "2h", "By {d w3 fri}, promised."],
         ["!marta-kovac", "1m", "She is in a hurry."],
         ["ann", "1d", "Thanks!", {"attach": "plan.pdf"}]]},
    {"key": "open", "lang": "en", "inbox": "telegram", "contact": "bob", "assignee": None, "labels": [],
     "status": "open", "priority": None, "at": "w2 tue 10:00", "messages": [["bob", "0m", "Anybody there?"]]},
    {"key": "visit", "lang": "en", "inbox": "site", "contact": "ghost", "assignee": None, "labels": [],
     "status": "pending", "priority": None, "at": "w1 thu 12:00", "messages": [["ghost", "0m", "Prices?"]]},
    {"key": "future", "lang": "en", "inbox": "mail", "contact": "ann", "assignee": "marta-kovac",
     "subject": "Later", "labels": [], "status": "open", "priority": None, "at": "w0 fri 09:00",
     "messages": [["ann", "0m", "This is said on Friday."], ["marta-kovac", "30m", "And answered."]]},
]  # fmt: skip

ISSUES: dict[str, Any] = {
    "projects": [{"key": "forge", "name": "Forge", "status": "started", "health": "atRisk", "start": "w8",
                  "target": "w-2", "lead": "marta-kovac", "description": "The forge."}],
    "issues": [
        {"key": "fire", "title": "Light the fire", "description": "Due {d w2 fri}.", "state": "Done", "priority": 2,
         "labels": ["Bug"], "assignee": "marta-kovac", "project": "forge", "created": "w7 mon 10:00",
         "updated": "w5 tue 12:00", "completed": "w5 tue 12:00", "estimate": 3,
         "comments": [["ann", "w6 wed 09:00", "It smokes."]]},
        {"key": "iron", "title": "Buy iron", "state": "In Progress", "priority": 1, "labels": ["Bug"],
         "assignee": "marta-kovac", "project": "forge", "created": "w6 mon 10:00", "updated": "w2 tue 12:00",
         "due": "w-1 fri", "blocked_by": ["fire"], "comments": []},
        {"key": "old", "title": "Old thing", "state": "Canceled", "priority": 4, "labels": [],
         "created": "w9 mon 10:00", "updated": "w8 mon 10:00", "archived": True, "comments": []},
        {"key": "friday", "title": "Comes on Friday", "state": "Todo", "priority": 0, "labels": [],
         "created": "w0 fri 10:00", "updated": "w0 fri 10:00", "comments": []},
    ],
}  # fmt: skip

DEALS: dict[str, Any] = {
    "deals": [
        {"key": "big", "name": "Big anvil", "company": "acme", "people": ["ann"], "owner": "dana-whitfield",
         "value": 1000.5, "currency": "GBP", "created": "w7 mon 12:00", "stage": "Won 🎉",
         "history": [["Lead", "w7 mon 12:00"], ["Won 🎉", "w5 mon 12:00"]], "next_step": "Invoice",
         "close": "w4 fri"},
        {"key": "small", "name": "Small anvil", "company": "anvils", "people": ["bob"], "owner": "dana-whitfield",
         "value": None, "created": "w3 mon 12:00", "stage": "Lead", "history": [["Lead", "w3 mon 12:00"]],
         "next_step": None},
    ],
    "notes": [
        {"key": f"n{number}", "parent": "deal:big", "title": f"Call {number}", "by": "dana-whitfield",
         "at": f"w4 mon 10:{number:02d}", "text": f"They spoke of anvil number {number}."}
        for number in range(55)
    ],
}  # fmt: skip

TICKS: list[dict[str, Any]] = [
    {"kind": "conversation", "key": "fresh", "lang": "en", "inbox": "site", "contact": "bob", "assignee": None,
     "labels": [], "messages": [["bob", "0m", "A new question."], ["marta-kovac", "1m", "A new answer."]]},
    {"kind": "edit_message", "message": "first/1", "text": "When will the big anvil be done?"},
    {"kind": "delete_message", "message": "first/4"},
    {"kind": "issue_state", "issue": "iron", "state": "In Review", "comment": ["marta-kovac", "Bought."]},
    {"kind": "merge_contacts", "base": "bob", "mergee": "silent"},
    {"kind": "merge_companies", "primary": "acme", "secondary": "anvils"},
    {"kind": "delete_issue", "issue": "fire"},
]  # fmt: skip

BETA: dict[str, Any] = {
    "people.yaml": {
        "companies": [{"key": "beta", "name": "Бета", "domains": ["beta.example"], "city": "Омск", "country": "RU"}],
        "people": [
            {"key": "eva", "company": "beta", "first": "Ева", "last": "Лис", "email": "eva@beta.example",
             "in": ["cw", "attio"]},
        ],
    },
    "conversations-1.yaml": [
        {"key": f"zvonok-{number}", "lang": "ru", "inbox": "telegram", "contact": "eva",
         "assignee": "ilya-sorokin", "labels": [], "status": "open", "at": f"w5 mon 1{number % 10}:0{number // 10}",
         "messages": [["eva", "0m", f"Вопрос номер {number}, ответьте к {{d w4 fri}}."]]}
        for number in range(30)
    ],
}  # fmt: skip


class Clock:
    """The time a test sets."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **span: float) -> None:
        self.at += timedelta(**span)


class Client:
    """A synchronous client of an application in this process."""

    def __init__(self, app: ASGIApp, headers: dict[str, str]) -> None:
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://vendor.test", headers=headers
        )

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return asyncio.run(self._client.request(method, path, **options))

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)


@dataclass
class Lab:
    """A sandbox with a client per vendor, signed in as the small studio."""

    sandbox: Sandbox
    clock: Clock
    chatwoot: Client
    linear: Client
    attio: Client

    def query(self, text: str, **variables: Any) -> Any:
        """The data of a GraphQL query that must succeed."""
        answer = self.linear.post("/graphql", json={"query": text, "variables": variables})
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert "errors" not in body, body
        return body["data"]

    def records(self, object_slug: str, **body: Any) -> list[dict[str, Any]]:
        """The records a query selects."""
        answer = self.attio.post(f"/v2/objects/{object_slug}/records/query", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def event(self, **event: Any) -> None:
        """Let an event of the project acme happen now."""
        answer = self.chatwoot.post("/_sandbox/event", json={"project": "acme", "event": event})
        assert answer.status_code == 200, answer.text

    def conversations(self, **params: Any) -> list[dict[str, Any]]:
        """A page of the conversation list."""
        answer = self.chatwoot.get("/api/v1/accounts/1/conversations", params={"status": "all", **params})
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]["payload"]

    def conversation(self, key: str) -> int:
        """The display id of an authored conversation of acme."""
        return self.sandbox.tenants["main"].chatwoot_seed.conversations["acme", key]


def write_studio(folder: Path, calls: int = len(BETA["conversations-1.yaml"]), **files: Any) -> StudioWorld:
    """The small studio as YAML below a folder, with single files of acme replaced and so many calls of beta, read back."""
    acme: dict[str, Any] = {
        "people": PEOPLE,
        "conversations": CONVERSATIONS,
        "issues": ISSUES,
        "deals": DEALS,
        "ticks": TICKS,
        **files,
    }
    names = {"conversations": "conversations-1"}
    _write(folder / "studio.yaml", STUDIO)
    for name, body in acme.items():
        _write(folder / "acme" / f"{names.get(name, name)}.yaml", body)
    for name, body in {**BETA, "conversations-1.yaml": BETA["conversations-1.yaml"][:calls]}.items():
        _write(folder / "beta" / name, body)
    return load_studio(folder)


def open_lab(folder: Path, clock: Clock | None = None, **files: Any) -> Lab:
    """A sandbox over the small studio; its look-alike is the same studio again under another slug."""
    clock = clock or Clock()
    main = write_studio(folder / "main", **files)
    _write(folder / "twin" / "studio.yaml", {**STUDIO, "slug": "small-twin", "hotline": None})
    for project in ("acme", "beta"):
        for path in sorted((folder / "main" / project).glob("*.yaml")):
            target = folder / "twin" / project / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(
                path.read_text(encoding="utf-8").replace("anvil", "ANVILTWIN"), encoding="utf-8"
            )
    sandbox = Sandbox(StateFile(folder / "state"), ORIGINS, clock, (main, load_studio(folder / "twin")))
    apps = assemble(sandbox, ORIGINS.chatwoot).apps
    tokens = sandbox.state.tokens
    return Lab(
        sandbox,
        clock,
        Client(apps["chatwoot"], {"api_access_token": tokens["chatwoot"]}),
        Client(apps["linear"], {"authorization": tokens["linear"]}),
        Client(apps["attio"], {"authorization": f"Bearer {tokens['attio']}"}),
    )


def _write(path: Path, body: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps(body, ensure_ascii=False), encoding="utf-8"
    )  # JSON is YAML too, and quick to write
