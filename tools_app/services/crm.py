"""The pipeline at a glance: sums by stage and currency, expected revenue, and what has no place in either."""

from collections.abc import Iterable
from decimal import Decimal

from models.infra.database import reading
from models.infra.scope import Scope
from models.queries import crm, money
from models.queries.crm import UnmappedStage
from models.queries.money import to_cents
from models.queries.opportunities import StageSum, sum_stages
from models.tables.crm_stages import OPEN_STAGES, STAGE_NAMES, UNMAPPED
from tools_app.services.crm_views import OverviewView, StageLine
from tools_app.services.moments import scope_and_moment
from tools_app.services.money import total

_STAGES_AT_MOST = 200


def unmapped_stages(scope: Scope) -> tuple[UnmappedStage, ...]:
    """Stage titles that the one normalisation table does not know, 200 at most, those with most deals first."""
    with reading() as session:
        return tuple(crm.list_unmapped_stages(session, scope, limit=_STAGES_AT_MOST))


def overview(scope: Scope) -> OverviewView:
    """The scope's pipeline today, converted with today's rates."""
    with reading() as session:
        facts, moment = scope_and_moment(session, scope)
        chances = money.probabilities(session, scope.account_scope_id)
        sums = sum_stages(session, scope, chances)
        rates = money.rates_to(
            session,
            scope.account_scope_id,
            facts.base_currency,
            [each.currency for each in sums if each.currency is not None],
            moment.today,
        )
    open_sums = [each for each in sums if each.stage in OPEN_STAGES]
    won = [each for each in sums if each.stage == "won"]
    order = {name: at for at, name in enumerate(STAGE_NAMES)}
    return OverviewView(
        as_of=moment.today,
        base_currency=facts.base_currency,
        probabilities=chances,
        stages=tuple(
            StageLine(
                stage=each.stage,
                currency=each.currency,
                opportunities=each.opportunities,
                amount=to_cents(each.amount),
                expected=to_cents(each.weighted),
            )
            for each in sorted(sums, key=lambda one: (order.get(one.stage, 99), one.currency or ""))
            if each.currency is not None and each.stage != UNMAPPED
        ),
        pipeline=total(facts.base_currency, _by_currency(open_sums), rates),
        expected_revenue=total(facts.base_currency, _by_currency(open_sums, weighted=True), rates),
        won=total(facts.base_currency, _by_currency(won), rates),
        without_amount=sum(each.opportunities for each in open_sums if each.currency is None),
        unmapped=sum(each.opportunities for each in sums if each.stage == UNMAPPED),
    )


def _by_currency(sums: Iterable[StageSum], *, weighted: bool = False) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for each in sums:
        if each.currency is not None:
            value = each.weighted if weighted else each.amount
            found[each.currency] = found.get(each.currency, Decimal(0)) + value
    return found
