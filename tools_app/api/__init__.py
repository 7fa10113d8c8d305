"""The HTTP API under /api, with /health and /metrics beside it: thin endpoints over tools_app.services."""
