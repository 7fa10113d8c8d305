"""Which client serves which connector. The only place that knows all three."""

from __future__ import annotations

from jobs.connectors.attio.client import AttioClient
from jobs.connectors.base import Connector
from jobs.connectors.chatwoot.client import ChatwootClient
from jobs.connectors.linear.client import LinearClient


def open_connector(
    name: str, *, base_url: str, external_account: str, token: str, timeout_s: float
) -> Connector:
    """Return a client for a vendor account. Raises ValueError for an unknown connector name."""
    base_url = base_url.rstrip("/")
    if name == "chatwoot":
        return ChatwootClient(base_url, external_account, token, timeout_s=timeout_s)
    if name == "linear":
        return LinearClient(base_url, token, timeout_s=timeout_s)
    if name == "attio":
        return AttioClient(base_url, token, timeout_s=timeout_s)
    raise ValueError(f"unknown connector {name!r}")
