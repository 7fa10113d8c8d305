"""Raw rows of Linear: projects, workflow states, cycles, issues, comments."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from models.tables.base import VendorRecord, child_key, peer_key, record_constraints, time_field


class LinearProject(VendorRecord, table=True):
    """A workstream in Linear. Not a project of Control Tower: one of ours may hold several."""

    __tablename__: ClassVar[Any] = "linear_projects"
    __table_args__ = record_constraints("linear_projects")

    name: str
    status_type: str | None = None
    health: str | None = None
    progress: float | None = None
    start_date: dt.date | None = None
    target_date: dt.date | None = None
    lead_name: str | None = None


class LinearState(VendorRecord, table=True):
    """A workflow state of a team; ``type`` is triage, backlog, unstarted, started, completed, canceled or duplicate."""

    __tablename__: ClassVar[Any] = "linear_states"
    __table_args__ = record_constraints("linear_states")

    name: str
    type: str
    position: float | None = None
    team_key: str | None = None


class LinearCycle(VendorRecord, table=True):
    """A cycle (sprint) of a team."""

    __tablename__: ClassVar[Any] = "linear_cycles"
    __table_args__ = record_constraints("linear_cycles")

    number: int
    name: str | None = None
    starts_at: dt.datetime | None = time_field()
    ends_at: dt.datetime | None = time_field()
    completed_at: dt.datetime | None = time_field()
    team_key: str | None = None


class Issue(VendorRecord, table=True):
    """An issue. ``blocked_by`` lists the identifiers of the issues that block it (inverse 'blocks' relations)."""

    __tablename__: ClassVar[Any] = "linear_issues"
    __table_args__ = (
        *record_constraints("linear_issues"),
        peer_key("linear_issues", "linear_project_id", "linear_projects"),
        Index("ix_linear_issues_project_state", "project_id", "state_type"),
        Index("ix_linear_issues_project_due", "project_id", "due_date"),
        Index("ix_linear_issues_project_identifier", "project_id", "identifier"),
        Index("ix_linear_issues_scope_created", "account_scope_id", "source_created_at"),
        Index(
            "ix_linear_issues_title_trgm",
            "title",
            postgresql_using="gin",
            postgresql_ops={"title": "gin_trgm_ops"},
        ),
    )

    identifier: str
    title: str
    description: str = Field(default="", sa_type=Text)
    priority: int = Field(default=0, description="0 none, 1 urgent, 2 high, 3 medium, 4 low")
    estimate: float | None = None
    due_date: dt.date | None = None
    state_name: str
    state_type: str
    team_key: str
    assignee_name: str | None = None
    creator_name: str | None = None
    linear_project_id: UUID | None = None
    linear_project_vendor_id: str | None = None
    linear_project_name: str | None = None
    cycle_vendor_id: str | None = None
    labels: list[str] = Field(
        default_factory=list,
        sa_type=ARRAY(Text),
        sa_column_kwargs={"server_default": text("'{}'")},
        nullable=False,  # pyright: ignore[reportArgumentType]
    )
    blocked_by: list[str] = Field(
        default_factory=list,
        sa_type=ARRAY(Text),
        sa_column_kwargs={"server_default": text("'{}'")},
        nullable=False,  # pyright: ignore[reportArgumentType]
    )
    started_at: dt.datetime | None = time_field()
    completed_at: dt.datetime | None = time_field()
    canceled_at: dt.datetime | None = time_field()
    archived_at: dt.datetime | None = time_field()
    trashed: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})


class Comment(VendorRecord, table=True):
    """A comment on an issue."""

    __tablename__: ClassVar[Any] = "linear_comments"
    __table_args__ = (
        *record_constraints("linear_comments"),
        child_key("linear_comments", "issue_id", "linear_issues"),
        Index("ix_linear_comments_issue", "issue_id", "source_created_at"),
        Index("ix_linear_comments_scope_created", "account_scope_id", "source_created_at"),
    )

    issue_id: UUID
    body: str = Field(default="", sa_type=Text)
    author_name: str | None = None
    edited_at: dt.datetime | None = time_field()
