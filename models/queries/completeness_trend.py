"""How completeness moved: the comparisons of a stream whose figure differs from the one before."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from models.infra.scope import Scope
from models.queries.connector_overview import covers_account_scope

POINTS_AT_MOST = 2_000

_WHOLE = """
    SELECT connection_id, stream, measured_at, completeness_pct AS pct FROM sync_reconciliation_metrics
    WHERE account_scope_id = :account_scope AND project_id IS NULL AND measured_at >= :since
"""
# Only a comparison by ids tells projects apart; while the vendor is away nobody's share is known.
_PART = """
    SELECT connection_id, stream, measured_at, NULL AS pct FROM sync_reconciliation_metrics
    WHERE account_scope_id = :account_scope AND project_id IS NULL AND method = 'unknown' AND measured_at >= :since
    UNION ALL
    SELECT connection_id, stream, measured_at,
        CASE WHEN sum(vendor_count) > 0 THEN 100.0 * sum(vendor_count - missing) / sum(vendor_count) ELSE 100.0 END
    FROM sync_reconciliation_metrics
    WHERE account_scope_id = :account_scope AND project_id = ANY(:projects) AND method = 'ids' AND measured_at >= :since
    GROUP BY connection_id, stream, measured_at
"""
_CHANGES = """
    WITH figures AS ({figures}), marked AS (
        SELECT *, lag(pct) OVER of_stream AS before, row_number() OVER of_stream AS number,
            lead(measured_at) OVER of_stream IS NULL AS is_newest
        FROM figures WINDOW of_stream AS (PARTITION BY connection_id, stream ORDER BY measured_at)
    )
    SELECT connection_id, stream, measured_at, pct FROM marked
    WHERE number = 1 OR is_newest OR pct IS DISTINCT FROM before
    ORDER BY measured_at DESC LIMIT :most
"""


@dataclass(frozen=True, slots=True)
class CompletenessPoint:
    """A comparison's completeness, 0..100, or None while the vendor was away."""

    measured_at: dt.datetime
    pct: float | None


def list_trends(
    session: Session, scope: Scope, since: dt.datetime
) -> Mapping[tuple[UUID, str], tuple[CompletenessPoint, ...]]:
    """The points of every stream since an instant, oldest first, by connection and stream.

    A point is a stored comparison: the first, the newest, and each whose figure differs from the one before; the
    figure stays the same in between. POINTS_AT_MOST together, the newest ones. Of a scope narrower than its account
    scope a point is the sum of its projects' rows of that comparison.
    """
    figures = _WHOLE if covers_account_scope(session, scope) else _PART
    rows = session.execute(
        text(_CHANGES.format(figures=figures)),
        {
            "account_scope": scope.account_scope_id,
            "since": since,
            "most": POINTS_AT_MOST,
            **({} if figures is _WHOLE else {"projects": list(scope.project_ids)}),
        },
    ).all()
    found: dict[tuple[UUID, str], list[CompletenessPoint]] = {}
    for row in reversed(rows):
        point = CompletenessPoint(row.measured_at, None if row.pct is None else float(row.pct))
        found.setdefault((row.connection_id, row.stream), []).append(point)
    return {key: tuple(points) for key, points in found.items()}
