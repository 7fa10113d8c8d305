"""What identity compares of the live records of an account scope, in batches by id. Reads only.

The work of a job over a whole account scope: it takes the account scope, as indexing does, and what comes of it is shown
by `identity` to scopes that hold both projects of a pair.
"""

# ruff: noqa: S608 - statements are put together from constants of this module; values are bound.

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from models.infra.ids import AccountScopeId

RecordKind = Literal["contact", "account", "project", "person", "company"]


@dataclass(frozen=True, slots=True)
class RecordFacts:
    """A record as far as it may tell who somebody is. `is_routed`: a rule put it into its project."""

    kind: RecordKind
    id: UUID
    project_id: UUID
    is_routed: bool = True
    names: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    company_names: tuple[str, ...] = ()
    company_domains: tuple[str, ...] = ()


# Of an account that mirrors a company nothing is to be suggested: the vendor says whose it is.
_SELECTED: Mapping[RecordKind, str] = {
    "contact": """
        SELECT r.id, r.project_id, j.kind = 'client' AS is_routed, ARRAY[r.name] AS names, ARRAY[r.email] AS emails,
               ARRAY[r.phone] AS phones, '{}'::text[] AS domains, ARRAY[r.company_name] AS company_names,
               '{}'::text[] AS company_domains
        FROM cw_contacts r JOIN projects j ON j.id = r.project_id
        WHERE r.account_scope_id = :scope AND r.deleted_at IS NULL""",
    "person": """
        SELECT r.id, r.project_id, j.kind = 'client' AS is_routed, ARRAY[r.name] AS names, r.emails, r.phones,
               '{}'::text[] AS domains, ARRAY[c.name] AS company_names, coalesce(c.domains, '{}') AS company_domains
        FROM attio_people r JOIN projects j ON j.id = r.project_id
        LEFT JOIN attio_companies c ON c.id = r.company_id AND c.deleted_at IS NULL
        WHERE r.account_scope_id = :scope AND r.deleted_at IS NULL""",
    "company": """
        SELECT r.id, r.project_id, j.kind = 'client' AS is_routed, ARRAY[r.name] AS names, '{}'::text[] AS emails,
               '{}'::text[] AS phones, r.domains, '{}'::text[] AS company_names, '{}'::text[] AS company_domains
        FROM attio_companies r JOIN projects j ON j.id = r.project_id
        WHERE r.account_scope_id = :scope AND r.deleted_at IS NULL""",
    "account": """
        SELECT r.id, r.project_id, j.kind = 'client' AS is_routed, ARRAY[r.name] AS names, '{}'::text[] AS emails,
               '{}'::text[] AS phones, ARRAY[r.domain] AS domains, '{}'::text[] AS company_names,
               '{}'::text[] AS company_domains
        FROM crm_accounts r JOIN projects j ON j.id = r.project_id
        WHERE r.account_scope_id = :scope AND r.deleted_at IS NULL AND r.connection_id IS NULL""",
    "project": """
        SELECT r.id, r.id AS project_id, true AS is_routed,
               ARRAY[r.name] || ARRAY(SELECT jsonb_array_elements_text(r.aliases)) AS names, '{}'::text[] AS emails,
               '{}'::text[] AS phones, '{}'::text[] AS domains, '{}'::text[] AS company_names,
               '{}'::text[] AS company_domains
        FROM projects r WHERE r.account_scope_id = :scope AND r.kind = 'client' AND r.archived_at IS NULL""",
}
_PAGES = {
    kind: text(f"{selected} AND (CAST(:after AS uuid) IS NULL OR r.id > :after) ORDER BY r.id LIMIT :limit")
    for kind, selected in _SELECTED.items()
}
# A sum of hashes does not depend on the order of rows, and a record that came, went or moved changes it.
_DIGEST = text(
    "SELECT count(*) || ':' || coalesce(sum(hashtextextended(CAST(every.* AS text), 0)), 0) FROM ("
    + " UNION ALL ".join(
        f"SELECT '{kind}' AS of_kind, each.* FROM ({sql}) each" for kind, sql in _SELECTED.items()
    )
    + ") every"
)


def read_batches(
    session: Session, account_scope_id: AccountScopeId, kind: RecordKind, size: int
) -> Iterator[Sequence[RecordFacts]]:
    """The live records of a kind by id, at most `size` at a time."""
    after: UUID | None = None
    while True:
        rows = session.execute(_PAGES[kind], {"scope": account_scope_id, "after": after, "limit": size}).all()
        if rows:
            yield [
                RecordFacts(kind, row.id, row.project_id, row.is_routed, *(_known(each) for each in row[3:]))
                for row in rows
            ]
        if len(rows) < size:
            return
        after = rows[-1].id


def read_digest(session: Session, account_scope_id: AccountScopeId) -> str:
    """A text that stays the same as long as nothing changes that is compared."""
    return session.execute(_DIGEST, {"scope": account_scope_id}).scalar_one()


def _known(values: Sequence[str | None]) -> tuple[str, ...]:
    return tuple(each for each in values if each)
