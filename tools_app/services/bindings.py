"""Routing rules: which records of a connection belong to which project. Listing them, and asking for a change.

A change is made by a job, which moves the records with it in one transaction; here it is checked and asked for.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal
from uuid import UUID

from jobs import enqueue
from models.infra.cache import cache
from models.infra.cache_tags import tags_of_start
from models.infra.database import reading, transaction
from models.infra.errors import Conflict, InvalidInput, NotFound
from models.infra.ids import AccountScopeId, ConnectionId, new_id
from models.infra.scope import Scope
from models.queries import bindings as queries
from models.queries import connector_overview as overview
from models.queries.bindings import BindingFacts, RuleChange
from tools_app.services import audit_trail, projects
from tools_app.services.job_requests import RequestedRun
from tools_app.services.views import SessionView

RuleKind = Literal["inbox", "label", "company_domain", "team", "project", "company", "list", "deal_filter"]
# What a record of each vendor can be told by.
KINDS: Mapping[str, tuple[RuleKind, ...]] = {
    "chatwoot": ("inbox", "label", "company_domain"),
    "linear": ("team", "project"),
    "attio": ("company", "company_domain", "list", "deal_filter"),
}
PRIORITIES = (0, 10_000)


def list_bindings(scope: Scope) -> tuple[BindingFacts, ...]:
    """The rules that lead into the projects of the scope."""
    with reading() as session:
        return tuple(queries.list_bindings(session, scope))


def create(
    session: SessionView, connection_id: str, project: str, kind: RuleKind, value: str, priority: int
) -> RequestedRun:
    """Ask for a new rule. Raises NotFound, InvalidInput for a kind the vendor's records do not have, Conflict for a rule
    that is there already.
    """
    account_scope_id, value = _scope_of(session), value.strip()
    if not value or not value.isprintable():
        raise InvalidInput("A rule needs a value that can be seen.", code="rule_value_required")
    target = _project(session, project)
    with reading() as db:
        found = [
            each
            for each in overview.list_connections(db, account_scope_id)
            if str(each.id) == connection_id and each.enabled
        ]
        if not found:
            raise NotFound("There is no such connection.")
        connection = found[0]
        if kind not in KINDS[connection.connector]:
            raise InvalidInput(
                "Records of this vendor are not told by that.",
                code="rule_kind_unknown",
                kinds=list(KINDS[connection.connector]),
            )
        if queries.find_rule(db, connection.id, kind, value):
            raise Conflict("The connection has a rule for this already.", code="rule_exists")
    made = BindingFacts(new_id(), connection.id, connection.connector, target, kind, value, priority)
    return _ask(session, RuleChange("create", made.id, made, session.user), connection.id)


def change(session: SessionView, binding_id: str, project: str | None, priority: int | None) -> RequestedRun:
    """Ask for a rule to lead into another project, or to come before or after others. Raises NotFound and InvalidInput."""
    if project is None and priority is None:
        raise InvalidInput("Name a project or a priority.", code="nothing_to_change")
    before = _find(session, binding_id)
    after = replace(
        before,
        project_id=before.project_id if project is None else _project(session, project),
        priority=before.priority if priority is None else priority,
    )
    return _ask(session, RuleChange("change", before.id, after, session.user), before.connection_id)


def remove(session: SessionView, binding_id: str) -> RequestedRun:
    """Ask for a rule to be removed: its records go where the other rules say. Raises NotFound."""
    before = _find(session, binding_id)
    return _ask(session, RuleChange("remove", before.id, None, session.user), before.connection_id)


def _ask(session: SessionView, change: RuleChange, connection_id: UUID) -> RequestedRun:
    run = enqueue.request_rebinding(ConnectionId(connection_id), change.to_json(), session.user)
    # Who asked, and for what; what became of it is the job's event, with the rows that moved.
    with transaction() as db:
        audit_trail.record_event(
            db,
            actor=session.user,
            action=f"project_binding.ask_{change.action}",
            entity=audit_trail.Entity("project_binding", str(change.binding_id)),
            account_scope_id=_scope_of(session),
            after={"run_id": run.run_id, **({} if change.after is None else change.after.to_json())},
        )
    cache().renew(tags_of_start(_scope_of(session)))
    return RequestedRun(run.run_id, run.job, run.subject, run.connector, joined=False)


def _find(session: SessionView, binding_id: str) -> BindingFacts:
    try:
        identity = UUID(binding_id)
    except ValueError as fault:
        raise NotFound("There is no such rule.") from fault
    with reading() as db:
        found = queries.find_binding(db, _scope_of(session), identity)
    if found is None:
        raise NotFound("There is no such rule.")
    return found


def _project(session: SessionView, project: str) -> UUID:
    (found,) = projects.one_project(session, project).project_ids
    return found


def _scope_of(session: SessionView) -> AccountScopeId:
    return AccountScopeId(UUID(session.account_scope_id))
