"""Suggested and accepted pairs as lists, and the rows a decision is about.

A pair is visible to a scope that holds the projects of both of its records, and while both records are there.
"""

# ruff: noqa: S608 - statements are put together from constants of this module; values are bound.

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Row, TextClause, text
from sqlmodel import Session, col, select

from models.infra.errors import InvalidInput
from models.infra.scope import Scope
from models.queries.identity_records import RecordKind
from models.queries.keyset import Kind as ValueKind
from models.queries.keyset import read_cursor, write_cursor
from models.tables.identity import IdentityLink, IdentitySuggestion

PairKind = Literal["contact_person", "contact_company", "project_company", "account_company"]
PairStatus = Literal["proposed", "accepted", "dismissed"]

# Of a pair `s`: its records, looked up one by one as the page needs them. A pair without one of them is not listed.
_RECORDS = """
CROSS JOIN LATERAL (
    SELECT c.name, coalesce(c.email, c.phone) AS detail, c.url FROM cw_contacts c
    WHERE c.id = s.contact_id AND c.deleted_at IS NULL
    UNION ALL SELECT a.name, a.domain, NULL FROM crm_accounts a WHERE a.id = s.account_id AND a.deleted_at IS NULL
    UNION ALL SELECT j.name, NULL, NULL FROM projects j WHERE j.id = s.project_id AND s.kind = 'project_company'
) l
CROSS JOIN LATERAL (
    SELECT p.name, coalesce(p.emails[1], p.phones[1]) AS detail, p.url FROM attio_people p
    WHERE p.id = s.person_id AND p.deleted_at IS NULL
    UNION ALL SELECT m.name, m.domains[1], m.url FROM attio_companies m
    WHERE m.id = s.company_id AND m.deleted_at IS NULL
) r
"""
_VISIBLE = "s.account_scope_id = :scope AND {project} AND s.other_project_id = ANY(:projects)"
_NAMED = """s.kind, s.left_id, s.project_id, coalesce(l.name, '') AS left_name, coalesce(l.detail, '') AS left_detail,
       coalesce(l.url, '') AS left_url, s.right_id, s.other_project_id, r.name AS right_name,
       coalesce(r.detail, '') AS right_detail, coalesce(r.url, '') AS right_url"""
_SUGGESTIONS = f"""
SELECT s.id, s.confidence, s.features, s.status, s.decided_by, s.decided_at, s.created_at, s.updated_at, {_NAMED}
FROM identity_suggestions s {_RECORDS} WHERE {_VISIBLE} {{where}}
"""
_LINKS = f"""
SELECT s.id, s.suggestion_id, g.confidence, g.features, s.created_by, s.created_at, {_NAMED}
FROM identity_links s JOIN identity_suggestions g ON g.id = s.suggestion_id {_RECORDS} WHERE {_VISIBLE} {{where}}
"""
_HOLD = tuple(
    text(
        f"SELECT r.id FROM {table} r JOIN identity_suggestions s ON s.{column} = r.id"
        " WHERE s.account_scope_id = :scope AND s.id = ANY(:ids) ORDER BY r.id FOR KEY SHARE OF r"
    )
    for column, table in (
        ("contact_id", "cw_contacts"),
        ("account_id", "crm_accounts"),
        ("person_id", "attio_people"),
        ("company_id", "attio_companies"),
    )
)
# The orders of the lists: what is sorted by, and the type of its values.
SORTS: Mapping[str, tuple[str, ValueKind]] = {
    "confidence": ("confidence", "number"),
    "created_at": ("created_at", "time"),
}


# The kinds of the records of a pair, left and right.
_SIDES: Mapping[str, tuple[RecordKind, RecordKind]] = {
    "contact_person": ("contact", "person"),
    "contact_company": ("contact", "company"),
    "project_company": ("project", "company"),
    "account_company": ("account", "company"),
}


@dataclass(frozen=True, slots=True)
class SideFacts:
    """One record of a pair; `detail` is its address, number or domain, `url` opens it at the vendor."""

    kind: RecordKind
    id: UUID
    project_id: UUID
    name: str
    detail: str
    url: str


@dataclass(frozen=True, slots=True)
class FeatureFacts:
    """A feature that fired, its weight 0..1, and what is written on either side."""

    code: str
    weight: float
    left: str
    right: str


@dataclass(frozen=True, slots=True)
class SuggestionFacts:
    """A suggested pair with its confidence 0..1, why, and what was decided."""

    id: UUID
    kind: PairKind
    status: PairStatus
    confidence: float
    left: SideFacts
    right: SideFacts
    features: tuple[FeatureFacts, ...]
    decided_by: str | None
    decided_at: dt.datetime | None
    created_at: dt.datetime
    updated_at: dt.datetime


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """An accepted pair: who accepted it and when, and what spoke for it then."""

    id: UUID
    suggestion_id: UUID
    kind: PairKind
    confidence: float
    left: SideFacts
    right: SideFacts
    features: tuple[FeatureFacts, ...]
    created_by: str
    created_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list is narrowed to; None leaves it as it is. `record_id` is one of the pair's two records."""

    status: str | None = None
    kind: str | None = None
    min_confidence: float | None = None
    record_id: UUID | None = None


def page_of_suggestions(
    session: Session, scope: Scope, wanted: Wanted, *, sort: str, cursor: str | None, limit: int
) -> tuple[list[SuggestionFacts], str | None]:
    """Suggestions in the named order and the cursor of those after them. Raises InvalidInput for an unknown one."""
    rows, after = _page(session, _SUGGESTIONS, scope, wanted, sort, cursor, limit)
    return [_suggestion(row) for row in rows], after


def page_of_links(
    session: Session, scope: Scope, wanted: Wanted, *, sort: str, cursor: str | None, limit: int
) -> tuple[list[LinkFacts], str | None]:
    """Links in the named order and the cursor of those after them. Raises InvalidInput for an unknown one."""
    rows, after = _page(session, _LINKS, scope, wanted, sort, cursor, limit)
    return [_link(row) for row in rows], after


def suggestions_by_id(session: Session, scope: Scope, ids: Collection[UUID]) -> list[SuggestionFacts]:
    """Those of the suggestions that are visible, by id."""
    rows = _by_id(session, _SUGGESTIONS, scope, ids)
    return [_suggestion(row) for row in rows]


def links_by_id(session: Session, scope: Scope, ids: Collection[UUID]) -> list[LinkFacts]:
    """Those of the links that are visible, by id."""
    return [_link(row) for row in _by_id(session, _LINKS, scope, ids)]


def hold_records(session: Session, scope: Scope, ids: Collection[UUID]) -> None:
    """Keep the records of these suggestions in their projects until the transaction ends.

    To be called before the suggestions are locked: whoever moves a record locks it first and its pairs after it.
    """
    for statement in _HOLD:
        session.execute(statement, {"scope": scope.account_scope_id, "ids": list(ids)})


def suggestions_of_links(session: Session, scope: Scope, ids: Collection[UUID]) -> list[UUID]:
    """The ids of the suggestions that these links of the scope came from."""
    links = select(IdentityLink.suggestion_id).where(
        *_inside(IdentityLink, scope), col(IdentityLink.id).in_(ids)
    )
    return list(session.exec(links))


def lock_suggestions(session: Session, scope: Scope, ids: Collection[UUID]) -> list[IdentitySuggestion]:
    """The suggestions inside the scope, whatever became of their records, locked until the transaction ends; by id."""
    return list(
        session.exec(
            select(IdentitySuggestion)
            .where(*_inside(IdentitySuggestion, scope), col(IdentitySuggestion.id).in_(ids))
            .order_by(col(IdentitySuggestion.id))
            .with_for_update()
        )
    )


def lock_links(session: Session, scope: Scope, ids: Collection[UUID]) -> list[IdentityLink]:
    """The links inside the scope, whatever became of their records, locked until the transaction ends; by id."""
    return list(
        session.exec(
            select(IdentityLink)
            .where(*_inside(IdentityLink, scope), col(IdentityLink.id).in_(ids))
            .order_by(col(IdentityLink.id))
            .with_for_update()
        )
    )


def _inside(table: type[Any], scope: Scope) -> tuple[Any, ...]:
    return (
        col(table.account_scope_id) == scope.account_scope_id,
        col(table.project_id).in_(scope.project_ids),
        col(table.other_project_id).in_(scope.project_ids),
    )


def _page(
    session: Session, listed: str, scope: Scope, wanted: Wanted, sort: str, cursor: str | None, limit: int
) -> tuple[Sequence[Row[Any]], str | None]:
    found = SORTS.get(sort.removeprefix("-"))
    # A link is sorted by when it was made; the confidence is its suggestion's.
    if found is None or (listed == _LINKS and found[0] == "confidence"):
        raise InvalidInput("The list cannot be sorted like that.", code="invalid_sort")
    column, kind = found
    down = sort.startswith("-")
    bound = {**_scope(scope), "limit": limit + 1}
    where = _narrowed(wanted, bound)
    if cursor is not None:
        value, last_id = read_cursor(cursor, sort, kind)
        where += f" AND (s.{column}, s.id) {'<' if down else '>'} (:value, :last_id)"
        bound |= {"value": value, "last_id": last_id}
    direction = "DESC" if down else "ASC"
    order = f" ORDER BY s.{column} {direction}, s.id {direction} LIMIT :limit"
    statement = listed.format(project=_project(scope), where=where) + order
    rows = session.execute(_text(statement), bound).all()
    shown = rows[:limit]
    if len(rows) <= limit:
        return shown, None
    return shown, write_cursor(sort, getattr(shown[-1], column), shown[-1].id)


def _by_id(session: Session, listed: str, scope: Scope, ids: Collection[UUID]) -> Sequence[Row[Any]]:
    statement = listed.format(project=_project(scope), where="AND s.id = ANY(:ids) ORDER BY s.id")
    return session.execute(_text(statement), {**_scope(scope), "ids": list(ids)}).all()


def _narrowed(wanted: Wanted, bound: dict[str, Any]) -> str:
    conditions = {
        "status": "s.status = :status",
        "kind": "s.kind = :kind",
        "min_confidence": "s.confidence >= :min_confidence",
        "record_id": ":record_id IN (s.left_id, s.right_id)",
    }
    where = ""
    for name, condition in conditions.items():
        value = getattr(wanted, name)
        if value is not None:
            where += f" AND {condition}"
            bound[name] = Decimal(str(value)) if name == "min_confidence" else value
    return where


def _project(scope: Scope) -> str:
    # One project by equality: its suggestions come out of an index in their order.
    return "s.project_id = :project" if len(scope.project_ids) == 1 else "s.project_id = ANY(:projects)"


def _scope(scope: Scope) -> dict[str, Any]:
    bound: dict[str, Any] = {"scope": scope.account_scope_id, "projects": list(scope.project_ids)}
    if len(scope.project_ids) == 1:
        bound["project"] = scope.project_ids[0]
    return bound


def _suggestion(row: Row[Any]) -> SuggestionFacts:
    pair_id, confidence, features, status, decided_by, decided_at, created_at, updated_at, kind, *named = (
        tuple(row)
    )
    left, right = _sides(kind, *named)
    return SuggestionFacts(
        pair_id,
        kind,
        status,
        float(confidence),
        left,
        right,
        _features(features),
        decided_by,
        decided_at,
        created_at,
        updated_at,
    )


def _link(row: Row[Any]) -> LinkFacts:
    link_id, suggestion_id, confidence, features, created_by, created_at, kind, *named = tuple(row)
    left, right = _sides(kind, *named)
    return LinkFacts(
        link_id,
        suggestion_id,
        kind,
        float(confidence),
        left,
        right,
        _features(features),
        created_by,
        created_at,
    )


def _sides(kind: str, *named: Any) -> tuple[SideFacts, SideFacts]:
    left, right = _SIDES[kind]
    return SideFacts(left, *named[:5]), SideFacts(right, *named[5:])


def _features(stored: Sequence[Mapping[str, Any]]) -> tuple[FeatureFacts, ...]:
    return tuple(FeatureFacts(each["code"], each["weight"], each["left"], each["right"]) for each in stored)


@lru_cache(maxsize=256)
def _text(statement: str) -> TextClause:
    """A statement as SQLAlchemy wants it, made once: there are as many as combinations of filters and orders."""
    return text(statement)
