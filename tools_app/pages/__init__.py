"""The pages: one module a route, its State beside it."""
