"""Every GraphQL document is valid against the vendor's published schema."""

import os
from functools import cache
from pathlib import Path

import pytest
from graphql import GraphQLSchema, build_schema, parse, validate

from jobs.connectors.linear import documents

PUBLISHED = Path(__file__).resolve().parents[4] / "shared" / "specs" / "linear.schema.graphql"
DOCUMENTS = {
    name: text for name, text in vars(documents).items() if name.isupper() and not name.startswith("_")
}


@cache
def schema() -> GraphQLSchema:
    if not PUBLISHED.exists():
        if os.environ.get("CI"):
            pytest.fail("the published schema must be present in CI")
        pytest.skip("the vendor's published schema is not part of a user's clone")
    return build_schema(PUBLISHED.read_text(), assume_valid=True)


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_document_is_valid(name: str) -> None:
    assert validate(schema(), parse(DOCUMENTS[name])) == []
