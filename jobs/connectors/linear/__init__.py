"""The Linear connector: `client` speaks HTTP, `normalize` is pure."""
