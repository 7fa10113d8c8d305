"""Opportunities: lists, single rows to read and to change, their stage events, and sums by stage and currency."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, text
from sqlmodel import Session, col, select

from models.infra.scope import Scope
from models.queries.accounts import escape_like, within
from models.queries.keyset import keyset_page, sort_keys
from models.tables.attio import Deal
from models.tables.crm import Account, Opportunity, OpportunityStageEvent

# Where nothing is known a row sorts as the least (amount) or the latest (close date).
SORTS = sort_keys(
    {
        "name": (func.lower(Opportunity.name), "text"),
        "created_at": (col(Opportunity.created_at), "time"),
        "updated_at": (col(Opportunity.updated_at), "time"),
        "amount": (func.coalesce(Opportunity.amount, -1), "number"),
        "close_date": (func.coalesce(Opportunity.close_date, dt.date(9999, 12, 31)), "date"),
    }
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list of opportunities is narrowed to; None leaves a field open."""

    stage: str | None = None
    account_id: UUID | None = None
    currency: str | None = None
    search: str | None = None
    is_mirrored: bool | None = None


@dataclass(frozen=True, slots=True)
class StageSum:
    """Live opportunities of one stage and currency. `weighted` is the sum of amount x probability, exact.

    `currency` is None for those without an amount or without a currency; nothing of them can be summed.
    """

    stage: str
    currency: str | None
    opportunities: int
    amount: Decimal
    weighted: Decimal


def page_of_opportunities(
    session: Session, scope: Scope, wanted: Wanted, *, sort: str, cursor: str | None, limit: int
) -> tuple[Sequence[Row[Any]], str | None]:
    """Live opportunities: rows of (Opportunity, account's name, vendor's url), and the next cursor."""
    statement = _opportunities(scope)
    if wanted.stage is not None:
        statement = statement.where(col(Opportunity.stage) == wanted.stage)
    if wanted.account_id is not None:
        statement = statement.where(col(Opportunity.account_id) == wanted.account_id)
    if wanted.currency is not None:
        statement = statement.where(col(Opportunity.currency) == wanted.currency)
    if wanted.search:
        statement = statement.where(col(Opportunity.name).ilike(f"%{escape_like(wanted.search)}%"))
    if wanted.is_mirrored is not None:
        statement = statement.where(col(Opportunity.connection_id).is_not(None) == wanted.is_mirrored)
    return keyset_page(session, statement, SORTS, sort, col(Opportunity.id), cursor=cursor, limit=limit)


def find_opportunity(session: Session, scope: Scope, opportunity_id: UUID) -> Row[Any] | None:
    """One live opportunity, as `page_of_opportunities` lists it."""
    return session.execute(_opportunities(scope).where(col(Opportunity.id) == opportunity_id)).one_or_none()


def lock_opportunity(session: Session, scope: Scope, opportunity_id: UUID) -> Opportunity | None:
    """The live opportunity, locked until the transaction ends."""
    return session.exec(
        select(Opportunity)
        .where(
            *within(Opportunity, scope),
            col(Opportunity.id) == opportunity_id,
            col(Opportunity.deleted_at).is_(None),
        )
        .with_for_update()
    ).one_or_none()


def list_stage_events(
    session: Session, scope: Scope, opportunity_id: UUID, *, limit: int
) -> Sequence[OpportunityStageEvent]:
    """An opportunity's stages, the newest first."""
    return session.exec(
        select(OpportunityStageEvent)
        .where(
            *within(OpportunityStageEvent, scope), col(OpportunityStageEvent.opportunity_id) == opportunity_id
        )
        .order_by(col(OpportunityStageEvent.entered_at).desc(), col(OpportunityStageEvent.id).desc())
        .limit(limit)
    ).all()


def add_stage_event(session: Session, row: Opportunity, at: dt.datetime, changed_by: str) -> None:
    """Note that an opportunity is in its present stage from now on."""
    session.add(
        OpportunityStageEvent(
            account_scope_id=row.account_scope_id,
            project_id=row.project_id,
            opportunity_id=row.id,
            stage=row.stage,
            changed_by=changed_by,
            entered_at=at,
        )
    )
    session.flush()


def sum_stages(session: Session, scope: Scope, probabilities: Mapping[str, Decimal]) -> list[StageSum]:
    """Sums of the scope's live opportunities by stage and currency; probabilities are percentages by stage.

    An open opportunity's own probability goes before that of its stage. A currency is never mixed with another.
    """
    rows = session.execute(
        text(
            """
            SELECT stage, CASE WHEN amount IS NULL THEN NULL ELSE currency END AS known_currency,
                count(*)::int AS opportunities, coalesce(sum(amount), 0) AS amount,
                coalesce(sum(amount * CASE WHEN stage IN ('won', 'lost') THEN p.pct
                                           ELSE coalesce(probability_pct, p.pct) END / 100), 0) AS weighted
            FROM crm_opportunities
            LEFT JOIN unnest(CAST(:stages AS text[]), CAST(:pcts AS numeric[])) AS p (name, pct) ON p.name = stage
            WHERE account_scope_id = :scope AND project_id = ANY(:projects) AND deleted_at IS NULL
            GROUP BY stage, known_currency ORDER BY stage, known_currency
            """
        ),
        {
            "scope": scope.account_scope_id,
            "projects": list(scope.project_ids),
            "stages": list(probabilities),
            "pcts": list(probabilities.values()),
        },
    )
    return [
        StageSum(row.stage, row.known_currency, row.opportunities, row.amount, row.weighted) for row in rows
    ]


def sum_won(session: Session, scope: Scope, account_id: UUID) -> dict[str, Decimal]:
    """What an account has bought so far: the amounts of its won opportunities by currency."""
    rows = session.execute(
        select(Opportunity.currency, func.sum(Opportunity.amount))
        .where(
            *within(Opportunity, scope),
            col(Opportunity.account_id) == account_id,
            col(Opportunity.stage) == "won",
            col(Opportunity.deleted_at).is_(None),
            col(Opportunity.amount).is_not(None),
            col(Opportunity.currency).is_not(None),
        )
        .group_by(col(Opportunity.currency))
    )
    return {row[0]: row[1] for row in rows}


def _opportunities(scope: Scope) -> Any:
    return (
        select(Opportunity, col(Account.name).label("account_name"), Deal.url)
        .outerjoin(Account, col(Account.id) == col(Opportunity.account_id))
        .outerjoin(Deal, col(Deal.id) == col(Opportunity.attio_deal_id))
        .where(*within(Opportunity, scope), col(Opportunity.deleted_at).is_(None))
    )
