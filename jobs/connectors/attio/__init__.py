"""The Attio connector: `client` speaks HTTP, `normalize` is pure."""
