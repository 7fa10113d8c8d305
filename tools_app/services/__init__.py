"""Use cases shared by pages and API: plain functions that return frozen view models."""
