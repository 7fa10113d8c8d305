"""What a search may see: scope, source groups and dates as one SQL condition that every search shares.

The condition is applied inside each search statement, never to its result.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from models.infra.ids import ProjectId
from models.infra.scope import Scope
from retrieval.schemas import Query, SourceGroup


@dataclass(frozen=True, slots=True)
class Filters:
    """The part of a scope's chunks that a question is asked about; ``groups`` None means all.

    A chunk's time is when its record was written or last changed, so ``as_of`` hides what came or changed later.
    """

    scope: Scope
    groups: tuple[SourceGroup, ...] | None = None
    date_from: datetime | None = None
    date_to: datetime | None = None
    as_of: datetime | None = None

    @classmethod
    def of(cls, query: Query) -> Filters:
        """The filters of a query."""
        return cls(query.scope, query.source_filter, query.date_from, query.date_to, query.as_of)

    def within(self, project_id: UUID) -> Filters:
        """The same filters over one project of the scope. Raises ValueError for a project outside of it."""
        if project_id not in self.scope.project_ids:
            raise ValueError("the project is not in the scope")
        return replace(self, scope=Scope(self.scope.account_scope_id, (ProjectId(project_id),)))

    @property
    def sees_nothing(self) -> bool:
        """Whether no row can match: an empty set of projects or of groups."""
        return not self.scope.project_ids or self.groups == ()

    @property
    def by_scope_only(self) -> bool:
        """Whether scope is the only condition, so that a search need not look at the chunk itself."""
        return self.groups is None and (self.date_from, self.date_to, self.as_of) == (None, None, None)

    def sql(self, alias: str = "c") -> tuple[str, dict[str, Any]]:
        """The condition over ``rag_chunks`` under ``alias``, and its parameters."""
        parts = [f"{alias}.account_scope_id = :scope_id", f"{alias}.project_id = ANY(:project_ids)"]
        values: dict[str, Any] = {
            "scope_id": self.scope.account_scope_id,
            "project_ids": list(self.scope.project_ids),
        }
        if self.groups is not None:
            parts.append(f"{alias}.source_group = ANY(:groups)")
            values["groups"] = list(self.groups)
        if self.date_from is not None:
            parts.append(f"{alias}.source_time >= :date_from")
            values["date_from"] = self.date_from
        if self.date_to is not None:
            parts.append(f"{alias}.source_time <= :date_to")
            values["date_to"] = self.date_to
        if self.as_of is not None:
            parts.append(f"{alias}.source_time <= :as_of")
            values["as_of"] = self.as_of
        return " AND ".join(parts), values
