"""Identity: suggested pairs of records, and the pairs that people accepted.

Revision ID: 0017
Revises: 0016
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_KIND = (
    "(kind = 'contact_person' and contact_id is not null and account_id is null and person_id is not null and company_id is null)"
    " or (kind = 'contact_company' and contact_id is not null and account_id is null and person_id is null and company_id is not null)"
    " or (kind = 'project_company' and contact_id is null and account_id is null and person_id is null and company_id is not null)"
    " or (kind = 'account_company' and contact_id is null and account_id is not null and person_id is null and company_id is not null)"
)


def _time(name: str, *, required: bool = False) -> sa.Column:
    if required:
        return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)
    return sa.Column(name, sa.DateTime(timezone=True), nullable=True)


def _record_key(table: str, column: str, parent: str, project: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column, project, "account_scope_id"],
        [f"{parent}.id", f"{parent}.project_id", f"{parent}.account_scope_id"],
        name=f"fk_{table}_{column}",
        ondelete="CASCADE",
        onupdate="CASCADE",
    )


def _project_key(table: str, column: str, name: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column, "account_scope_id"],
        ["projects.id", "projects.account_scope_id"],
        name=f"fk_{table}_{name}",
        ondelete="CASCADE",
    )


def _pair(table: str) -> tuple[sa.schema.SchemaItem, ...]:
    """The columns of a pair and what keeps them in one account scope."""
    return (
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("other_project_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("company_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column(
            "left_id", sa.Uuid(), sa.Computed("coalesce(contact_id, account_id, project_id)", persisted=True)
        ),
        sa.Column("right_id", sa.Uuid(), sa.Computed("coalesce(person_id, company_id)", persisted=True)),
        _project_key(table, "project_id", "scope"),
        _project_key(table, "other_project_id", "other_scope"),
        _record_key(table, "contact_id", "cw_contacts", "project_id"),
        _record_key(table, "account_id", "crm_accounts", "project_id"),
        _record_key(table, "person_id", "attio_people", "other_project_id"),
        _record_key(table, "company_id", "attio_companies", "other_project_id"),
        sa.CheckConstraint(_KIND, name=f"ck_{table}_kind"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("id", "project_id", "account_scope_id", name=f"uq_{table}_scoped"),
        sa.UniqueConstraint("account_scope_id", "kind", "left_id", "right_id", name=f"uq_{table}_pair"),
    )


def _indexes(table: str) -> None:
    for name in ("contact", "account", "person", "company"):
        op.create_index(f"ix_{table}_{name}", table, [f"{name}_id"])
    op.create_index(f"ix_{table}_scope_created", table, ["account_scope_id", "created_at", "id"])


def upgrade() -> None:
    op.create_table(
        "identity_suggestions",
        *_pair("identity_suggestions"),
        sa.Column("confidence", sa.Numeric(4, 3), nullable=False),
        sa.Column(
            "features",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'"),
            nullable=False,
        ),
        sa.Column("status", sa.String(), server_default="proposed", nullable=False),
        sa.Column("decided_by", sa.String(), nullable=True),
        _time("decided_at"),
        _time("created_at", required=True),
        _time("updated_at", required=True),
        sa.CheckConstraint(
            "status in ('proposed', 'accepted', 'dismissed')", name="ck_identity_suggestions_status"
        ),
        sa.CheckConstraint("confidence between 0 and 1", name="ck_identity_suggestions_confidence"),
    )
    _indexes("identity_suggestions")
    for name, column in (("scope", "account_scope_id"), ("project", "project_id")):
        op.create_index(
            f"ix_identity_suggestions_{name}_confidence", "identity_suggestions", [column, "confidence", "id"]
        )
    op.create_table(
        "identity_links",
        *_pair("identity_links"),
        sa.Column("suggestion_id", sa.Uuid(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        _time("created_at", required=True),
        _record_key("identity_links", "suggestion_id", "identity_suggestions", "project_id"),
        sa.UniqueConstraint("suggestion_id", name="uq_identity_links_suggestion"),
    )
    _indexes("identity_links")


def downgrade() -> None:
    op.drop_table("identity_links")
    op.drop_table("identity_suggestions")
