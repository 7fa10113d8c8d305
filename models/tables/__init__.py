"""SQLModel tables, one module a domain. Importing the package registers them all with the metadata."""

from models.tables import (
    access,
    agreements,
    attio,
    chatwoot,
    crm,
    graph,
    identity,
    linear,
    outbound,
    platform,
    reliability,
    retrieval,
    signals,
)

__all__ = [
    "access",
    "agreements",
    "attio",
    "chatwoot",
    "crm",
    "graph",
    "identity",
    "linear",
    "outbound",
    "platform",
    "reliability",
    "retrieval",
    "signals",
]
