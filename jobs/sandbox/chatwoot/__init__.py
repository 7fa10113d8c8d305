"""A faithful local Chatwoot: REST v1 of one or more accounts, as far as a reader of it can tell."""
