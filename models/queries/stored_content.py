"""Holds stored rows against what the vendor shows of them now, column by column: a row's own hash proves nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text
from sqlmodel import Session

from models.infra.ids import ConnectionId, ProjectId
from models.queries.records import copy_in, differs


def find_altered(session: Session, table: str, rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the vendor ids of live rows that differ from ``rows``, in the form that ``records.upsert`` takes.

    Compared are all columns that a sync writes, in Postgres' own types, and the links to peers. A ``project_id`` of
    None is not compared. Rows that are not here are left out.
    """
    if not rows:
        return set()
    incoming = f"incoming_{table}"
    columns = [name for name in rows[0] if name not in ("deleted", "payload")]
    copy_in(session, table, incoming, columns, rows)
    found = session.execute(
        text(
            f"""
            SELECT t.vendor_id FROM {table} t
            JOIN {incoming} i ON i.connection_id = t.connection_id AND i.vendor_id = t.vendor_id
            WHERE t.deleted_at IS NULL AND NOT i.gone
              AND (t.project_id <> i.project_id OR {differs(table, columns, "i")})
            """  # noqa: S608 - names come from STREAM_TABLES and from normalize code, values are copied
        )
    ).scalars()
    altered = set(found)
    session.execute(text(f"DELETE FROM {incoming}"))  # noqa: S608 - as above
    return altered


def find_altered_blockers(
    session: Session, connection_id: ConnectionId, blockers: Mapping[str, Sequence[str]]
) -> set[str]:
    """Return the vendor ids of live issues whose ``blocked_by`` is not what ``blockers`` says."""
    found = session.execute(
        text(
            """
            SELECT i.vendor_id FROM linear_issues i
            WHERE i.connection_id = :connection AND i.deleted_at IS NULL AND i.blocked_by <> coalesce(
                ARRAY(SELECT jsonb_array_elements_text(CAST(:blockers AS jsonb) -> i.vendor_id)), '{}')
            """
        ),
        {
            "connection": connection_id,
            "blockers": json.dumps({key: list(value) for key, value in blockers.items()}),
        },
    )
    return set(found.scalars())


def find_misplaced_contacts(
    session: Session, connection_id: ConnectionId, vendor_ids: Sequence[str], unassigned: ProjectId
) -> set[str]:
    """Return which contacts are in a project where they have no conversation; ``unassigned`` is right without any.

    For contacts that no rule takes: each is in the project of the conversation it was met in, whichever that was.
    """
    found = session.execute(
        text(
            """
            SELECT k.vendor_id FROM cw_contacts k
            LEFT JOIN cw_conversations c ON c.connection_id = k.connection_id AND c.contact_vendor_id = k.vendor_id
            WHERE k.connection_id = :connection AND k.vendor_id = ANY(:ids)
            GROUP BY k.vendor_id, k.project_id
            HAVING NOT coalesce(bool_or(c.project_id = k.project_id), k.project_id = :unassigned)
            """
        ),
        {"connection": connection_id, "ids": list(vendor_ids), "unassigned": unassigned},
    )
    return set(found.scalars())
