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

import orjson
import psycopg
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
    ("attio", "tasks"): StreamTable("attio_tasks"),
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


def upsert(
    session: Session, table: str, rows: Sequence[Mapping[str, Any]], *, exact: bool = False
) -> Written:
    """Insert or update raw rows by (connection_id, vendor_id); an unchanged row is not written.

    Every row must have the same keys, ``payload`` and ``deleted`` among them; at most one row per vendor id.
    ``deleted`` rows get a tombstone, others lose theirs. A row also counts as changed when its project did. A row's
    hash is taken at its word, except with ``exact``: then every stored column is looked at.
    """
    if not rows:
        return Written()
    incoming = f"incoming_{table}"
    columns = [name for name in rows[0] if name not in ("deleted", "payload")]
    copy_in(session, table, incoming, columns, rows)
    changed = differs(table, columns, "excluded") if exact else "t.content_hash <> excluded.content_hash"
    listed = ", ".join([*columns, "payload"])
    keep = {"connection_id", "vendor_id"}
    updates = ", ".join(f"{name} = excluded.{name}" for name in (*columns, "payload") if name not in keep)
    statement = f"""
        INSERT INTO {table} AS t ({listed}, synced_at, deleted_at)
        SELECT {listed}, clock_timestamp(), CASE WHEN gone THEN now() END FROM {incoming}
        ON CONFLICT (connection_id, vendor_id) DO UPDATE SET
            {updates},
            synced_at = excluded.synced_at,
            deleted_at = CASE WHEN excluded.deleted_at IS NULL THEN NULL
                              ELSE coalesce(t.deleted_at, excluded.deleted_at) END
        WHERE {changed}
           OR t.project_id <> excluded.project_id
           OR (t.deleted_at IS NULL) <> (excluded.deleted_at IS NULL)
        RETURNING (old.id IS NULL) AS is_new
    """  # noqa: S608 - names come from STREAM_TABLES and from normalize code, values are copied
    outcome = session.execute(text(statement)).scalars().all()
    session.execute(text(f"DELETE FROM {incoming}"))  # noqa: S608
    inserted = sum(outcome)
    return Written(inserted, len(outcome) - inserted, len(rows) - len(outcome))


def differs(table: str, columns: Sequence[str], incoming: str) -> str:
    """Return the condition that a stored row ``t`` is not what ``incoming`` brings: in a column or a link to a peer."""
    own = [name for name in (*columns, "payload") if name not in ("connection_id", "vendor_id", "project_id")]
    links = (
        f" OR t.{peer.column} IS DISTINCT FROM (SELECT p.id FROM {peer.peer_table} p"  # noqa: S608 - names from PEERS
        f" WHERE p.connection_id = t.connection_id AND p.vendor_id = {incoming}.{peer.vendor_column}"
        " AND p.project_id = t.project_id)"
        for peer in PEERS
        if peer.child_table == table
    )
    stored, brought = (", ".join(f"{alias}.{name}" for name in own) for alias in ("t", incoming))
    return f"(({stored}) IS DISTINCT FROM ({brought}){''.join(links)})"


def copy_in(
    session: Session, table: str, incoming: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Put rows into a temporary table of the session: COPY is the fastest way in (docs/sync.md)."""
    session.execute(
        text(
            f"CREATE TEMPORARY TABLE IF NOT EXISTS {incoming} ON COMMIT DELETE ROWS"  # noqa: S608
            f" AS SELECT false AS gone, t.* FROM {table} t WITH NO DATA"
        )
    )
    driver = session.connection().connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    statement = f"COPY {incoming} (gone, payload, {', '.join(columns)}) FROM STDIN"
    with driver.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        for row in rows:
            copy.write_row([row["deleted"], _as_json(row["payload"]), *(row[name] for name in columns)])


def _as_json(payload: Mapping[str, Any]) -> str:
    try:
        return orjson.dumps(payload).decode()
    except TypeError:  # a number beyond 64 bits, which only the slower writer knows
        return json.dumps(payload)


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


def unlink_peers(session: Session, table: str, ids: Sequence[UUID]) -> None:
    """Clear the references from and to these rows: they are about to leave their project."""
    for peer in PEERS:
        for owner, column in ((peer.child_table, "id"), (peer.peer_table, peer.column)):
            if owner == table:
                session.execute(
                    text(
                        f"UPDATE {peer.child_table} SET {peer.column} = NULL"  # noqa: S608 - names from PEERS
                        f" WHERE {column} = ANY(:ids) AND {peer.column} IS NOT NULL"
                    ),
                    {"ids": list(ids)},
                )


def set_blockers(session: Session, connection_id: ConnectionId, blockers: Mapping[str, Sequence[str]]) -> int:
    """Make ``blocked_by`` of every live issue of the connection what ``blockers`` says; return how many changed."""
    return session.execute(
        text(
            """
            UPDATE linear_issues i SET blocked_by = wanted.blocked_by, synced_at = clock_timestamp()
            FROM (
                SELECT k.id, coalesce(
                    ARRAY(SELECT jsonb_array_elements_text(CAST(:blockers AS jsonb) -> k.vendor_id)), '{}'
                ) AS blocked_by
                FROM linear_issues k WHERE k.connection_id = :connection AND k.deleted_at IS NULL
            ) wanted
            WHERE i.id = wanted.id AND i.blocked_by <> wanted.blocked_by
            """
        ),
        {
            "connection": connection_id,
            "blockers": json.dumps({key: list(value) for key, value in blockers.items()}),
        },
    ).rowcount  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]


@dataclass(frozen=True, slots=True)
class OpenThread:
    """A conversation with messages to read: the highest id here, the last one at the vendor, its row's version.

    ``failed`` when it could not be read the last time.
    """

    conversation: str
    max_message_id: int
    last_message_id: int
    synced_at: dt.datetime
    failed: bool


def threads_to_read(session: Session, connection_id: ConnectionId) -> list[OpenThread]:
    """Return the conversations whose messages are to be read, newest first; those that failed last, by their turn.

    Of these, those come first that the open circuit kept from being read: it may not have been their fault.

    Those whose last message is not here yet, and those whose row was written since their messages were last read
    to the end, whichever run wrote it.
    """
    found = session.execute(
        text(
            "SELECT c.vendor_id, c.max_message_id, last_id, c.synced_at, e.id IS NOT NULL AS failed"
            " FROM cw_conversations c"
            " CROSS JOIN LATERAL (SELECT c.payload #>> '{messages,0,id}' AS shown) AS listed"
            " CROSS JOIN LATERAL (SELECT CASE WHEN shown ~ '^[0-9]{1,18}$' THEN shown::bigint ELSE 0 END AS last_id)"
            " AS vendor"
            " LEFT JOIN connector_errors e ON e.connection_id = c.connection_id AND e.stream = 'messages'"
            " AND e.unit = 'conversation:' || c.vendor_id AND e.status <> 'resolved'"
            " WHERE c.connection_id = :connection AND c.deleted_at IS NULL"
            " AND (last_id > c.max_message_id OR c.messages_as_of IS DISTINCT FROM c.synced_at)"
            " ORDER BY e.id IS NOT NULL, e.error_kind IS DISTINCT FROM 'circuit_open', e.updated_at,"
            " c.last_activity_at DESC NULLS LAST"
        ),
        {"connection": connection_id},
    )
    return [OpenThread(*row) for row in found]


def advance_threads(
    session: Session, connection_id: ConnectionId, positions: Sequence[tuple[str, int, dt.datetime | None]]
) -> None:
    """Remember (conversation, highest message id, version read to the end or None) committed together with this.

    A position never goes back. At most one entry a conversation.
    """
    if not positions:
        return
    conversations, message_ids, versions = zip(*positions, strict=True)
    session.execute(
        text(
            "UPDATE cw_conversations c SET max_message_id = greatest(c.max_message_id, p.message_id),"
            " messages_as_of = coalesce(p.version, c.messages_as_of)"
            " FROM unnest(CAST(:conversations AS text[]), CAST(:message_ids AS bigint[]),"
            " CAST(:versions AS timestamptz[])) AS p (conversation, message_id, version)"
            " WHERE c.connection_id = :connection AND c.vendor_id = p.conversation"
            " AND (c.max_message_id < p.message_id OR c.messages_as_of IS DISTINCT FROM"
            " coalesce(p.version, c.messages_as_of))"
        ),
        {
            "connection": connection_id,
            "conversations": list(conversations),
            "message_ids": list(message_ids),
            "versions": list(versions),
        },
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
    count: int = session.execute(
        text(
            f"UPDATE {table} SET deleted_at = now(), synced_at = clock_timestamp()"  # noqa: S608
            " WHERE connection_id = :connection AND vendor_id = ANY(:ids) AND deleted_at IS NULL"
        ),
        {"connection": connection_id, "ids": list(vendor_ids)},
    ).rowcount  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
    if table == "cw_messages":
        bury_attachments(session, connection_id, vendor_ids)
    return count


def bury_attachments(session: Session, connection_id: ConnectionId, messages: Collection[str]) -> int:
    """Give the attachments of those of the messages that have a tombstone one too; return how many were live.

    The vendor removes them with their message and shows them nowhere any more.
    """
    if not messages:
        return 0
    return session.execute(
        text(
            "UPDATE cw_attachments a SET deleted_at = m.deleted_at, synced_at = clock_timestamp()"
            " FROM cw_messages m WHERE m.id = a.message_id AND m.connection_id = :connection"
            " AND m.vendor_id = ANY(:messages) AND m.deleted_at IS NOT NULL AND a.deleted_at IS NULL"
        ),
        {"connection": connection_id, "messages": list(messages)},
    ).rowcount  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
