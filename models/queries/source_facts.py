"""What a trust bar needs to know of each source, in one read: its last runs, its unresolved errors, whether it syncs now."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from models.infra.scope import Scope

_READ = text("""
SELECT v.id, v.connector, s.status, s.last_success_at,
       (SELECT count(*) FROM connector_errors e
        WHERE e.connection_id = v.id AND e.status IN ('pending', 'retrying', 'dead_letter')
          AND (e.project_id = ANY(:projects) OR (:is_whole AND e.project_id IS NULL))) AS errors,
       EXISTS (SELECT 1 FROM job_runs r
               WHERE r.job = 'sync' AND r.subject = v.id::text AND r.status IN ('queued', 'running')) AS is_syncing
FROM vendor_connections v LEFT JOIN connector_sync_state s ON s.connection_id = v.id
WHERE v.account_scope_id = :scope
ORDER BY v.connector, v.name, v.id
""")


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """A connection; `errors` are those inside the scope, `status` is `never` before the first run."""

    id: UUID
    connector: str
    status: str
    last_success_at: dt.datetime | None
    errors: int
    is_syncing: bool


def list_sources(session: Session, scope: Scope, *, is_whole: bool) -> list[SourceFacts]:
    """The connections of the account scope. Errors without a project count only where the scope `is_whole`."""
    bound = {"scope": scope.account_scope_id, "projects": list(scope.project_ids), "is_whole": is_whole}
    return [
        SourceFacts(
            row.id, row.connector, row.status or "never", row.last_success_at, int(row.errors), row.is_syncing
        )
        for row in session.execute(_READ, bound)
    ]
