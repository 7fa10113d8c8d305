"""What a query costs at Linear, estimated before it runs.

Linear: a scalar costs 0.1, an object 1, a connection its children times `first` or `last` (50 when
omitted), rounded up; charged on what is asked, not on what exists.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
)

DEFAULT_PAGE: Final = 50
MAXIMUM: Final = 10_000
_SCALAR: Final = 0.1
_OBJECT: Final = 1.0


class Estimator:
    """Prices the operations of one document."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any]) -> None:
        self._schema = schema
        self._variables = variables
        self._fragments = {
            d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)
        }
        self._operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]

    def cost(self, operation_name: str | None) -> int:
        """Points of the chosen operation, rounded up."""
        root = self._schema.query_type
        chosen = [
            o
            for o in self._operations
            if operation_name is None or (o.name and o.name.value == operation_name)
        ]
        if root is None or not chosen:
            return 0
        return math.ceil(round(self._selection(chosen[0].selection_set, root), 6))

    def _selection(self, selection: SelectionSetNode, parent: GraphQLObjectType) -> float:
        total = 0.0
        for node in selection.selections:
            if isinstance(node, FieldNode):
                total += self._field(node, parent)
            elif isinstance(node, FragmentSpreadNode):
                fragment = self._fragments.get(node.name.value)
                if fragment is not None:
                    total += self._selection(fragment.selection_set, parent)
            elif isinstance(node, InlineFragmentNode):
                total += self._selection(node.selection_set, parent)
        return total

    def _field(self, node: FieldNode, parent: GraphQLObjectType) -> float:
        definition = parent.fields.get(node.name.value)
        if definition is None:  # __typename and introspection
            return 0.0
        kind = get_named_type(definition.type)
        if node.selection_set is None or not isinstance(kind, GraphQLObjectType):
            return _SCALAR
        if not kind.name.endswith("Connection"):
            return _OBJECT + self._selection(node.selection_set, kind)
        page_info = sum(
            self._field(child, kind)
            for child in node.selection_set.selections
            if isinstance(child, FieldNode) and child.name.value == "pageInfo"
        )
        children = self._selection(node.selection_set, kind) - page_info
        return page_info + math.ceil(round(children * self._page_size(node), 6))

    def _page_size(self, node: FieldNode) -> int:
        for argument in node.arguments or ():
            if argument.name.value not in ("first", "last"):
                continue
            value = argument.value
            if isinstance(value, IntValueNode):
                return int(value.value)
            if isinstance(value, VariableNode) and isinstance(self._variables.get(value.name.value), int):
                return int(self._variables[value.name.value])
        return DEFAULT_PAGE
