"""Writes of the graph: entities and their links from the raw tables, mentions from the chunks. No language model.

Plain functions, session first; nothing here commits. Entities and links of a scope are made as a whole in set-based
statements that write only what changed; mentions follow the chunks that changed. What is deleted at the vendor leaves the
graph with the next run, and its links and mentions go with it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from models.infra.ids import AccountScopeId
from retrieval.entities import EntityIndex, KnownEntity, name_keys

# The names of the graph's parts among the sources that have a watermark.
ENTITIES = "entities"
MENTIONS = "entity_mentions"

_RAW = (
    "attio_people", "attio_companies", "attio_deals", "attio_notes", "cw_contacts", "cw_conversations", "cw_messages",
    "linear_issues", "linear_comments",
)  # fmt: skip
_LIVE = "account_scope_id = :scope_id AND deleted_at IS NULL"
# A colleague has no record of their own: the id is made of the name, one person per project.
_COLLEAGUES = f"""
    SELECT project_id, assignee_name AS name FROM linear_issues WHERE {_LIVE}
    UNION SELECT project_id, author_name FROM linear_comments WHERE {_LIVE}
    UNION SELECT project_id, owner_name FROM attio_deals WHERE {_LIVE}
    UNION SELECT project_id, author_name FROM attio_notes WHERE {_LIVE}
    UNION SELECT project_id, sender_name FROM cw_messages WHERE {_LIVE} AND message_type = 1
"""  # noqa: S608  our own names
_PERSON_ID = "md5('colleague:' || lower({name}))::uuid"
_WANTED = f"""
    SELECT DISTINCT ON (project_id, kind, record_id) project_id, kind, name, aliases, record_id FROM (
        SELECT project_id, 'person' AS kind, name, emails AS aliases, id AS record_id FROM attio_people WHERE {_LIVE}
        UNION ALL SELECT project_id, 'person', name, array_remove(ARRAY[email], NULL), id FROM cw_contacts
            WHERE {_LIVE} AND name IS NOT NULL
        UNION ALL SELECT project_id, 'company', name, domains, id FROM attio_companies WHERE {_LIVE}
        UNION ALL SELECT project_id, 'issue', title, ARRAY[identifier], id FROM linear_issues WHERE {_LIVE}
        UNION ALL SELECT project_id, 'deal', name, '{{}}', id FROM attio_deals WHERE {_LIVE}
        UNION ALL SELECT id, 'project', name, ARRAY(SELECT jsonb_array_elements_text(aliases)), id FROM projects
            WHERE account_scope_id = :scope_id AND kind = 'client'
        UNION ALL SELECT project_id, 'person', name, '{{}}', {_PERSON_ID.format(name="name")} FROM ({_COLLEAGUES}) colleagues
            WHERE name IS NOT NULL AND btrim(name) <> ''
    ) every ORDER BY project_id, kind, record_id, name
"""  # noqa: S608
_DELETE_GONE = f"""
    DELETE FROM entities e WHERE e.account_scope_id = :scope_id AND NOT EXISTS (
        SELECT 1 FROM ({_WANTED}) w
        WHERE w.project_id = e.project_id AND w.kind = e.kind AND w.record_id = e.record_id)
"""  # noqa: S608
_UPSERT = f"""
    INSERT INTO entities AS e (account_scope_id, project_id, kind, name, aliases, record_id)
    SELECT :scope_id, project_id, kind, name, aliases, record_id FROM ({_WANTED}) w
    ON CONFLICT (project_id, kind, record_id) DO UPDATE SET name = excluded.name, aliases = excluded.aliases
        WHERE (e.name, e.aliases) IS DISTINCT FROM (excluded.name, excluded.aliases)
    RETURNING project_id, kind
"""  # noqa: S608

# From raw foreign keys: which two records, and how they belong together.
_KEYED = f"""
    SELECT id AS from_record, company_id AS to_record, 'works_at' AS kind FROM attio_people
        WHERE {_LIVE} AND company_id IS NOT NULL
    UNION SELECT id, company_id, 'deal_of' FROM attio_deals WHERE {_LIVE} AND company_id IS NOT NULL
    UNION SELECT d.id, p.id, 'involves' FROM attio_deals d JOIN attio_people p
        ON p.connection_id = d.connection_id AND p.vendor_id = ANY(d.people_vendor_ids) AND p.deleted_at IS NULL
        WHERE d.account_scope_id = :scope_id AND d.deleted_at IS NULL
    UNION SELECT {_PERSON_ID.format(name="assignee_name")}, id, 'assigned' FROM linear_issues
        WHERE {_LIVE} AND assignee_name IS NOT NULL
    UNION SELECT {_PERSON_ID.format(name="owner_name")}, id, 'owns' FROM attio_deals
        WHERE {_LIVE} AND owner_name IS NOT NULL
    UNION SELECT b.id, i.id, 'blocks' FROM linear_issues i JOIN linear_issues b
        ON b.connection_id = i.connection_id AND b.identifier = ANY(i.blocked_by) AND b.deleted_at IS NULL
        WHERE i.account_scope_id = :scope_id AND i.deleted_at IS NULL
"""  # noqa: S608
_STAGED = f"""
    SELECT f.id AS from_id, t.id AS to_id, k.kind, f.project_id FROM ({_KEYED}) k
    JOIN entities f ON f.account_scope_id = :scope_id AND f.record_id = k.from_record
    JOIN entities t ON t.project_id = f.project_id AND t.record_id = k.to_record
    UNION
    SELECT made.from_id, made.to_id, made.kind, f.project_id
    FROM unnest(CAST(:froms AS uuid[]), CAST(:tos AS uuid[]), CAST(:kinds AS text[])) AS made(from_id, to_id, kind)
    JOIN entities f ON f.id = made.from_id
"""  # noqa: S608


def newest_change(session: Session, account_scope_id: AccountScopeId) -> datetime | None:
    """The newest ``synced_at`` of the raw rows that the graph is made of; None without any."""
    parts = " UNION ALL ".join(
        f"SELECT max(synced_at) AS at FROM {table} WHERE account_scope_id = :scope_id"  # noqa: S608
        for table in _RAW
    )
    return (
        session.connection()
        .execute(text(f"SELECT max(at) FROM ({parts}) newest"), {"scope_id": account_scope_id})  # noqa: S608
        .scalar_one()
    )


def refresh_entities(session: Session, account_scope_id: AccountScopeId) -> set[UUID]:
    """Make the scope's entities what its records are; the projects in which a person or company is new or renamed."""
    values = {"scope_id": account_scope_id}
    session.connection().execute(text(_DELETE_GONE), values)
    rows = session.connection().execute(text(_UPSERT), values)
    return {row.project_id for row in rows if row.kind in ("person", "company", "project")}


def refresh_links(session: Session, account_scope_id: AccountScopeId) -> int:
    """Make the scope's links what foreign keys, e-mail addresses and names say; how many were written or removed."""
    made = _links_by_name(session, account_scope_id)
    values = {
        "scope_id": account_scope_id,
        "froms": [link[0] for link in made],
        "tos": [link[1] for link in made],
        "kinds": [link[2] for link in made],
    }
    connection = session.connection()
    connection.execute(
        text(
            "CREATE TEMP TABLE IF NOT EXISTS link_stage (from_id uuid, to_id uuid, kind text, project_id uuid)"
            " ON COMMIT DELETE ROWS"
        )
    )
    connection.execute(text("TRUNCATE link_stage"))
    connection.execute(text(f"INSERT INTO link_stage {_STAGED}"), values)
    gone = connection.execute(
        text(
            "DELETE FROM entity_links l WHERE l.account_scope_id = :scope_id AND NOT EXISTS (SELECT 1 FROM link_stage s"
            " WHERE s.from_id = l.from_id AND s.to_id = l.to_id AND s.kind = l.kind)"
        ),
        values,
    ).rowcount
    written = connection.execute(
        text(
            "INSERT INTO entity_links (account_scope_id, project_id, from_id, to_id, kind)"
            " SELECT :scope_id, project_id, from_id, to_id, kind FROM link_stage ON CONFLICT DO NOTHING"
        ),
        values,
    ).rowcount
    return gone + written


@dataclass(frozen=True, slots=True)
class _Named:
    """An entity with what may tie it to another: its keys, addresses, and the company that a contact states."""

    id: UUID
    project_id: UUID
    kind: str
    keys: frozenset[str]
    aliases: frozenset[str]
    company: frozenset[str]


def _links_by_name(session: Session, account_scope_id: AccountScopeId) -> list[tuple[UUID, UUID, str]]:
    rows = session.connection().execute(
        text(
            "SELECT e.id, e.project_id, e.kind, e.name, e.aliases, c.company_name FROM entities e"
            " LEFT JOIN cw_contacts c ON c.id = e.record_id"
            " WHERE e.account_scope_id = :scope_id AND e.kind IN ('person', 'company', 'project') ORDER BY e.id"
        ),
        {"scope_id": account_scope_id},
    )
    of_project: defaultdict[UUID, list[_Named]] = defaultdict(list)
    for row in rows:
        aliases = frozenset(alias.lower() for alias in row.aliases)
        company = frozenset(name_keys(row.company_name or ""))
        of_project[row.project_id].append(
            _Named(row.id, row.project_id, row.kind, frozenset(name_keys(row.name)), aliases, company)
        )
    links: list[tuple[UUID, UUID, str]] = []
    for members in of_project.values():
        people = [item for item in members if item.kind == "person"]
        companies = [item for item in members if item.kind == "company"]
        links += _same_people(people)
        links += _employers(people, companies)
        links += [
            (company.id, project.id, "client")
            for project in members
            if project.kind == "project"
            for company in companies
            if company.keys and company.keys == project.keys
        ]
    return links


def _same_people(people: Sequence[_Named]) -> list[tuple[UUID, UUID, str]]:
    """Pairs that share an address, or a full name: at most one link to the first bearer, so that hubs stay small."""
    links: list[tuple[UUID, UUID, str]] = []
    first: dict[object, UUID] = {}
    for person in people:
        ties: list[object] = [*person.aliases, *([person.keys] if len(person.keys) > 1 else [])]
        known = {first[tie] for tie in ties if tie in first}
        links += [(other, person.id, "same_person") for other in sorted(known) if other != person.id]
        for tie in ties:
            first.setdefault(tie, person.id)
    return links


def _employers(people: Sequence[_Named], companies: Sequence[_Named]) -> list[tuple[UUID, UUID, str]]:
    """Contacts and the company whose domain their address has, or whose name they state."""
    of_domain = {domain: company.id for company in companies for domain in company.aliases}
    of_name = {company.keys: company.id for company in companies if company.keys}
    links: dict[tuple[UUID, UUID, str], None] = {}
    for person in people:
        domains = {alias.rpartition("@")[2] for alias in person.aliases if "@" in alias}
        found = {of_domain[domain] for domain in domains if domain in of_domain}
        if not found and person.company in of_name:
            found = {of_name[person.company]}
        links |= dict.fromkeys((person.id, company, "works_at") for company in sorted(found))
    return list(links)


def read_entities(session: Session, account_scope_id: AccountScopeId) -> dict[UUID, list[KnownEntity]]:
    """The scope's entities by project."""
    rows = session.connection().execute(
        text("SELECT id, project_id, kind, name, aliases FROM entities WHERE account_scope_id = :scope_id"),
        {"scope_id": account_scope_id},
    )
    found: defaultdict[UUID, list[KnownEntity]] = defaultdict(list)
    for row in rows:
        found[row.project_id].append(
            KnownEntity(row.id, row.project_id, row.kind, row.name, tuple(row.aliases))
        )
    return found


@dataclass(frozen=True, slots=True)
class Unread:
    """A chunk whose mentions are to be found, with the instant it was written."""

    id: UUID
    project_id: UUID
    text: str
    author: str
    updated_at: datetime


def read_unread(
    session: Session,
    account_scope_id: AccountScopeId,
    after: datetime | None,
    limit: int,
    project_id: UUID | None = None,
) -> list[Unread]:
    """About ``limit`` chunks written after an instant, oldest first; those of one instant are never torn apart."""
    rows = session.connection().execute(
        text(
            "SELECT id, project_id, title || E'\\n' || body AS words, coalesce(author, '') AS author, updated_at"
            " FROM rag_chunks WHERE account_scope_id = :scope_id"
            " AND (CAST(:project_id AS uuid) IS NULL OR project_id = :project_id)"
            " AND (CAST(:after AS timestamptz) IS NULL OR updated_at > :after)"
            " ORDER BY updated_at FETCH FIRST :limit ROWS WITH TIES"
        ),
        {"scope_id": account_scope_id, "after": after, "limit": limit, "project_id": project_id},
    )
    return [Unread(*row) for row in rows]


# What a chunk belongs to without naming it: its issue, deal or company, the contact it was written with, the record it is on.
_OWN = """
    SELECT c.id AS chunk_id, e.id AS entity_id FROM rag_chunks c JOIN entities e
        ON e.project_id = c.project_id AND e.record_id = c.thread_id WHERE c.id = ANY(:ids)
    UNION SELECT c.id, e.id FROM rag_chunks c JOIN cw_conversations t ON t.id = c.thread_id
        JOIN entities e ON e.project_id = c.project_id AND e.record_id = t.contact_id WHERE c.id = ANY(:ids)
    UNION SELECT c.id, e.id FROM rag_chunks c JOIN attio_notes n ON n.id = c.thread_id
        JOIN (SELECT id, connection_id, vendor_id FROM attio_deals UNION ALL
              SELECT id, connection_id, vendor_id FROM attio_people UNION ALL
              SELECT id, connection_id, vendor_id FROM attio_companies) r
            ON r.connection_id = n.connection_id AND r.vendor_id = n.parent_vendor_id
        JOIN entities e ON e.project_id = c.project_id AND e.record_id = r.id WHERE c.id = ANY(:ids)
"""


def write_mentions(session: Session, chunks: Iterable[Unread], indexes: Mapping[UUID, EntityIndex]) -> int:
    """Make the mentions of these chunks what their words, authors and records say; how many there are."""
    found: Counter[tuple[UUID, UUID]] = Counter()
    ids: list[UUID] = []
    for chunk in chunks:
        ids.append(chunk.id)
        index = indexes.get(chunk.project_id)
        if index is None:
            continue
        for entity, times in index.named_in(f"{chunk.text}\n{chunk.author}").items():
            found[chunk.id, entity] += times
    connection = session.connection()
    for row in connection.execute(text(_OWN), {"ids": ids}):
        found[row.chunk_id, row.entity_id] += 1
    connection.execute(text("DELETE FROM entity_mentions WHERE chunk_id = ANY(:ids)"), {"ids": ids})
    values: dict[str, Any] = {
        "chunks": [chunk for chunk, _ in found],
        "entities": [entity for _, entity in found],
        "counts": list(found.values()),
    }
    # A chunk deleted meanwhile is passed over; an entity of another project never fits.
    return connection.execute(
        text(
            "INSERT INTO entity_mentions (account_scope_id, project_id, entity_id, chunk_id, count)"
            " SELECT c.account_scope_id, c.project_id, e.id, c.id, m.count"
            " FROM unnest(CAST(:chunks AS uuid[]), CAST(:entities AS uuid[]), CAST(:counts AS int[]))"
            " AS m(chunk_id, entity_id, count)"
            " JOIN rag_chunks c ON c.id = m.chunk_id JOIN entities e ON e.id = m.entity_id AND e.project_id = c.project_id"
            " ON CONFLICT (entity_id, chunk_id) DO UPDATE SET count = excluded.count"
        ),
        values,
    ).rowcount
