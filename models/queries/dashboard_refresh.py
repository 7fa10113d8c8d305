"""Refreshing the materialized views of the dashboard: one at a time, and not twice for the same rows."""

from __future__ import annotations

from sqlalchemy import text
from sqlmodel import Session

VIEWS = ("mv_portfolio_dashboard", "mv_waiting_conversations")
_LOCK = 7_241_012  # any constant of ours; only its uniqueness inside the database matters
_WAIT_MS, _STATEMENT_MS = 60_000, 120_000


def refresh_views(session: Session) -> bool:
    """Compute the views anew; False when another transaction did so, begun after this call: it saw what we did.

    Waits for a refresh that is under way. Readers are not blocked, except by the very first one.
    """
    session.execute(text(f"SET LOCAL lock_timeout = {_WAIT_MS}"))
    session.execute(text(f"SET LOCAL statement_timeout = {_STATEMENT_MS}"))
    # The server's clock, as the other side's beginning is read from it too.
    arrived = session.execute(text("SELECT clock_timestamp()")).scalar_one()
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    populated = session.execute(
        text("SELECT bool_and(relispopulated) FROM pg_class WHERE oid::regclass::text = ANY(:names)"),
        {"names": list(VIEWS)},
    ).scalar()
    if populated:
        begun = session.execute(
            text("SELECT max(latest) FROM mv_portfolio_dashboard WHERE code = 'computed'")
        ).scalar()
        if begun is not None and begun > arrived:
            return False
    how = "CONCURRENTLY" if populated else ""
    for name in VIEWS:
        session.execute(text(f"REFRESH MATERIALIZED VIEW {how} {name}"))
    return True
