"""How complete and how old the copy is that an answer rests on, per connector."""

from __future__ import annotations

import datetime as dt

from sqlmodel import Session

from models.infra.clock import utcnow
from models.infra.scope import Scope
from models.queries.completeness import StreamCompleteness, list_completeness, total_of
from models.queries.connector_overview import ConnectionFacts, list_connections
from retrieval.schemas import SourceCompleteness


def read(session: Session, scope: Scope) -> dict[str, SourceCompleteness]:
    """Completeness of each connector inside the scope, as everybody else is told it, and its age, by connector.

    The age is that of the oldest last success among the connector's connections.
    """
    now = utcnow()
    streams: dict[str, list[StreamCompleteness]] = {}
    for each in list_completeness(session, scope):
        streams.setdefault(each.connector, []).append(each)
    connections: dict[str, list[ConnectionFacts]] = {}
    for held in list_connections(session, scope.account_scope_id):
        if held.enabled:
            connections.setdefault(held.connector, []).append(held)
    found: dict[str, SourceCompleteness] = {}
    for connector, mine in connections.items():
        total = total_of(streams.get(connector, []))
        synced_at = _synced_at(mine)
        found[connector] = SourceCompleteness(
            pct=total.pct,
            age_s=None if synced_at is None else max(0, round((now - synced_at).total_seconds())),
            synced_at=synced_at,
            is_unknown=total.is_unknown,
            known_at=total.known_at,
        )
    return found


def _synced_at(connections: list[ConnectionFacts]) -> dt.datetime | None:
    return min(
        (each.last_success_at for each in connections if each.last_success_at is not None), default=None
    )
