"""Adapters to the vendors: each fetches pages over HTTP and normalises them; none knows the database or another vendor."""
