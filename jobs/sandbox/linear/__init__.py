"""A faithful local Linear: one GraphQL endpoint over workspaces chosen by API key."""
