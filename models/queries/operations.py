"""Figures of the whole installation for operators. They cross scopes on purpose and contain no business data."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import func
from sqlmodel import Session, col, select

from models.tables.platform import VendorConnection
from models.tables.reliability import ConnectorSyncState


def oldest_success_by_connector(session: Session) -> dict[str, dt.datetime]:
    """For every connector the last success of its most neglected enabled connection; never-synced ones are left out."""
    rows = session.execute(
        select(col(VendorConnection.connector), func.min(col(ConnectorSyncState.last_success_at)))
        .join(ConnectorSyncState, col(ConnectorSyncState.connection_id) == col(VendorConnection.id))
        .where(col(VendorConnection.enabled), col(ConnectorSyncState.last_success_at).is_not(None))
        .group_by(col(VendorConnection.connector))
    )
    return {row[0]: row[1] for row in rows}
