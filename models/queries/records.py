"""Writing raw vendor rows: bulk upserts that touch only what changed, tombstones, and links between peers.

Table and column names come from the registry below and from code, never from a vendor's answer.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from models.infra.ids import ConnectionId, ProjectId


@dataclass(frozen=True, slots=True)
class StreamTable:
    """Where a stream's rows live, and where a child finds its parent."""

    table: str
    parent_stream: str | None = None
    parent_column: str | None = None


STREAM_TABLES: Mapping[tuple[str, str], StreamTable] = {
    ("chatwoot", "inboxes"): StreamTable("cw_inboxes"),
    ("chatwoot", "contacts"): StreamTable("cw_contacts"),
    ("chatwoot", "conversations"): StreamTable("cw_conversations"),
    ("chatwoot", "messages"): StreamTable("cw_messages", "conversations", "conversation_id"),
    ("chatwoot", "attachments"): StreamTable("cw_attachments", "messages", "message_id"),
    ("linear", "projects"): StreamTable("linear_projects"),
    ("linear", "states"): StreamTable("linear_states"),
    ("linear", "cycles"): StreamTable("linear_cycles"),
    ("linear", "issues"): StreamTable("linear_issues"),
    ("linear", "comments"): StreamTable("linear_comments", "issues", "issue_id"),
    ("attio", "companies"): StreamTable("attio_companies"),
    ("attio", "people"): StreamTable("attio_people"),
    ("attio", "deals"): StreamTable("attio_deals"),
    ("attio", "notes"): StreamTable("attio_notes"),
}


@dataclass(frozen=True, slots=True)
class Peer:
    """An optional reference between two streams of a connector, kept only while both share a project."""

    child_table: str
    column: str
    vendor_column: str
    peer_table: str


PEERS: Sequence[Peer] = (
    Peer("cw_conversations", "contact_id", "contact_vendor_id", "cw_contacts"),
    Peer("linear_issues", "linear_project_id", "linear_project_vendor_id", "linear_projects"),
    Peer("attio_people", "company_id", "company_vendor_id", "attio_companies"),
    Peer("attio_deals", "company_id", "company_vendor_id", "attio_companies"),
    # The mirror's rows: whoever moves a record lets go of them, the mirror then takes them along.
    Peer("crm_accounts", "attio_company_id", "vendor_id", "attio_companies"),
    Peer("crm_account_contacts", "attio_person_id", "vendor_id", "attio_people"),
    Peer("crm_opportunities", "attio_deal_id", "vendor_id", "attio_deals"),
)


@dataclass(frozen=True, slots=True)
class Written:
    """How many rows of a batch were new, changed, or already the same."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a record is kept: our id and its project."""

    id: UUID
    project_id: ProjectId


def upsert(session: Session, table: str, rows: Sequence[Mapping[str, Any]]) -> Written:
    """Insert or update raw rows by (connection_id, vendor_id); an unchanged row is not written.

    Every row must have the same keys, ``deleted`` among them; at most one row per vendor id. ``deleted``
    rows get a tombstone, others lose theirs. A row also counts as changed when its project did.
    """
    if not rows:
        return Written()
    columns = [name for name in rows[0] if name != "deleted"]
    listed = ", ".join(columns)
    keep = {"connection_id", "vendor_id"}
    updates = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in keep)
    statement = f"""
        WITH incoming AS (
            SELECT r.*, (raw ->> 'deleted')::boolean AS gone
            FROM jsonb_array_elements(CAST(:rows AS jsonb)) AS raw,
                 jsonb_populate_record(NULL::{table}, raw) AS r
        )
        INSERT INTO {table} AS t ({listed}, synced_at, deleted_at)
        SELECT {", ".join(f"i.{name}" for name in columns)}, clock_timestamp(), CASE WHEN i.gone THEN now() END
        FROM incoming i
        ON CONFLICT (connection_id, vendor_id) DO UPDATE SET
            {updates},
            synced_at = excluded.synced_at,
            deleted_at = CASE WHEN excluded.deleted_at IS NULL THEN NULL
                              ELSE coalesce(t.deleted_at, excluded.deleted_at) END
        WHERE t.content_hash <> excluded.content_hash
           OR t.project_id <> excluded.project_id
           OR (t.deleted_at IS NULL) <> (excluded.deleted_at IS NULL)
        RETURNING (old.id IS NULL) AS is_new
    """  # noqa: S608 - names come from STREAM_TABLES and from normalize code, values are bound
    outcome = session.execute(text(statement), {"rows": json.dumps(rows)}).scalars().all()
    inserted = sum(outcome)
    return Written(inserted, len(outcome) - inserted, len(rows) - len(outcome))


def locate(
    session: Session, table: str, connection_id: ConnectionId, vendor_ids: Collection[str]
) -> dict[str, Placed]:
    """Return where the given records are kept; absent ones are left out."""
    if not vendor_ids:
        return {}
    found = session.execute(
        text(
            f"SELECT vendor_id, id, project_id FROM {table}"  # noqa: S608 - table from STREAM_TABLES
            " WHERE connection_id = :connection AND vendor_id = ANY(:ids)"
        ),
        {"connection": connection_id, "ids": list(vendor_ids)},
    )
    return {row.vendor_id: Placed(row.id, ProjectId(row.project_id)) for row in found}


def projects_of_contacts(
    session: Session, connection_id: ConnectionId, vendor_ids: Collection[str]
) -> dict[str, ProjectId]:
    """Return the project of each contact's first conversation."""
    found = session.execute(
        text(
            "SELECT DISTINCT ON (contact_vendor_id) contact_vendor_id, project_id FROM cw_conversations"
            " WHERE connection_id = :connection AND contact_vendor_id = ANY(:ids)"
            " ORDER BY contact_vendor_id, source_created_at, vendor_id"
        ),
        {"connection": connection_id, "ids": list(vendor_ids)},
    )
    return {row.contact_vendor_id: ProjectId(row.project_id) for row in found}


def link_peers(
    session: Session, table: str, connection_id: ConnectionId, vendor_ids: Collection[str]
) -> None:
    """Set or clear the references from and to the given records of ``table``, so that both sides share a project."""
    for peer in PEERS:
        sides = [
            column
            for owner, column in ((peer.child_table, "vendor_id"), (peer.peer_table, peer.vendor_column))
            if owner == table
        ]
        for side in sides:
            session.execute(
                text(
                    f"""
                    UPDATE {peer.child_table} c SET {peer.column} = wanted.peer_id
                    FROM (
                        SELECT k.id, p.id AS peer_id FROM {peer.child_table} k
                        LEFT JOIN {peer.peer_table} p
                          ON p.connection_id = k.connection_id AND p.vendor_id = k.{peer.vendor_column}
                         AND p.project_id = k.project_id
                        WHERE k.connection_id = :connection AND k.{side} = ANY(:ids)
                    ) wanted
                    WHERE c.id = wanted.id AND c.{peer.column} IS DISTINCT FROM wanted.peer_id
                    """  # noqa: S608 - names from PEERS
                ),
                {"connection": connection_id, "ids": list(vendor_ids)},
            )


def set_blockers(session: Session, connection_id: ConnectionId, blockers: Mapping[str, Sequence[str]]) -> int:
    """Make ``blocked_by`` of every issue of the connection what ``blockers`` says; return how many changed."""
    return session.execute(
        text(
            """
            UPDATE linear_issues i SET blocked_by = wanted.blocked_by, synced_at = clock_timestamp()
            FROM (
                SELECT k.id, coalesce(
                    ARRAY(SELECT jsonb_array_elements_text(CAST(:blockers AS jsonb) -> k.vendor_id)), '{}'
                ) AS blocked_by
                FROM linear_issues k WHERE k.connection_id = :connection
            ) wanted
            WHERE i.id = wanted.id AND i.blocked_by <> wanted.blocked_by
            """
        ),
        {
            "connection": connection_id,
            "blockers": json.dumps({key: list(value) for key, value in blockers.items()}),
        },
    ).rowcount  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]


def threads_to_read(
    session: Session, connection_id: ConnectionId, since: dt.datetime
) -> list[tuple[str, int]]:
    """Return (conversation, highest message id here) of conversations with unread or re-readable messages.

    Those whose last message is not here yet, and those whose row this run has written; newest first.
    """
    found = session.execute(
        text(
            "SELECT vendor_id, max_message_id FROM cw_conversations"
            " WHERE connection_id = :connection AND deleted_at IS NULL"
            " AND (coalesce((payload #>> '{messages,0,id}')::bigint, 0) > max_message_id OR synced_at >= :since)"
            " ORDER BY last_activity_at DESC NULLS LAST"
        ),
        {"connection": connection_id, "since": since},
    )
    return [(row.vendor_id, row.max_message_id) for row in found]


def advance_thread(session: Session, connection_id: ConnectionId, conversation: str, message_id: int) -> None:
    """Remember the highest message id of a conversation that is committed together with this."""
    session.execute(
        text(
            "UPDATE cw_conversations SET max_message_id = :position"
            " WHERE connection_id = :connection AND vendor_id = :conversation AND max_message_id < :position"
        ),
        {"connection": connection_id, "conversation": conversation, "position": message_id},
    )


def live_ids(session: Session, table: str, connection_id: ConnectionId) -> set[str]:
    """Return the vendor ids that have no tombstone. Contacts the vendor's list hides are left out."""
    listed = " AND coalesce(email, phone, identifier) IS NOT NULL" if table == "cw_contacts" else ""
    return set(
        session.execute(
            text(
                f"SELECT vendor_id FROM {table}"  # noqa: S608 - table from STREAM_TABLES
                f" WHERE connection_id = :connection AND deleted_at IS NULL{listed}"
            ),
            {"connection": connection_id},
        ).scalars()
    )


def tombstone(session: Session, table: str, connection_id: ConnectionId, vendor_ids: Collection[str]) -> int:
    """Mark records as deleted at the vendor; return how many were live until now."""
    if not vendor_ids:
        return 0
    return session.execute(
        text(
            f"UPDATE {table} SET deleted_at = now(), synced_at = clock_timestamp()"  # noqa: S608
            " WHERE connection_id = :connection AND vendor_id = ANY(:ids) AND deleted_at IS NULL"
        ),
        {"connection": connection_id, "ids": list(vendor_ids)},
    ).rowcount  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
