"""The commercial side: what the mirror of Attio made of accounts and deals."""

from models.infra.database import reading
from models.infra.scope import Scope
from models.queries import crm
from models.queries.crm import UnmappedStage

_STAGES_AT_MOST = 200


def unmapped_stages(scope: Scope) -> tuple[UnmappedStage, ...]:
    """Stage titles that the one normalisation table does not know, 200 at most, those with most deals first."""
    with reading() as session:
        return tuple(crm.list_unmapped_stages(session, scope, limit=_STAGES_AT_MOST))
