"""Keeps those who write a scope's records apart from those who change where records belong, and from each other.

Writers share a lock for one transaction; a change of routing rules holds it alone, and lets every writer see the new
rules. Advisory locks of the transaction: nothing is left behind by a process that dies.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlmodel import Session

from models.infra.ids import AccountScopeId, ConnectionId

# Moving the records of a big account takes minutes; the server's own limits are made for short statements.
_WAIT = "600s"
_WORK = "900s"
_KEY = "hashtextextended('routing:' || CAST(:scope AS text), 1)"


def share(session: Session, account_scope_id: AccountScopeId) -> None:
    """Have the scope's rules stay as they are until this transaction ends; waits for a change that is under way."""
    scope = {"scope": str(account_scope_id)}
    if session.execute(text(f"SELECT pg_try_advisory_xact_lock_shared({_KEY})"), scope).scalar_one():
        return
    before = session.execute(
        text(
            "SELECT current_setting('lock_timeout') AS lock, current_setting('statement_timeout') AS statement"
        )
    ).one()
    _limit(session, _WAIT, _WAIT)
    session.execute(text(f"SELECT pg_advisory_xact_lock_shared({_KEY})"), scope)
    _limit(session, before.lock, before.statement)


def write_alone(session: Session, connection_id: ConnectionId) -> None:
    """Keep other writers of a connection's records out until this transaction ends, which is soon.

    A sync and a webhook's re-fetch that write the same records in another order would wait for each other for ever.
    """
    key = {"connection": str(connection_id)}
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('writer:' || CAST(:connection AS text), 1))"), key
    )


def hold(session: Session, account_scope_id: AccountScopeId) -> None:
    """Keep every writer of the scope out until this transaction ends, which may take long."""
    _limit(session, _WAIT, _WORK)
    session.execute(text(f"SELECT pg_advisory_xact_lock({_KEY})"), {"scope": str(account_scope_id)})


def _limit(session: Session, lock: str, statement: str) -> None:
    session.execute(
        text(
            "SELECT set_config('lock_timeout', :lock, true), set_config('statement_timeout', :statement, true)"
        ),
        {"lock": lock, "statement": statement},
    )
