"""Opportunities: read, add, change, move to another stage.

Of a mirrored opportunity only its notes and its own probability are ours; its stage is moved at the vendor.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlmodel import Session

from models.infra.clock import utcnow
from models.infra.database import reading, transaction
from models.infra.errors import Conflict, InvalidInput, NotFound
from models.infra.scope import Scope
from models.queries import accounts, money
from models.queries import opportunities as queries
from models.queries.opportunities import Wanted
from models.tables.crm import Opportunity
from models.tables.crm_stages import OPEN_STAGES, Stage
from tools_app.services.changes import audit, differing, refuse_mirrored, require_version, write
from tools_app.services.crm_views import OpportunityDetail, OpportunityView, StageEventView
from tools_app.services.idempotency import Made, OnceKey, make_once
from tools_app.services.views import SessionView

# What may be changed of a mirrored opportunity.
OURS = frozenset({"notes", "probability_pct"})
_EVENTS_AT_MOST = 100


def list_opportunities(
    scope: Scope, wanted: Wanted, *, sort: str, cursor: str | None, limit: int
) -> tuple[list[OpportunityView], str | None]:
    """A page of opportunities and the next cursor. Raises InvalidInput for an unknown sort or cursor."""
    with reading() as db:
        chances = money.probabilities(db, scope.account_scope_id)
        rows, after = queries.page_of_opportunities(db, scope, wanted, sort=sort, cursor=cursor, limit=limit)
        return [OpportunityView(**_fields(row, chances)) for row in rows], after


def get_opportunity(scope: Scope, opportunity_id: UUID) -> OpportunityDetail:
    """One opportunity with its stages. Raises NotFound."""
    with reading() as db:
        return _read(db, scope, opportunity_id)


def create_opportunity(
    session: SessionView, scope: Scope, values: Mapping[str, Any], once: OnceKey | None
) -> Made[OpportunityDetail]:
    """Add an opportunity to the scope's one project. Raises InvalidInput for an amount without currency, NotFound
    for an account that is not of this project.
    """

    def work(db: Session) -> OpportunityDetail:
        now = utcnow()
        row = Opportunity(
            account_scope_id=scope.account_scope_id,
            project_id=scope.project_ids[0],
            created_at=now,
            updated_at=now,
            **values,
        )
        _check(db, scope, row)
        db.add(row)
        db.flush()
        queries.add_stage_event(db, row, now, session.user)
        audit(db, session, row, "opportunity.create", after=values)
        return _read(db, scope, row.id)

    return make_once(session, once, OpportunityDetail, work)


def change_opportunity(
    session: SessionView, scope: Scope, opportunity_id: UUID, version: int, wanted: Mapping[str, Any]
) -> OpportunityDetail:
    """Change fields, the stage excepted. Raises NotFound, Conflict for another version or a field of the vendor's,
    InvalidInput for an amount without currency.
    """
    with transaction() as db:
        row = _locked(db, scope, opportunity_id)
        require_version(row, version)
        refuse_mirrored(row, wanted, OURS)
        changes = differing(row, wanted)
        write(db, session, row, "opportunity.change", changes)
        if changes and row.connection_id is None:
            _check(db, scope, row)
        return _read(db, scope, opportunity_id)


def move_to_stage(
    session: SessionView, scope: Scope, opportunity_id: UUID, stage: Stage, seen: str
) -> OpportunityDetail:
    """Move an opportunity from the stage that the caller saw to another; its history keeps both.

    Raises NotFound, and Conflict when its stage is not `seen`, is `stage` already, or is the vendor's.
    """
    with transaction() as db:
        row = _locked(db, scope, opportunity_id)
        refuse_mirrored(row, ["stage"], OURS)
        if row.stage != seen:
            raise Conflict("It was moved meanwhile.", code="changed_meanwhile", stage=row.stage)
        if row.stage == stage:
            raise Conflict("It is in this stage already.", code="same_stage", stage=stage)
        now = utcnow()
        accounts.apply(db, row, {"stage": stage, "updated_at": now})
        queries.add_stage_event(db, row, now, session.user)
        audit(db, session, row, "opportunity.stage", before={"stage": seen}, after={"stage": stage})
        return _read(db, scope, opportunity_id)


def _locked(db: Session, scope: Scope, opportunity_id: UUID) -> Opportunity:
    row = queries.lock_opportunity(db, scope, opportunity_id)
    if row is None:
        raise NotFound("There is no such opportunity.")
    return row


def _check(db: Session, scope: Scope, row: Opportunity) -> None:
    if row.amount is not None and row.currency is None:
        raise InvalidInput("An amount needs a currency.", code="currency_required")
    if row.account_id is not None and accounts.find_account(db, scope, row.account_id) is None:
        raise NotFound("There is no such account in this project.")


def _read(db: Session, scope: Scope, opportunity_id: UUID) -> OpportunityDetail:
    row = queries.find_opportunity(db, scope, opportunity_id)
    if row is None:
        raise NotFound("There is no such opportunity.")
    events = queries.list_stage_events(db, scope, opportunity_id, limit=_EVENTS_AT_MOST)
    return OpportunityDetail(
        **_fields(row, money.probabilities(db, scope.account_scope_id)),
        stage_events=tuple(
            StageEventView(
                stage=each.stage,
                vendor_stage=each.vendor_stage,
                changed_by=each.changed_by,
                entered_at=each.entered_at,
            )
            for each in events
        ),
    )


def _fields(row: Any, chances: Mapping[str, Decimal]) -> dict[str, Any]:
    held: Opportunity = row[0]
    own = held.probability_pct if held.stage in OPEN_STAGES else None
    return {
        "id": held.id,
        "project_id": held.project_id,
        "account_id": held.account_id,
        "account_name": row.account_name,
        "name": held.name,
        "stage": held.stage,
        "vendor_stage": held.vendor_stage,
        "amount": held.amount,
        "currency": held.currency,
        "close_date": held.close_date,
        "next_step": held.next_step,
        "notes": held.notes,
        "probability_pct": chances.get(held.stage) if own is None else own,
        "own_probability_pct": held.probability_pct,
        "is_mirrored": held.connection_id is not None,
        "vendor_url": row.url,
        "version": held.version,
        "created_at": held.created_at,
        "updated_at": held.updated_at,
    }
