"""/bindings: routing rules, which records of a connection belong to which project."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field, StringConstraints

from models.infra.database import in_db
from models.queries.bindings import BindingFacts
from tools_app.api.deps import OwnerChanging, ReadScope
from tools_app.api.schemas import Answer, Input, ItemList, NoInput, example
from tools_app.services import bindings
from tools_app.services.bindings import PRIORITIES, RuleKind
from tools_app.services.job_requests import RequestedRun

router = APIRouter(prefix="/bindings", tags=["projects"])

BindingId = Annotated[str, Path(max_length=64, description="Id of the rule.")]
ProjectName = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Priority = Annotated[int, Field(ge=PRIORITIES[0], le=PRIORITIES[1], description="The lowest number wins.")]


class BindingInput(Input):
    """A new rule: what it looks at, and the project (id or slug) that it leads into."""

    model_config = example(
        connection_id="0198c0de-0000-7000-8000-000000000001",
        project_id="studio-site",
        rule_kind="team",
        rule_value="WEB",
        priority=100,
    )

    connection_id: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    project_id: ProjectName
    rule_kind: RuleKind
    rule_value: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    priority: Priority = 100


class BindingChange(Input):
    """Another project (id or slug), another priority, or both."""

    model_config = example(project_id="studio-site")

    project_id: ProjectName | None = None
    priority: Priority | None = None


class BindingRun(Answer):
    """The run that changes the rule and moves its records; `/jobs/status` tells how it goes."""

    run: RequestedRun


@router.get("", summary="Routing rules")
async def list_bindings(scope: ReadScope) -> ItemList[BindingFacts]:
    """The rules that lead into the projects of the scope, by connection, the first that wins first."""
    return ItemList[BindingFacts](items=await in_db(bindings.list_bindings, scope))


@router.post("", status_code=202, summary="Add a routing rule")
async def create(session: OwnerChanging, body: BindingInput) -> BindingRun:
    """Asks for a rule; the records it takes move in one transaction. 409 for a rule that is there, or while another
    change of the connection's rules is under way.
    """
    run = await in_db(
        bindings.create,
        session,
        body.connection_id,
        body.project_id,
        body.rule_kind,
        body.rule_value,
        body.priority,
    )
    return BindingRun(run=run)


@router.patch("/{binding_id}", status_code=202, summary="Let a routing rule lead into another project")
async def change(session: OwnerChanging, binding_id: BindingId, body: BindingChange) -> BindingRun:
    """Asks for the change; records, their children and their chunks move in one transaction. 404 outside the account
    scope, 409 while another change of the connection's rules is under way.
    """
    return BindingRun(run=await in_db(bindings.change, session, binding_id, body.project_id, body.priority))


@router.delete("/{binding_id}", status_code=202, summary="Remove a routing rule")
async def remove(session: OwnerChanging, binding_id: BindingId, _body: NoInput | None = None) -> BindingRun:
    """Asks for the removal; the records go where the other rules say, or to the unassigned project."""
    return BindingRun(run=await in_db(bindings.remove, session, binding_id))
