"""How complete and how old the copy is that an answer rests on, per connector."""

from __future__ import annotations

from sqlalchemy import text
from sqlmodel import Session

from models.infra.clock import utcnow
from models.infra.scope import Scope
from retrieval.schemas import SourceCompleteness

# The newest figure of each stream; a connector is as complete as its weakest stream, and as old as its last success.
_LATEST = """
WITH latest AS (
    SELECT DISTINCT ON (m.connection_id, m.stream) m.connection_id, m.completeness_pct, m.measured_at
    FROM sync_reconciliation_metrics m
    WHERE m.account_scope_id = :scope_id AND m.project_id IS NULL
    ORDER BY m.connection_id, m.stream, m.measured_at DESC
)
SELECT v.connector, min(l.completeness_pct) AS pct, bool_or(l.completeness_pct IS NULL AND l.measured_at IS NOT NULL)
       AS unknown, min(s.last_success_at) AS synced_at
FROM vendor_connections v
LEFT JOIN latest l ON l.connection_id = v.id
LEFT JOIN connector_sync_state s ON s.connection_id = v.id
WHERE v.account_scope_id = :scope_id AND v.enabled
GROUP BY v.connector
ORDER BY v.connector
"""


def read(session: Session, scope: Scope) -> dict[str, SourceCompleteness]:
    """Completeness in per cent (None: never measured, or the vendor was unreachable) and age in seconds, by connector."""
    now = utcnow()
    rows = session.connection().execute(text(_LATEST), {"scope_id": scope.account_scope_id})
    return {
        row.connector: SourceCompleteness(
            pct=None if row.unknown or row.pct is None else float(row.pct),
            age_s=None if row.synced_at is None else max(0, round((now - row.synced_at).total_seconds())),
        )
        for row in rows
    }
