"""The webhooks of an account scope as people see them: where vendors deliver, whether a secret is set, what came in.

What came in is counted in this process, since it started, for connections that exist: an unsigned delivery must not
cost a write. `webhook_deliveries_total` has the same by connector, for whoever keeps time series.
"""

import datetime as dt
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from models.infra.clock import utcnow
from models.infra.database import reading
from models.infra.ids import AccountScopeId
from models.infra.settings import get_settings
from models.queries import webhooks as queries
from tools_app.services.views import SessionView

# Outcomes that are answered 200; all others are refusals.
_TAKEN = ("accepted", "duplicate", "ignored")


@dataclass(frozen=True, slots=True)
class WebhookRow:
    """The webhook of one connection: the URL its vendor delivers to, and deliveries since `counted_since` by outcome.

    The secret itself is never shown. `refused` are those that were not answered 200, together.
    """

    connection_id: str
    connector: str
    name: str
    url: str
    has_secret: bool
    enabled: bool
    accepted: int
    duplicate: int
    ignored: int
    refused: int
    refusals: Mapping[str, int]
    counted_since: dt.datetime


class Tally:
    """Counts deliveries by connection and outcome; as large as there are connections that exist."""

    def __init__(self) -> None:
        self.since = utcnow()
        self._counts: Counter[tuple[UUID, str]] = Counter()
        self._lock = threading.Lock()

    def add(self, connection_id: UUID, outcome: str) -> None:
        """Count one delivery for a connection that exists."""
        with self._lock:
            self._counts[connection_id, outcome] += 1

    def of(self, connection_id: UUID) -> dict[str, int]:
        """The counts of a connection by outcome."""
        with self._lock:
            return {
                outcome: count for (held, outcome), count in self._counts.items() if held == connection_id
            }


tally = Tally()


def delivery_url(connector: str, connection_id: UUID) -> str:
    """Where a vendor is to deliver to."""
    return f"{get_settings().origin()}/api/webhooks/{connector}/{connection_id}"


def list_webhooks(session: SessionView) -> tuple[WebhookRow, ...]:
    """The webhook of every connection of the caller's account scope, by connector and name."""
    with reading() as db:
        targets = queries.list_targets(db, AccountScopeId(UUID(session.account_scope_id)))
    return tuple(_row(target, tally.of(target.id)) for target in targets)


def _row(target: queries.WebhookPlace, counts: Mapping[str, int]) -> WebhookRow:
    refusals = {outcome: count for outcome, count in counts.items() if outcome not in _TAKEN}
    return WebhookRow(
        connection_id=str(target.id),
        connector=target.connector,
        name=target.name,
        url=delivery_url(target.connector, target.id),
        has_secret=target.has_secret,
        enabled=target.enabled,
        accepted=counts.get("accepted", 0),
        duplicate=counts.get("duplicate", 0),
        ignored=counts.get("ignored", 0),
        refused=sum(refusals.values()),
        refusals=refusals,
        counted_since=tally.since,
    )
