"""Routing rules as people see and change them. Moving what they route is the jobs' work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import func
from sqlmodel import Session, col, select

from models.infra.ids import AccountScopeId, ConnectionId, ProjectId
from models.infra.scope import Scope
from models.tables.platform import ProjectBinding, VendorConnection


@dataclass(frozen=True, slots=True)
class BindingFacts:
    """A routing rule: records of the connection that it matches belong to the project. Lower priority wins."""

    id: UUID
    connection_id: UUID
    connector: str
    project_id: UUID
    rule_kind: str
    rule_value: str
    priority: int

    def to_json(self) -> dict[str, Any]:
        """Return the rule as plain JSON."""
        return {
            "id": str(self.id),
            "connection_id": str(self.connection_id),
            "connector": self.connector,
            "project_id": str(self.project_id),
            "rule_kind": self.rule_kind,
            "rule_value": self.rule_value,
            "priority": self.priority,
        }


@dataclass(frozen=True, slots=True)
class RuleChange:
    """What is to become of a rule: ``after`` is how it reads then, None for one that is to be removed."""

    action: Literal["create", "change", "remove"]
    binding_id: UUID
    after: BindingFacts | None
    actor: str

    def to_json(self) -> dict[str, Any]:
        """Return the change as plain JSON, for the run that will make it."""
        return {
            "action": self.action,
            "binding_id": str(self.binding_id),
            "actor": self.actor,
            "after": None if self.after is None else self.after.to_json(),
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> RuleChange:
        """Return the change that a run keeps. Raises KeyError and ValueError for anything else."""
        after: Mapping[str, Any] | None = kept["after"]
        rule = None
        if after is not None:
            rule = BindingFacts(
                UUID(after["id"]),
                UUID(after["connection_id"]),
                after["connector"],
                UUID(after["project_id"]),
                after["rule_kind"],
                after["rule_value"],
                after["priority"],
            )
        return cls(kept["action"], UUID(kept["binding_id"]), rule, kept["actor"])


def list_bindings(session: Session, scope: Scope) -> list[BindingFacts]:
    """The rules that lead into the projects of a scope, by connection and priority."""
    rows = session.exec(
        select(ProjectBinding, VendorConnection.connector)
        .join(VendorConnection, col(VendorConnection.id) == col(ProjectBinding.connection_id))
        .where(
            ProjectBinding.account_scope_id == scope.account_scope_id,
            col(ProjectBinding.project_id).in_(scope.project_ids),
        )
        .order_by(
            col(VendorConnection.connector),
            col(ProjectBinding.connection_id),
            col(ProjectBinding.priority),
            col(ProjectBinding.rule_kind),
            col(ProjectBinding.rule_value),
        )
    )
    return [_facts(row, connector) for row, connector in rows]


def find_binding(session: Session, account_scope_id: AccountScopeId, binding_id: UUID) -> BindingFacts | None:
    """A rule of the account scope, or None."""
    found = session.exec(
        select(ProjectBinding, VendorConnection.connector)
        .join(VendorConnection, col(VendorConnection.id) == col(ProjectBinding.connection_id))
        .where(ProjectBinding.id == binding_id, ProjectBinding.account_scope_id == account_scope_id)
    ).first()
    return None if found is None else _facts(*found)


def find_rule(session: Session, connection_id: ConnectionId, kind: str, value: str) -> BindingFacts | None:
    """The rule of a connection that matches the same facts, whatever the case of its value; None without one."""
    found = session.exec(
        select(ProjectBinding, VendorConnection.connector)
        .join(VendorConnection, col(VendorConnection.id) == col(ProjectBinding.connection_id))
        .where(
            ProjectBinding.connection_id == connection_id,
            ProjectBinding.rule_kind == kind,
            func.lower(col(ProjectBinding.rule_value)) == value.lower(),
        )
    ).first()
    return None if found is None else _facts(*found)


def add_binding(
    session: Session, account_scope_id: AccountScopeId, connection_id: ConnectionId, binding: BindingFacts
) -> None:
    """Add a rule. Raises IntegrityError for a project or a connection outside the account scope."""
    session.add(
        ProjectBinding(
            id=binding.id,
            account_scope_id=account_scope_id,
            connection_id=connection_id,
            project_id=binding.project_id,
            priority=binding.priority,
            rule_kind=binding.rule_kind,
            rule_value=binding.rule_value,
        )
    )
    session.flush()


def change_binding(session: Session, binding_id: UUID, project_id: ProjectId, priority: int) -> None:
    """Let a rule lead into another project, or come before or after others."""
    row = session.get_one(ProjectBinding, binding_id)
    row.project_id, row.priority = project_id, priority
    session.add(row)
    session.flush()


def remove_binding(session: Session, binding_id: UUID) -> None:
    """Remove a rule."""
    session.delete(session.get_one(ProjectBinding, binding_id))
    session.flush()


def _facts(row: ProjectBinding, connector: str) -> BindingFacts:
    return BindingFacts(
        row.id, row.connection_id, connector, row.project_id, row.rule_kind, row.rule_value, row.priority
    )
