"""Our part of Linear's schema says nothing the published schema does not say."""

import os
from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    build_schema,
)

from jobs.sandbox.linear.execution import SCHEMA_PATH

PUBLISHED = Path(__file__).resolve().parents[4] / "shared" / "specs" / "linear.schema.graphql"


@pytest.fixture(scope="module")
def published() -> GraphQLSchema:
    if not PUBLISHED.exists():
        if os.environ.get("CI"):
            pytest.fail(f"in CI the published schema must be at {PUBLISHED}")
        pytest.skip("the published Linear schema is not beside this repository")
    return build_schema(PUBLISHED.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def ours() -> GraphQLSchema:
    return build_schema(SCHEMA_PATH.read_text(encoding="utf-8"))


def test_every_type_field_and_argument_is_the_published_one(
    ours: GraphQLSchema, published: GraphQLSchema
) -> None:
    wrong: list[str] = []
    for name, kind in ours.type_map.items():
        if name.startswith("__"):
            continue
        theirs = published.type_map.get(name)
        if type(theirs) is not type(kind):
            wrong.append(f"{name}: {type(theirs).__name__} published")
        elif isinstance(kind, GraphQLEnumType) and isinstance(theirs, GraphQLEnumType):
            wrong += [f"{name}.{value}" for value in kind.values if value not in theirs.values]
        elif isinstance(kind, GraphQLInputObjectType) and isinstance(theirs, GraphQLInputObjectType):
            wrong += [
                f"{name}.{key}: {field.type}"
                for key, field in kind.fields.items()
                if key not in theirs.fields or str(theirs.fields[key].type) != str(field.type)
            ]
        elif isinstance(kind, GraphQLObjectType) and isinstance(theirs, GraphQLObjectType):
            wrong += _differences(name, kind, theirs)
        else:
            assert isinstance(kind, GraphQLScalarType | GraphQLInterfaceType), name
    assert wrong == []


def test_no_required_input_of_the_published_schema_is_left_out(
    ours: GraphQLSchema, published: GraphQLSchema
) -> None:
    query, theirs = ours.query_type, published.query_type
    assert query is not None
    assert theirs is not None
    for name, field in query.fields.items():
        required = {key for key, arg in theirs.fields[name].args.items() if str(arg.type).endswith("!")}
        assert required <= set(field.args)


def _differences(name: str, kind: GraphQLObjectType, theirs: GraphQLObjectType) -> list[str]:
    found: list[str] = []
    for key, field in kind.fields.items():
        published = theirs.fields.get(key)
        if published is None or str(published.type) != str(field.type):
            found.append(f"{name}.{key}: {field.type}")
            continue
        found += [
            f"{name}.{key}({argument}: {arg.type})"
            for argument, arg in field.args.items()
            if argument not in published.args or str(published.args[argument].type) != str(arg.type)
        ]
    return found
