"""Which client serves which connector. The only place that knows all three."""

from __future__ import annotations

import datetime as dt

from jobs.connectors.attio.client import AttioClient
from jobs.connectors.base import Connector, Json
from jobs.connectors.chatwoot.client import ChatwootClient
from jobs.connectors.linear.client import LinearClient


def open_connector(
    name: str,
    *,
    base_url: str,
    external_account: str,
    token: str,
    timeout_s: float,
    parallel: int = 1,
    schema: Json | None = None,
    quiet_until: dt.datetime | None = None,
) -> Connector:
    """Return a client for a vendor account that sends at most ``parallel`` requests at once.

    ``schema`` is what the connection keeps of the account's schema; before ``quiet_until`` nothing is sent. Raises ValueError for an unknown connector name.
    """
    base_url = base_url.rstrip("/")
    if name == "chatwoot":
        return ChatwootClient(
            base_url, external_account, token, timeout_s=timeout_s, parallel=parallel, quiet_until=quiet_until
        )
    if name == "linear":
        return LinearClient(base_url, token, timeout_s=timeout_s, parallel=parallel, quiet_until=quiet_until)
    if name == "attio":
        return AttioClient(
            base_url, token, timeout_s=timeout_s, parallel=parallel, quiet_until=quiet_until, schema=schema
        )
    raise ValueError(f"unknown connector {name!r}")
