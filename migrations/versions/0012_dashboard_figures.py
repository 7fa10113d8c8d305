"""figures of the dashboard, computed when a sync ends, and the indexes of lists

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# The instant figures are computed at: what the reader sets for its transaction, else the present.
_AS_OF = "coalesce(nullif(current_setting('ct.as_of', true), '')::timestamptz, now())"
_NOBODY = "'00000000-0000-0000-0000-000000000000'::uuid"
_TALK = "m.deleted_at IS NULL AND NOT m.private AND m.message_type IN (0, 1)"
_OPEN_ISSUE = (
    "i.deleted_at IS NULL AND NOT i.trashed AND i.archived_at IS NULL"
    " AND i.state_type NOT IN ('completed', 'canceled', 'duplicate')"
)
_OPEN_DEAL = "d.deleted_at IS NULL AND coalesce(d.stage, '') !~* '^(won|lost|выигран|проигран)'"
# An unfinished issue of the same project, or one that is not known there, holds this one up.
_BLOCKED = """EXISTS (
    SELECT 1 FROM unnest(i.blocked_by) AS named(identifier)
    WHERE NOT EXISTS (
        SELECT 1 FROM linear_issues b
        WHERE b.connection_id = i.connection_id AND b.project_id = i.project_id AND b.identifier = named.identifier
          AND (b.state_type IN ('completed', 'canceled', 'duplicate') OR b.trashed OR b.deleted_at IS NOT NULL)))"""
_STREAMS = {
    "inboxes": "cw_inboxes", "contacts": "cw_contacts", "conversations": "cw_conversations", "messages": "cw_messages",
    "projects": "linear_projects", "states": "linear_states", "cycles": "linear_cycles", "issues": "linear_issues",
    "comments": "linear_comments", "companies": "attio_companies", "people": "attio_people", "deals": "attio_deals",
    "notes": "attio_notes", "tasks": "attio_tasks",
}  # fmt: skip
_ACTIVITY = {
    "cw_messages": "source_created_at",
    "linear_issues": "source_updated_at",
    "attio_deals": "source_updated_at",
}


def _week(instant: str) -> str:
    return f"date_trunc('week', timezone(s.timezone, {instant}))::date::text"


def _counted(code: str, bucket: str, series: str, rest: str, value: str = "NULL::numeric") -> str:
    """One branch: how many rows a project has under each bucket and series."""
    return f"""
SELECT x.account_scope_id, x.project_id, '{code}'::text AS code, x.bucket, x.series, {value} AS value,
       count(*) AS records, NULL::timestamptz AS latest
FROM (SELECT {bucket} AS bucket, {series} AS series, {rest}) x
GROUP BY x.account_scope_id, x.project_id, x.bucket, x.series"""


def _figures() -> str:
    message = f"m.account_scope_id, m.project_id FROM cw_messages m JOIN account_scopes s ON s.id = m.account_scope_id WHERE {_TALK} AND m.sent_at < {_AS_OF}"
    issue = "i.account_scope_id, i.project_id FROM linear_issues i JOIN account_scopes s ON s.id = i.account_scope_id WHERE i.deleted_at IS NULL AND NOT i.trashed"
    direction = "CASE WHEN m.message_type = 0 THEN 'incoming' ELSE 'outgoing' END"
    branches = [
        _counted(
            "messages_weekly",
            _week("m.sent_at"),
            direction,
            f"{message} AND m.sent_at >= {_AS_OF} - interval '15 weeks'",
        ),
        _counted(
            "messages_daily",
            "timezone(s.timezone, m.sent_at)::date::text",
            "''::text",
            f"{message} AND m.sent_at >= {_AS_OF} - interval '16 days'",
        ),
        _counted(
            "open_issues",
            "coalesce(i.due_date::text, '')",
            f"CASE WHEN {_BLOCKED} THEN 'blocked' ELSE '' END",
            f"i.account_scope_id, i.project_id FROM linear_issues i WHERE {_OPEN_ISSUE}",
        ),
        *(
            _counted(
                code,
                _week(f"i.{instant}"),
                "''::text",
                f"{issue} AND i.{instant} >= {_AS_OF} - interval '15 weeks' AND i.{instant} <= {_AS_OF}",
            )
            for code, instant in (
                ("issues_created", "source_created_at"),
                ("issues_completed", "completed_at"),
            )
        ),
        _counted(
            "open_deals",
            "''::text",
            "''::text",
            f"d.account_scope_id, d.project_id FROM attio_deals d WHERE {_OPEN_DEAL}",
        ),
        _counted(
            "pipeline",
            "coalesce(d.stage, '')",
            "d.currency",
            f"d.account_scope_id, d.project_id, d.value FROM attio_deals d WHERE {_OPEN_DEAL} AND d.value IS NOT NULL"
            " AND d.currency IS NOT NULL",
            "sum(x.value)",
        ),
    ]
    branches += [
        f"""
SELECT t.account_scope_id, t.project_id, 'stream', '{stream}', t.connection_id::text, NULL, count(*), max(t.synced_at)
FROM {table} t WHERE t.deleted_at IS NULL GROUP BY t.account_scope_id, t.project_id, t.connection_id"""
        for stream, table in _STREAMS.items()
    ]
    branches += [
        f"""
SELECT t.account_scope_id, t.project_id, 'activity', '{table}', '', NULL, count(*), max(t.{instant})
FROM {table} t WHERE t.deleted_at IS NULL GROUP BY t.account_scope_id, t.project_id"""
        for table, instant in _ACTIVITY.items()
    ]
    return "\nUNION ALL".join(branches)


# Hours from a client's first message to the studio's first answer, for conversations begun in the last 13 local weeks.
_REPLIES = f"""
SELECT c.account_scope_id, c.project_id, {_week("f.asked_at")} AS week,
       (extract(epoch FROM f.answered_at - f.asked_at) / 3600)::numeric AS hours
FROM (
    SELECT t.account_scope_id, t.project_id, t.conversation_id, t.asked_at,
           min(t.sent_at) FILTER (WHERE t.message_type = 1 AND t.sent_at >= t.asked_at) AS answered_at
    FROM (
        SELECT m.account_scope_id, m.project_id, m.conversation_id, m.sent_at, m.message_type,
               min(m.sent_at) FILTER (WHERE m.message_type = 0) OVER (PARTITION BY m.conversation_id) AS asked_at
        FROM cw_messages m WHERE {_TALK}) t
    WHERE t.asked_at IS NOT NULL
    GROUP BY t.account_scope_id, t.project_id, t.conversation_id, t.asked_at) f
JOIN cw_conversations c ON c.id = f.conversation_id AND c.deleted_at IS NULL
JOIN account_scopes s ON s.id = c.account_scope_id
JOIN projects p ON p.id = c.project_id AND p.archived_at IS NULL
WHERE f.answered_at IS NOT NULL
  AND timezone(s.timezone, f.asked_at) >= date_trunc('week', timezone(s.timezone, {_AS_OF})) - interval '12 weeks'"""
_MEDIANS = f"""
SELECT r.account_scope_id, coalesce(r.project_id, {_NOBODY}), 'first_response', coalesce(r.week, ''), '',
       percentile_cont(0.5) WITHIN GROUP (ORDER BY r.hours::double precision)::numeric, count(*), NULL::timestamptz
FROM ({_REPLIES}) r
GROUP BY GROUPING SETS ((r.account_scope_id, r.project_id, r.week), (r.account_scope_id, r.project_id),
                        (r.account_scope_id, r.week), (r.account_scope_id))"""
_COMPUTED = f"""
SELECT s.id, {_NOBODY}, 'computed', '', '', NULL::numeric, 0::bigint, {_AS_OF} FROM account_scopes s"""

_WAITING = f"""
SELECT t.account_scope_id, t.project_id, t.conversation_id, min(t.sent_at) AS since
FROM (
    SELECT m.account_scope_id, m.project_id, m.conversation_id, m.sent_at, m.message_type,
           max(m.sent_at) FILTER (WHERE m.message_type = 1)
               OVER (PARTITION BY m.account_scope_id, m.project_id, m.conversation_id) AS answered_at
    FROM cw_messages m
    JOIN cw_conversations c ON c.id = m.conversation_id AND c.status = 'open' AND c.deleted_at IS NULL
    WHERE {_TALK}) t
WHERE t.message_type = 0 AND (t.answered_at IS NULL OR t.sent_at > t.answered_at)
GROUP BY t.account_scope_id, t.project_id, t.conversation_id"""

_INDEXES = {
    "ix_cw_conversations_scope_activity": "cw_conversations (account_scope_id, last_activity_at, id)",
    "ix_cw_contacts_scope_name": "cw_contacts (account_scope_id, name, id)",
    "ix_cw_contacts_scope_created": "cw_contacts (account_scope_id, source_created_at)",
    "ix_linear_issues_project_identifier": "linear_issues (project_id, identifier)",
    "ix_attio_companies_scope_created": "attio_companies (account_scope_id, source_created_at)",
    "ix_job_runs_scope_id": "job_runs (account_scope_id, id)",
}
_ACTIVE = "job_runs (job, subject) WHERE status IN ('queued', 'running')"
_TRIGRAMS = "cw_contacts USING gin (name gin_trgm_ops, email gin_trgm_ops, phone gin_trgm_ops)"


def upgrade() -> None:
    for name, where in _INDEXES.items():
        op.execute(f"CREATE INDEX {name} ON {where}")
    op.execute(f"CREATE INDEX ix_cw_contacts_trgm ON {_TRIGRAMS}")
    op.execute(f"CREATE INDEX ix_job_runs_active ON {_ACTIVE}")
    op.execute(f"CREATE VIEW dashboard_figures AS {_figures()}")
    op.execute(f"CREATE VIEW waiting_conversations AS {_WAITING}")
    op.execute(
        "CREATE MATERIALIZED VIEW mv_portfolio_dashboard AS SELECT * FROM dashboard_figures"
        f" UNION ALL {_MEDIANS} UNION ALL {_COMPUTED} WITH NO DATA"
    )
    # Unique, as REFRESH CONCURRENTLY needs it; the first columns are what readers ask for.
    op.execute(
        "CREATE UNIQUE INDEX uq_mv_portfolio_dashboard ON mv_portfolio_dashboard"
        " (account_scope_id, project_id, code, bucket, series)"
    )
    op.execute(
        "CREATE MATERIALIZED VIEW mv_waiting_conversations AS SELECT * FROM waiting_conversations WITH NO DATA"
    )
    op.execute(
        "CREATE UNIQUE INDEX uq_mv_waiting_conversations ON mv_waiting_conversations"
        " (account_scope_id, project_id, conversation_id)"
    )


def downgrade() -> None:
    op.execute("DROP MATERIALIZED VIEW mv_waiting_conversations")
    op.execute("DROP MATERIALIZED VIEW mv_portfolio_dashboard")
    op.execute("DROP VIEW waiting_conversations")
    op.execute("DROP VIEW dashboard_figures")
    for name in ("ix_job_runs_active", "ix_cw_contacts_trgm", *_INDEXES):
        op.execute(f"DROP INDEX {name}")
