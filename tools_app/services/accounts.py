"""Accounts and their contacts: read, add, change.

A mirrored account's name and domain and a mirrored contact's every field belong to the vendor; an account's notes are ours.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlmodel import Session

from models.infra.clock import utcnow
from models.infra.database import reading, transaction
from models.infra.errors import NotFound
from models.infra.scope import Scope
from models.queries import accounts as queries
from models.tables.crm import Account, AccountContact
from tools_app.services.changes import audit, differing, refuse_mirrored, require_version, write
from tools_app.services.crm_views import AccountView, ContactView
from tools_app.services.idempotency import Made, OnceKey, make_once
from tools_app.services.views import SessionView

# What may be changed of a mirrored account.
OURS = frozenset({"notes"})


def list_accounts(
    scope: Scope,
    *,
    search: str | None,
    is_mirrored: bool | None,
    sort: str,
    cursor: str | None,
    limit: int,
) -> tuple[list[AccountView], str | None]:
    """A page of accounts and the next cursor. Raises InvalidInput for an unknown sort or cursor."""
    with reading() as db:
        rows, after = queries.page_of_accounts(
            db, scope, search=search, is_mirrored=is_mirrored, sort=sort, cursor=cursor, limit=limit
        )
        return [_account(row) for row in rows], after


def get_account(scope: Scope, account_id: UUID) -> AccountView:
    """One account. Raises NotFound."""
    with reading() as db:
        return _read(db, scope, account_id)


def create_account(
    session: SessionView, scope: Scope, values: Mapping[str, Any], once: OnceKey | None
) -> Made[AccountView]:
    """Add an account to the scope's one project."""

    def work(db: Session) -> AccountView:
        row = Account(
            account_scope_id=scope.account_scope_id,
            project_id=scope.project_ids[0],
            created_at=utcnow(),
            updated_at=utcnow(),
            **values,
        )
        db.add(row)
        db.flush()
        audit(db, session, row, "account.create", after=values)
        return _read(db, scope, row.id)

    return make_once(session, once, AccountView, work)


def change_account(
    session: SessionView, scope: Scope, account_id: UUID, version: int, wanted: Mapping[str, Any]
) -> AccountView:
    """Change fields of an account. Raises NotFound, and Conflict for another version or a field of the vendor's."""
    with transaction() as db:
        row = queries.lock_account(db, scope, account_id)
        if row is None:
            raise NotFound("There is no such account.")
        require_version(row, version)
        refuse_mirrored(row, wanted, OURS)
        write(db, session, row, "account.change", differing(row, wanted))
        return _read(db, scope, account_id)


def list_contacts(
    scope: Scope, account_id: UUID, *, cursor: str | None, limit: int
) -> tuple[list[ContactView], str | None]:
    """A page of an account's contacts and the next cursor. Raises NotFound for an unknown account."""
    with reading() as db:
        _read(db, scope, account_id)
        rows, after = queries.page_of_contacts(db, scope, account_id, cursor=cursor, limit=limit)
        return [_contact(row) for row in rows], after


def create_contact(
    session: SessionView, scope: Scope, account_id: UUID, values: Mapping[str, Any], once: OnceKey | None
) -> Made[ContactView]:
    """Add a contact to an account, mirrored or not. Raises NotFound for an unknown account."""

    def work(db: Session) -> ContactView:
        account = queries.lock_account(db, scope, account_id)
        if account is None:
            raise NotFound("There is no such account.")
        row = AccountContact(
            account_scope_id=account.account_scope_id,
            project_id=account.project_id,
            account_id=account_id,
            **values,
        )
        db.add(row)
        db.flush()
        audit(db, session, row, "contact.create", after={**values, "account_id": account_id})
        return _read_contact(db, scope, row.id)

    return make_once(session, once, ContactView, work)


def change_contact(
    session: SessionView, scope: Scope, contact_id: UUID, version: int, wanted: Mapping[str, Any]
) -> ContactView:
    """Change fields of a contact. Raises NotFound, and Conflict for another version or a mirrored contact."""
    with transaction() as db:
        row = queries.lock_contact(db, scope, contact_id)
        if row is None:
            raise NotFound("There is no such contact.")
        require_version(row, version)
        refuse_mirrored(row, wanted, ())
        write(db, session, row, "contact.change", differing(row, wanted))
        return _read_contact(db, scope, contact_id)


def _read(db: Session, scope: Scope, account_id: UUID) -> AccountView:
    row = queries.find_account(db, scope, account_id)
    if row is None:
        raise NotFound("There is no such account.")
    return _account(row)


def _read_contact(db: Session, scope: Scope, contact_id: UUID) -> ContactView:
    row = queries.find_contact(db, scope, contact_id)
    if row is None:
        raise NotFound("There is no such contact.")
    return _contact(row)


def _account(row: Any) -> AccountView:
    account: Account = row[0]
    return AccountView(
        id=account.id,
        project_id=account.project_id,
        name=account.name,
        domain=account.domain,
        notes=account.notes,
        is_mirrored=account.connection_id is not None,
        vendor_url=row[1],
        contacts=row.contacts,
        open_opportunities=row.open_opportunities,
        version=account.version,
        created_at=account.created_at,
        updated_at=account.updated_at,
    )


def _contact(row: Any) -> ContactView:
    contact: AccountContact = row[0]
    return ContactView(
        id=contact.id,
        project_id=contact.project_id,
        account_id=contact.account_id,
        name=contact.name,
        email=contact.email,
        phone=contact.phone,
        role=contact.role,
        is_mirrored=contact.connection_id is not None,
        vendor_url=row[1],
        version=contact.version,
    )
