"""/crm: accounts and deals as mirrored from Attio."""

from fastapi import APIRouter

from models.infra.database import in_db
from models.queries.crm import UnmappedStage
from tools_app.api.deps import ReadScope
from tools_app.api.schemas import ItemList
from tools_app.services import crm

router = APIRouter(prefix="/crm", tags=["crm"])


@router.get("/unmapped-stages", summary="Deal stages that are not known")
async def unmapped_stages(scope: ReadScope) -> ItemList[UnmappedStage]:
    """The vendor's titles with live deals in them and times a deal was in them; such deals count in no stage."""
    return ItemList[UnmappedStage](items=await in_db(crm.unmapped_stages, scope))
