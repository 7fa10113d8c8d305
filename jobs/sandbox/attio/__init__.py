"""A faithful local Attio: REST v2 of workspaces chosen by access token."""
