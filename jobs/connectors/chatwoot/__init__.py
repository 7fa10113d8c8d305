"""The Chatwoot connector: `client` speaks HTTP, `normalize` is pure."""
