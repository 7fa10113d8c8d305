"""From Attio's raw rows to the CRM tables, in set-based statements. Each writes only what differs.

A mirrored row is found by (connection_id, vendor_id). Its project is that of its raw row; references to rows of other
projects are dropped, and what hangs on a row that moved moves with it.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlmodel import Session

from models.infra.ids import ConnectionId

# What the vendor told of an opportunity's stages, as it is here.
_TOLD = """(SELECT md5(coalesce(string_agg(e.vendor_stage || '@' || extract(epoch FROM e.entered_at), ','
        ORDER BY e.entered_at), '')) FROM crm_opportunity_stage_events e
    WHERE e.opportunity_id = o.id AND e.vendor_stage IS NOT NULL)"""
_INSTANT = r"CAST(regexp_replace(v ->> 'active_from', '(\.[0-9]{6})[0-9]+', '\1') AS timestamptz)"
_READABLE = "v #>> '{status,title}' IS NOT NULL AND pg_input_is_valid(v ->> 'active_from', 'timestamptz')"
# How many unknown stage titles a run names; all of them are listed by `crm.list_unmapped_stages`.
_TITLES_AT_MOST = 20


@dataclass(frozen=True, slots=True)
class Mirrored:
    """Rows of one table that were new, changed, or got their tombstone."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0


@dataclass(frozen=True, slots=True)
class Unplaced:
    """What the mirror could not place: live records, and the titles of stages that nobody knows."""

    stages: tuple[str, ...]
    deals_unmapped: int
    deals_without_account: int
    people_without_account: int
    amounts_without_currency: int


@dataclass(frozen=True, slots=True)
class DueHistory:
    """A deal whose past stages are to be read; ``stage_since`` is the start of its present one."""

    connection_id: ConnectionId
    vendor_id: str
    stage_since: dt.datetime


def list_stage_titles(session: Session, connection_id: ConnectionId) -> list[str]:
    """Every stage title of the connection's deals, past ones included."""
    return list(
        session.execute(
            text(
                """
                SELECT DISTINCT title FROM (
                    SELECT stage AS title FROM attio_deals WHERE connection_id = :connection
                    UNION ALL
                    SELECT v #>> '{status,title}' FROM attio_deals d
                    CROSS JOIN LATERAL jsonb_path_query(d.payload, '$.values.stage[*]') v
                    WHERE d.connection_id = :connection
                    UNION ALL
                    SELECT e.vendor_stage FROM crm_opportunity_stage_events e
                    JOIN crm_opportunities o ON o.id = e.opportunity_id WHERE o.connection_id = :connection
                ) titles WHERE title IS NOT NULL
                """
            ),
            {"connection": connection_id},
        ).scalars()
    )


def mirror_accounts(session: Session, connection_id: ConnectionId) -> Mirrored:
    """Companies → accounts. A company that was never live here gets no account."""
    return _upsert(
        session,
        """
        INSERT INTO crm_accounts AS t (account_scope_id, project_id, connection_id, vendor_id, attio_company_id,
            name, domain, created_at, deleted_at)
        SELECT c.account_scope_id, c.project_id, c.connection_id, c.vendor_id, c.id, c.name, c.domains[1],
            coalesce(c.source_created_at, now()), c.deleted_at
        FROM attio_companies c
        WHERE c.connection_id = :connection AND (c.deleted_at IS NULL OR EXISTS (
            SELECT FROM crm_accounts a WHERE a.connection_id = c.connection_id AND a.vendor_id = c.vendor_id))
        ON CONFLICT (connection_id, vendor_id) DO UPDATE SET
            project_id = excluded.project_id, attio_company_id = excluded.attio_company_id, name = excluded.name,
            domain = excluded.domain, deleted_at = excluded.deleted_at, updated_at = now(), version = t.version + 1
        WHERE (t.project_id, t.attio_company_id, t.name, t.domain, t.deleted_at) IS DISTINCT FROM
              (excluded.project_id, excluded.attio_company_id, excluded.name, excluded.domain, excluded.deleted_at)
        RETURNING old.id IS NULL AS is_new, new.deleted_at IS NOT NULL AS gone
        """,
        {"connection": connection_id},
    )


def bury_orphans(session: Session, connection_id: ConnectionId) -> int:
    """Give accounts and opportunities whose record the copy does not know a tombstone; return how many."""
    buried = 0
    for table, raw in (("crm_accounts", "attio_companies"), ("crm_opportunities", "attio_deals")):
        buried += len(
            session.execute(
                text(
                    f"UPDATE {table} t SET deleted_at = now(), updated_at = now(), version = t.version + 1"  # noqa: S608
                    " WHERE t.connection_id = :connection AND t.vendor_id IS NOT NULL AND t.deleted_at IS NULL"
                    f" AND NOT EXISTS (SELECT FROM {raw} r WHERE r.connection_id = t.connection_id"
                    " AND r.vendor_id = t.vendor_id) RETURNING t.id"
                ),
                {"connection": connection_id},
            ).all()
        )
    return buried


def mirror_contacts(session: Session, connection_id: ConnectionId) -> Mirrored:
    """People with a company → contacts of its account. One who has none any more gets a tombstone."""
    living = """
        attio_people p JOIN crm_accounts a ON a.connection_id = p.connection_id
            AND a.vendor_id = p.company_vendor_id AND a.project_id = p.project_id AND a.deleted_at IS NULL
        WHERE p.connection_id = :connection AND p.deleted_at IS NULL
    """
    values = {"connection": connection_id}
    written = _upsert(
        session,
        f"""
        INSERT INTO crm_account_contacts AS t (account_scope_id, project_id, connection_id, vendor_id, account_id,
            attio_person_id, name, email, phone, role)
        SELECT p.account_scope_id, p.project_id, p.connection_id, p.vendor_id, a.id, p.id, p.name, p.emails[1],
            p.phones[1], p.job_title FROM {living}
        ON CONFLICT (connection_id, vendor_id) DO UPDATE SET
            project_id = excluded.project_id, account_id = excluded.account_id, name = excluded.name,
            attio_person_id = excluded.attio_person_id, email = excluded.email, phone = excluded.phone,
            role = excluded.role, deleted_at = NULL, version = t.version + 1
        WHERE (t.project_id, t.account_id, t.attio_person_id, t.name, t.email, t.phone, t.role, t.deleted_at)
            IS DISTINCT FROM (excluded.project_id, excluded.account_id, excluded.attio_person_id, excluded.name,
            excluded.email, excluded.phone, excluded.role, NULL)
        RETURNING old.id IS NULL AS is_new, false AS gone
        """,  # noqa: S608 - a constant of this function
        values,
    )
    gone = session.execute(
        text(
            "UPDATE crm_account_contacts t SET deleted_at = now() WHERE t.connection_id = :connection"  # noqa: S608
            " AND t.vendor_id IS NOT NULL AND t.deleted_at IS NULL"
            f" AND t.vendor_id NOT IN (SELECT p.vendor_id FROM {living}) RETURNING t.id"
        ),
        values,
    ).all()
    # A contact that moved with its account leaves a person behind who belongs to another project now.
    session.execute(
        text(
            """
            UPDATE crm_account_contacts t SET attio_person_id = wanted.person_id
            FROM (
                SELECT k.id, p.id AS person_id FROM crm_account_contacts k LEFT JOIN attio_people p
                  ON p.connection_id = k.connection_id AND p.vendor_id = k.vendor_id AND p.project_id = k.project_id
                WHERE k.connection_id = :connection
            ) wanted
            WHERE t.id = wanted.id AND t.attio_person_id IS DISTINCT FROM wanted.person_id
            """
        ),
        values,
    )
    return Mirrored(written.inserted, written.updated, len(gone))


def mirror_opportunities(
    session: Session, connection_id: ConnectionId, stages: Mapping[str, str]
) -> Mirrored:
    """Deals → opportunities. ``stages`` are the titles that are known, each with its stage."""
    return _upsert(
        session,
        """
        INSERT INTO crm_opportunities AS t (account_scope_id, project_id, connection_id, vendor_id, attio_deal_id,
            account_id, name, stage, vendor_stage, amount, currency, close_date, next_step, created_at, deleted_at)
        SELECT d.account_scope_id, d.project_id, d.connection_id, d.vendor_id, d.id, a.id, d.name,
            coalesce(CAST(:stages AS jsonb) ->> d.stage, 'unmapped'), d.stage, d.value, d.currency, d.close_date,
            d.next_step, coalesce(d.source_created_at, now()), d.deleted_at
        FROM attio_deals d LEFT JOIN crm_accounts a ON a.connection_id = d.connection_id
            AND a.vendor_id = d.company_vendor_id AND a.project_id = d.project_id AND a.deleted_at IS NULL
        WHERE d.connection_id = :connection AND (d.deleted_at IS NULL OR EXISTS (
            SELECT FROM crm_opportunities o WHERE o.connection_id = d.connection_id AND o.vendor_id = d.vendor_id))
        ON CONFLICT (connection_id, vendor_id) DO UPDATE SET
            project_id = excluded.project_id, attio_deal_id = excluded.attio_deal_id, account_id = excluded.account_id,
            name = excluded.name, stage = excluded.stage, vendor_stage = excluded.vendor_stage,
            amount = excluded.amount, currency = excluded.currency, close_date = excluded.close_date,
            next_step = excluded.next_step, deleted_at = excluded.deleted_at, updated_at = now(), version = t.version + 1
        WHERE (t.project_id, t.attio_deal_id, t.account_id, t.name, t.stage, t.vendor_stage, t.amount, t.currency,
               t.close_date, t.next_step, t.deleted_at) IS DISTINCT FROM
              (excluded.project_id, excluded.attio_deal_id, excluded.account_id, excluded.name, excluded.stage,
               excluded.vendor_stage, excluded.amount, excluded.currency, excluded.close_date, excluded.next_step,
               excluded.deleted_at)
        RETURNING old.id IS NULL AS is_new, new.deleted_at IS NOT NULL AS gone
        """,
        {"connection": connection_id, "stages": json.dumps(dict(stages))},
    )


def mirror_stage_events(session: Session, connection_id: ConnectionId, stages: Mapping[str, str]) -> int:
    """Stage values of the deals → events; returns how many were written. An event that no deal shows any more stays.

    The values' ``active_from`` has nine digits of a second, of which six are kept; it is what an event is known by: a
    stage that was renamed is the same event under its new title. A title that the table has learnt meanwhile gives its
    past events their stage.
    """
    values = {"connection": connection_id, "stages": json.dumps(dict(stages))}
    learnt = session.execute(
        text(
            """
            UPDATE crm_opportunity_stage_events e
            SET stage = coalesce(CAST(:stages AS jsonb) ->> e.vendor_stage, 'unmapped')
            FROM crm_opportunities o
            WHERE o.id = e.opportunity_id AND o.connection_id = :connection AND e.vendor_stage IS NOT NULL
              AND e.stage <> coalesce(CAST(:stages AS jsonb) ->> e.vendor_stage, 'unmapped')
            RETURNING e.id
            """
        ),
        values,
    ).all()
    shown = """
        JOIN attio_deals d ON d.connection_id = o.connection_id AND d.vendor_id = o.vendor_id
        CROSS JOIN LATERAL jsonb_path_query(d.payload, '$.values.stage[*]') v
    """
    return len(learnt) + _add_events(session, shown, values)


def add_history(
    session: Session, deal: DueHistory, values: Sequence[Mapping[str, Any]], stages: Mapping[str, str]
) -> int:
    """Make the events of one deal what the vendor tells of its stages, and note that they were read; how many changed.

    Nothing is removed on the word of an answer that is empty, or holds a value that cannot be read.
    """
    bound = {
        "connection": deal.connection_id,
        "deal": deal.vendor_id,
        "values": json.dumps(list(values)),
        "stages": json.dumps(dict(stages)),
    }
    told = "jsonb_array_elements(CAST(:values AS jsonb)) v"
    changed = _add_events(session, f"JOIN {told} ON o.vendor_id = :deal", bound)
    removed = session.execute(
        text(
            f"""
            DELETE FROM crm_opportunity_stage_events e USING crm_opportunities o
            WHERE o.id = e.opportunity_id AND o.connection_id = :connection AND o.vendor_id = :deal
              AND e.vendor_stage IS NOT NULL AND EXISTS (SELECT FROM {told})
              AND NOT EXISTS (SELECT FROM {told} WHERE ({_READABLE}) IS NOT TRUE)
              AND e.entered_at NOT IN (SELECT {_INSTANT} FROM {told} WHERE {_READABLE})
            RETURNING e.id
            """  # noqa: S608 - constants
        ),
        bound,
    ).all()
    session.execute(
        text(
            f"UPDATE crm_opportunities o SET history_until = :until, history_digest = {_TOLD}"  # noqa: S608
            " WHERE connection_id = :connection AND vendor_id = :deal"
        ),
        {**bound, "until": deal.stage_since},
    )
    return changed + len(removed)


def list_due_histories(session: Session, connection_id: ConnectionId, *, limit: int) -> list[DueHistory]:
    """Live deals whose past stages are to be read, the newest changes first.

    Those whose stage has changed since they were read, and those whose events are not what was read then.
    """
    rows = session.execute(
        text(
            "SELECT d.vendor_id, d.stage_since FROM attio_deals d"  # noqa: S608 - a constant
            " JOIN crm_opportunities o ON o.connection_id = d.connection_id AND o.vendor_id = d.vendor_id"
            " WHERE d.connection_id = :connection AND d.deleted_at IS NULL AND d.stage_since IS NOT NULL"
            f" AND (o.history_until IS DISTINCT FROM d.stage_since OR o.history_digest IS DISTINCT FROM {_TOLD})"
            " ORDER BY d.stage_since DESC, d.vendor_id LIMIT :limit"
        ),
        {"connection": connection_id, "limit": limit},
    )
    return [DueHistory(connection_id, row.vendor_id, row.stage_since) for row in rows]


def count_altered_histories(session: Session, connection_id: ConnectionId) -> int:
    """Live deals that have not moved since their past stages were read, and whose events are not what was read then."""
    return session.execute(
        text(
            "SELECT count(*) FROM attio_deals d"  # noqa: S608 - a constant
            " JOIN crm_opportunities o ON o.connection_id = d.connection_id AND o.vendor_id = d.vendor_id"
            " WHERE d.connection_id = :connection AND d.deleted_at IS NULL AND o.history_until = d.stage_since"
            f" AND o.history_digest <> {_TOLD}"
        ),
        {"connection": connection_id},
    ).scalar_one()


def bring_along(session: Session, connection_id: ConnectionId) -> None:
    """Let what was made here follow the mirrored row it is for into its project.

    An opportunity follows its account, an offer its opportunity, a message its contact. Inside the connection's account
    scope every such row is looked at: an offer may hang on an opportunity that has just followed its account.
    """
    for table, column, owner in (
        # A mirrored opportunity goes where its deal goes, whatever its account does.
        ("crm_opportunities", "connection_id IS NULL AND t.account_id", "crm_accounts"),
        ("offers", "opportunity_id", "crm_opportunities"),
        ("outbound_messages", "contact_id", "crm_account_contacts"),
    ):
        session.execute(
            text(
                f"UPDATE {table} t SET project_id = o.project_id FROM {owner} o, vendor_connections c"  # noqa: S608 - names from above
                f" WHERE t.{column} = o.id AND c.id = :connection AND t.account_scope_id = c.account_scope_id"
                " AND o.account_scope_id = c.account_scope_id AND t.project_id <> o.project_id"
            ),
            {"connection": connection_id},
        )


def count_unplaced(session: Session, connection_id: ConnectionId) -> Unplaced:
    """Count what has no place: deals by stage and account, people without an account, amounts without currency."""
    values = {"connection": connection_id}
    deals = session.execute(
        text(
            "SELECT count(*) FILTER (WHERE stage = 'unmapped') AS unmapped,"
            " count(*) FILTER (WHERE account_id IS NULL) AS alone,"
            " count(*) FILTER (WHERE amount IS NOT NULL AND currency IS NULL) AS bare"
            " FROM crm_opportunities WHERE connection_id = :connection AND deleted_at IS NULL"
        ),
        values,
    ).one()
    people = session.execute(
        text(
            "SELECT count(*) FROM attio_people p WHERE p.connection_id = :connection AND p.deleted_at IS NULL"
            " AND NOT EXISTS (SELECT FROM crm_account_contacts k WHERE k.connection_id = p.connection_id"
            " AND k.vendor_id = p.vendor_id AND k.deleted_at IS NULL)"
        ),
        values,
    ).scalar_one()
    titles = session.execute(
        text(
            "SELECT DISTINCT vendor_stage FROM (SELECT vendor_stage FROM crm_opportunities WHERE stage = 'unmapped'"
            " AND connection_id = :connection AND deleted_at IS NULL UNION ALL SELECT e.vendor_stage"
            " FROM crm_opportunity_stage_events e JOIN crm_opportunities o ON o.id = e.opportunity_id"
            " WHERE e.stage = 'unmapped' AND o.connection_id = :connection AND o.deleted_at IS NULL) found"
            " WHERE vendor_stage IS NOT NULL ORDER BY vendor_stage LIMIT :limit"
        ),
        {**values, "limit": _TITLES_AT_MOST},
    ).scalars()
    return Unplaced(tuple(titles), deals.unmapped, deals.alone, people, deals.bare)


def _add_events(session: Session, source: str, values: Mapping[str, object]) -> int:
    """Insert or rename an event for each stage value ``v`` that ``source`` joins to the opportunities ``o``."""
    found = session.execute(
        text(
            f"""
            INSERT INTO crm_opportunity_stage_events AS e
                (account_scope_id, project_id, opportunity_id, stage, vendor_stage, entered_at)
            SELECT DISTINCT ON (o.id, {_INSTANT}) o.account_scope_id, o.project_id, o.id,
                coalesce(CAST(:stages AS jsonb) ->> (v #>> '{{status,title}}'), 'unmapped'), v #>> '{{status,title}}',
                {_INSTANT}
            FROM crm_opportunities o {source}
            WHERE o.connection_id = :connection AND {_READABLE}
            ORDER BY o.id, {_INSTANT}, v ->> 'active_from' DESC
            ON CONFLICT (opportunity_id, entered_at) DO UPDATE
                SET stage = excluded.stage, vendor_stage = excluded.vendor_stage
                WHERE e.vendor_stage <> excluded.vendor_stage
            RETURNING id
            """  # noqa: S608 - constants of this module
        ),
        values,
    )
    return len(found.all())


def _upsert(session: Session, statement: str, values: Mapping[str, object]) -> Mirrored:
    found = session.execute(text(statement), values).all()
    inserted = sum(row.is_new for row in found)
    deleted = sum(row.gone and not row.is_new for row in found)
    return Mirrored(inserted, len(found) - inserted - deleted, deleted)
