"""/system: how the installation does, part by part."""

from fastapi import APIRouter

from tools_app.api.deps import Caller
from tools_app.api.schemas import Answer
from tools_app.services.system import SystemView
from tools_app.services.system_parts import system_view

router = APIRouter(prefix="/system", tags=["system"])


class SystemAnswer(Answer):
    """Parts with their state and what to do about it, queues and workers."""

    system: SystemView


@router.get("", summary="Databases, queues, workers, disk, versions")
async def system(_session: Caller) -> SystemAnswer:
    """Answers within two seconds; a part that does not is `bad`. Without the database nobody can log in: 503."""
    return SystemAnswer(system=await system_view())
