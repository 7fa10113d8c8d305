"""How the leak test calls the endpoints around signals, and what it has to fill in so that they have something to show."""

from collections.abc import Callable
from typing import Any

import httpx
from sqlmodel import col, select

from models.infra.clock import utcnow
from models.infra.database import transaction
from models.infra.ids import new_id
from models.tables.agreements import Agreement
from models.tables.chatwoot import Message
from models.tables.signals import NextBestAction, Signal
from tests.tools_app.world import Place

Key = tuple[str, str]
Call = Callable[[httpx.Client, str | None], list[httpx.Response]]


def fill_signals(place: Place) -> tuple[Signal, NextBestAction]:
    """A signal that quotes a message of the project, and what it suggests."""
    scoped: dict[str, Any] = {"account_scope_id": place.scope, "project_id": place.project}
    with transaction() as session:
        message = session.exec(
            select(Message).where(Message.project_id == place.project).order_by(col(Message.sent_at)).limit(1)
        ).one()
        signal = Signal(
            **scoped,
            kind="complaint",
            message_id=message.id,
            severity=4,
            confidence=0.8,
            evidence=[{"type": "message", "id": str(message.id), "quote": f"Late, says {place.marker}."}],
            occurred_at=message.sent_at,
        )
        session.add(signal)
        session.flush()
        action = NextBestAction(
            **scoped,
            signal_id=signal.id,
            action="call_client",
            due_on=utcnow().date(),
            params={"kind": "complaint"},
        )
        session.add(action)
        session.flush()
        session.refresh(signal)
        session.expunge_all()
        return signal, action


def fill_agreement(place: Place) -> Agreement:
    """A promise that quotes a message of the project."""
    with transaction() as session:
        message = session.exec(
            select(Message).where(Message.project_id == place.project).order_by(col(Message.sent_at)).limit(1)
        ).one()
        row = Agreement(
            account_scope_id=place.scope,
            project_id=place.project,
            message_id=message.id,
            promise_key="x",
            side="client",
            due_on=utcnow().date(),
            evidence=[
                {"type": "message", "id": str(message.id), "quote": f"On Friday, says {place.marker}."}
            ],
        )
        session.add(row)
        session.flush()
        session.expunge_all()
        return row


def _get(path: str) -> Call:
    def call(client: httpx.Client, project: str | None) -> list[httpx.Response]:
        chosen = {} if project is None else {"project_id": project}
        return [client.get(path, params={**chosen, "lang": lang}) for lang in ("en", "ru")]

    return call


def _decide(path: str, decision: str) -> Call:
    def call(client: httpx.Client, project: str | None) -> list[httpx.Response]:
        return [
            client.post(f"{path}/{new_id()}", json={"project_id": project or "alpha", "decision": decision})
        ]

    return call


READS: list[Key] = [("get", "/api/signals"), ("get", "/api/nba"), ("get", "/api/agreements")]
CALLS: dict[Key, Call] = {
    **{key: _get(key[1]) for key in READS},
    ("post", "/api/signals/scan"): lambda client, _: [client.post("/api/signals/scan")],
    ("post", "/api/signals/{signal_id}"): _decide("/api/signals", "accept"),
    ("post", "/api/nba/{action_id}"): _decide("/api/nba", "done"),
    ("post", "/api/agreements/extract"): lambda client, _: [client.post("/api/agreements/extract")],
    ("post", "/api/agreements/{agreement_id}"): lambda client, project: [
        client.post(f"/api/agreements/{new_id()}", json={"project_id": project or "alpha", "status": "kept"})
    ],
}
