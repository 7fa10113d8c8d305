"""SQL, one module a domain: plain functions, session first, scope second. They may flush, never commit."""
