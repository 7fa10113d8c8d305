"""SQLModel tables, one module a domain. Importing the package registers them all with the metadata."""

from models.tables import (
    access,
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
)

__all__ = [
    "access",
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
]
