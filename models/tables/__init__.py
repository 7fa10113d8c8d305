"""SQLModel tables, one module a domain. Importing the package registers them all with the metadata."""

from models.tables import attio, chatwoot, crm, graph, linear, platform, reliability, retrieval

__all__ = ["attio", "chatwoot", "crm", "graph", "linear", "platform", "reliability", "retrieval"]
