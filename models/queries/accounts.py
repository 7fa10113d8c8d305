"""Accounts and their contacts: lists, single rows to read, single rows to change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, or_
from sqlmodel import Session, col, select

from models.infra.scope import Scope
from models.queries.keyset import keyset_page, sort_keys
from models.tables.attio import Company, Person
from models.tables.crm import Account, AccountContact, Opportunity
from models.tables.crm_stages import OPEN_STAGES

ACCOUNT_SORTS = sort_keys(
    {
        "name": (func.lower(Account.name), "text"),
        "created_at": (col(Account.created_at), "time"),
        "updated_at": (col(Account.updated_at), "time"),
    }
)
_CONTACT_SORTS = sort_keys({"name": (func.lower(AccountContact.name), "text")})


def page_of_accounts(
    session: Session,
    scope: Scope,
    *,
    search: str | None,
    is_mirrored: bool | None,
    sort: str,
    cursor: str | None,
    limit: int,
) -> tuple[Sequence[Row[Any]], str | None]:
    """Live accounts: rows of (Account, vendor's url, contacts, open opportunities), and the next cursor."""
    statement = _accounts(scope)
    if search:
        wanted = f"%{escape_like(search)}%"
        statement = statement.where(or_(col(Account.name).ilike(wanted), col(Account.domain).ilike(wanted)))
    if is_mirrored is not None:
        statement = statement.where(col(Account.connection_id).is_not(None) == is_mirrored)
    return keyset_page(session, statement, ACCOUNT_SORTS, sort, col(Account.id), cursor=cursor, limit=limit)


def find_account(session: Session, scope: Scope, account_id: UUID) -> Row[Any] | None:
    """One live account, as `page_of_accounts` lists it."""
    return session.execute(_accounts(scope).where(col(Account.id) == account_id)).one_or_none()


def lock_account(session: Session, scope: Scope, account_id: UUID) -> Account | None:
    """The live account, locked until the transaction ends."""
    return session.exec(
        select(Account)
        .where(*within(Account, scope), col(Account.id) == account_id, col(Account.deleted_at).is_(None))
        .with_for_update()
    ).one_or_none()


def page_of_contacts(
    session: Session, scope: Scope, account_id: UUID, *, cursor: str | None, limit: int
) -> tuple[Sequence[Row[Any]], str | None]:
    """An account's live contacts by name: rows of (AccountContact, vendor's url), and the next cursor."""
    statement = _contacts(scope).where(col(AccountContact.account_id) == account_id)
    return keyset_page(
        session, statement, _CONTACT_SORTS, "name", col(AccountContact.id), cursor=cursor, limit=limit
    )


def find_contact(session: Session, scope: Scope, contact_id: UUID) -> Row[Any] | None:
    """One live contact, as `page_of_contacts` lists it."""
    return session.execute(_contacts(scope).where(col(AccountContact.id) == contact_id)).one_or_none()


def lock_contact(session: Session, scope: Scope, contact_id: UUID) -> AccountContact | None:
    """The live contact, locked until the transaction ends."""
    return session.exec(
        select(AccountContact)
        .where(
            *within(AccountContact, scope),
            col(AccountContact.id) == contact_id,
            col(AccountContact.deleted_at).is_(None),
        )
        .with_for_update()
    ).one_or_none()


def apply(session: Session, row: Any, changes: Mapping[str, Any]) -> None:
    """Write changed values into a row of one of the versioned tables and count its version up."""
    for name, value in changes.items():
        setattr(row, name, value)
    row.version += 1
    session.add(row)
    session.flush()


def within(table: Any, scope: Scope) -> tuple[Any, ...]:
    """The conditions that a row of a business table lies in the scope."""
    return (
        table.account_scope_id == scope.account_scope_id,
        table.project_id.in_(scope.project_ids),
    )


def escape_like(words: str) -> str:
    """The words as a LIKE pattern that means just them."""
    return words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _accounts(scope: Scope) -> Any:
    contacts = (
        select(func.count())
        .where(
            col(AccountContact.account_id) == col(Account.id),
            col(AccountContact.project_id) == col(Account.project_id),
            col(AccountContact.deleted_at).is_(None),
        )
        .scalar_subquery()
    )
    opportunities = (
        select(func.count())
        .where(
            col(Opportunity.account_id) == col(Account.id),
            col(Opportunity.stage).in_(OPEN_STAGES),
            col(Opportunity.deleted_at).is_(None),
        )
        .scalar_subquery()
    )
    return (
        select(Account, Company.url, contacts.label("contacts"), opportunities.label("open_opportunities"))
        .outerjoin(Company, col(Company.id) == col(Account.attio_company_id))
        .where(*within(Account, scope), col(Account.deleted_at).is_(None))
    )


def _contacts(scope: Scope) -> Any:
    return (
        select(AccountContact, Person.url)
        .outerjoin(Person, col(Person.id) == col(AccountContact.attio_person_id))
        .where(*within(AccountContact, scope), col(AccountContact.deleted_at).is_(None))
    )
