"""The CRM as people read it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text
from sqlmodel import Session

from models.infra.scope import Scope


@dataclass(frozen=True, slots=True)
class UnmappedStage:
    """A stage title of the vendor that the product does not know: live deals in it, and times a deal was in it."""

    stage: str
    deals: int
    events: int


def list_unmapped_stages(session: Session, scope: Scope, *, limit: int) -> list[UnmappedStage]:
    """The scope's unknown stage titles, those with most deals first. A deal without a stage stands under ""."""
    rows = session.execute(
        text(
            """
            SELECT title, sum(deals)::int AS deals, sum(events)::int AS events FROM (
                SELECT coalesce(vendor_stage, '') AS title, 1 AS deals, 0 AS events FROM crm_opportunities
                WHERE account_scope_id = :scope AND project_id = ANY(:projects) AND stage = 'unmapped'
                  AND deleted_at IS NULL
                UNION ALL
                SELECT coalesce(e.vendor_stage, ''), 0, 1 FROM crm_opportunity_stage_events e
                JOIN crm_opportunities o ON o.id = e.opportunity_id AND o.deleted_at IS NULL
                WHERE e.account_scope_id = :scope AND e.project_id = ANY(:projects) AND e.stage = 'unmapped'
            ) found GROUP BY title ORDER BY deals DESC, events DESC, title LIMIT :limit
            """
        ),
        {"scope": scope.account_scope_id, "projects": list(scope.project_ids), "limit": limit},
    )
    return [UnmappedStage(row.title, row.deals, row.events) for row in rows]
