"""/projects: list, create, select."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import StringConstraints

from models.infra.database import in_db
from tools_app.api.deps import (
    Caller,
    Changer,
    Cursor,
    IdempotencyKey,
    OwnerChanging,
    once_key,
    tell_replay,
)
from tools_app.api.schemas import Answer, Input, ItemList, NoInput, example
from tools_app.services import projects
from tools_app.services.views import ProjectOption

router = APIRouter(prefix="/projects", tags=["projects"])


class ProjectInput(Input):
    """A new client project; the slug is its name in URLs."""

    model_config = example(slug="studio-site", name="Studio site")

    slug: Annotated[str, StringConstraints(min_length=1, max_length=63)]
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class ProjectAnswer(Answer):
    """One project."""

    project: ProjectOption


class SelectionAnswer(Answer):
    """The session's active project; null means all projects."""

    active_project_id: str | None


@router.get("", summary="Projects of the account scope")
async def list_projects(
    session: Caller,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Items a page.")] = 200,
) -> ItemList[ProjectOption]:
    """Clients by name, the project of unrouted records last."""
    page = await in_db(projects.page_of_projects, session, cursor=cursor, limit=limit)
    return ItemList[ProjectOption](items=tuple(page.items), next_cursor=page.next_cursor)


@router.post("", status_code=201, summary="Create a project")
async def create_project(
    request: Request,
    response: Response,
    session: Changer,
    body: ProjectInput,
    idempotency_key: IdempotencyKey = None,
) -> ProjectAnswer:
    """Adds a client project to the account scope; 409 when the slug is taken."""
    once = once_key(request, idempotency_key, body)
    made = await in_db(projects.create, session, body.slug, body.name, once)
    tell_replay(response, replayed=made.replayed)
    return ProjectAnswer(project=made.view.project)


@router.post("/{project_id}/select", summary="Make a project the session's default")
async def select_project(
    session: OwnerChanging,
    project_id: Annotated[str, Path(max_length=64, description="Id or slug, or `all`.")],
    _body: NoInput | None = None,
) -> SelectionAnswer:
    """Chooses what requests without `project_id` read; 404 outside the account scope."""
    chosen = await in_db(projects.select, session, project_id)
    return SelectionAnswer(active_project_id=None if chosen is None else chosen.id)
