"""Runs GraphQL documents over a workspace: resolvers, connections, cursors."""

import base64
import binascii
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLFormattedError,
    GraphQLResolveInfo,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLSyntaxError,
    build_schema,
    execute_sync,
    parse,
    validate,
)

from jobs.sandbox.linear.complexity import DEFAULT_PAGE
from jobs.sandbox.linear.filters import FilterError, matches
from jobs.sandbox.linear.workspace import Record, Workspace

SCHEMA_PATH: Final = Path(__file__).with_name("schema.graphql")
# Linear: pages hold 50 rows unless told otherwise and at most 250.
MAX_PAGE: Final = 250
_DOCUMENTS_KEPT: Final = 256


def invalid_input(message: str) -> GraphQLError:
    """An error as Linear words a wrong argument."""
    return GraphQLError(
        message,
        extensions={"type": "invalid input", "userError": True, "userPresentableMessage": message},
    )


@dataclass(slots=True)
class Context:
    """What resolvers need: the workspace, the time, the caller's quota and the fault to play."""

    workspace: Workspace
    now: datetime
    rate_limit_status: Callable[[], Record]
    stuck_cursor: bool = False
    sorted_rows: dict[tuple[str, str], list[Record]] = field(
        default_factory=dict[tuple[str, str], list[Record]]
    )


class Executor:
    """The schema with a small cache of parsed and validated documents."""

    def __init__(self) -> None:
        self.schema = _schema()
        self._documents: OrderedDict[str, DocumentNode | list[GraphQLFormattedError]] = OrderedDict()

    def document(self, query: str) -> DocumentNode | list[GraphQLFormattedError]:
        """The parsed document, or the errors that Linear would answer with 400."""
        known = self._documents.get(query)
        if known is not None:
            self._documents.move_to_end(query)
            return known
        try:
            document = parse(query)
            errors = validate(self.schema, document)
        except GraphQLSyntaxError as error:
            document, errors = None, [error]
        found = [_as_graphql_error(e) for e in errors] if errors or document is None else document
        self._documents[query] = found
        if len(self._documents) > _DOCUMENTS_KEPT:
            self._documents.popitem(last=False)
        return found

    def run(
        self, document: DocumentNode, variables: Mapping[str, Any], operation: str | None, context: Context
    ) -> ExecutionResult:
        """Execute a document; errors are part of the result."""
        return execute_sync(
            self.schema,
            document,
            context_value=context,
            variable_values=dict(variables),
            operation_name=operation,
            field_resolver=_resolve,
        )


def _as_graphql_error(error: GraphQLError) -> GraphQLFormattedError:
    formatted = error.formatted
    formatted["extensions"] = {
        "type": "graphql error",
        "code": "GRAPHQL_VALIDATION_FAILED",
        "userError": True,
        "userPresentableMessage": error.message,
    }
    return formatted


def iso(at: datetime) -> str:
    """Linear: ISO 8601 in UTC with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _serialize_instant(value: Any) -> str:
    return iso(value) if isinstance(value, datetime) else str(value)


def _serialize_day(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


@cache
def _schema() -> GraphQLSchema:
    schema = build_schema(SCHEMA_PATH.read_text(encoding="utf-8"))
    instant = cast("GraphQLScalarType", schema.type_map["DateTime"])
    instant.serialize = _serialize_instant  # type: ignore[method-assign]
    instant.coerce_output_value = _serialize_instant  # type: ignore[method-assign]
    day = cast("GraphQLScalarType", schema.type_map["TimelessDate"])
    day.serialize = _serialize_day  # type: ignore[method-assign]
    day.coerce_output_value = _serialize_day  # type: ignore[method-assign]
    return schema


# How a list field finds its rows; everything else is a plain value of the record.
_ROWS: Final[dict[tuple[str, str], Callable[[Workspace, Record], Iterable[Record]]]] = {
    ("Query", "issues"): lambda w, _: w.tables["issues"].values(),
    ("Query", "comments"): lambda w, _: w.tables["comments"].values(),
    ("Query", "projects"): lambda w, _: w.tables["projects"].values(),
    ("Query", "teams"): lambda w, _: w.tables["teams"].values(),
    ("Query", "users"): lambda w, _: w.tables["users"].values(),
    ("Query", "workflowStates"): lambda w, _: w.tables["states"].values(),
    ("Query", "cycles"): lambda w, _: w.tables["cycles"].values(),
    ("Query", "issueLabels"): lambda w, _: w.tables["labels"].values(),
    ("Query", "issueRelations"): lambda w, _: w.tables["relations"].values(),
    ("Team", "issues"): lambda w, t: (i for i in w.tables["issues"].values() if i["team"] is t),
    ("Team", "states"): lambda w, t: (s for s in w.tables["states"].values() if s["team"] is t),
    ("Team", "cycles"): lambda w, t: (c for c in w.tables["cycles"].values() if c["team"] is t),
    ("Team", "projects"): lambda w, t: (p for p in w.tables["projects"].values() if t in p["teams"]),
    ("Team", "labels"): lambda w, _: w.tables["labels"].values(),
    ("Project", "issues"): lambda w, p: (i for i in w.tables["issues"].values() if i.get("project") is p),
    ("Cycle", "issues"): lambda w, c: (i for i in w.tables["issues"].values() if i.get("cycle") is c),
}

_SINGLE: Final = {
    "comment": "comments",
    "project": "projects",
    "team": "teams",
    "user": "users",
    "workflowState": "states",
    "cycle": "cycles",
    "issueLabel": "labels",
    "issueRelation": "relations",
}


def _progress(issues: Iterable[Record]) -> float:
    kinds = [issue["state"]["type"] for issue in issues if issue["state"]["type"] != "canceled"]
    return round(kinds.count("completed") / len(kinds), 4) if kinds else 0.0


_COMPUTED: Final[dict[tuple[str, str], Callable[[Context, Record], Any]]] = {
    ("Project", "progress"): lambda c, p: _progress(_ROWS["Project", "issues"](c.workspace, p)),
    ("Cycle", "progress"): lambda c, y: _progress(_ROWS["Cycle", "issues"](c.workspace, y)),
    ("Cycle", "isActive"): lambda c, y: y["startsAt"] <= c.now < y["endsAt"],
    ("Cycle", "isFuture"): lambda c, y: y["startsAt"] > c.now,
    ("Cycle", "isPast"): lambda c, y: y["endsAt"] <= c.now,
    ("Team", "issueCount"): lambda c, t: sum(1 for _ in _ROWS["Team", "issues"](c.workspace, t)),
    ("Team", "activeCycle"): lambda c, t: next(
        (
            y
            for y in c.workspace.tables["cycles"].values()
            if y["team"] is t and y["startsAt"] <= c.now < y["endsAt"]
        ),
        None,
    ),
    ("User", "isMe"): lambda c, u: u is c.workspace.viewer,
    ("Organization", "userCount"): lambda c, _: len(c.workspace.tables["users"]),
    ("Organization", "createdIssueCount"): lambda c, _: len(c.workspace.tables["issues"]),
    ("Query", "viewer"): lambda c, _: c.workspace.viewer,
    ("Query", "organization"): lambda c, _: c.workspace.organization,
    ("Query", "rateLimitStatus"): lambda c, _: c.rate_limit_status(),
}


def _resolve(source: Any, info: "GraphQLResolveInfo[Any]", **arguments: Any) -> Any:
    context: Context = info.context
    place = (info.parent_type.name, info.field_name)
    record: Record = source if source is not None else {}
    computed = _COMPUTED.get(place)
    if computed is not None:
        return computed(context, record)
    if place[0] == "Query" and (info.field_name == "issue" or info.field_name in _SINGLE):
        return _by_id(context, info.field_name, str(arguments.get("id") or ""))
    if str(info.return_type).rstrip("!").endswith("Connection"):
        rows = _ROWS.get(place)
        found = rows(context.workspace, record) if rows else record.get(info.field_name, ())
        return _connection(context, found, arguments)
    return record.get(info.field_name)


def _by_id(context: Context, name: str, wanted: str) -> Record:
    workspace = context.workspace
    found = workspace.issue_by(wanted) if name == "issue" else workspace.tables[_SINGLE[name]].get(wanted)
    if found is None:
        raise invalid_input(f"Entity not found: {name[0].upper()}{name[1:]}")
    return found


def _connection(context: Context, rows: Iterable[Record], arguments: Mapping[str, Any]) -> Record:
    order = arguments.get("orderBy") or "createdAt"
    kept = [row for row in rows if arguments.get("includeArchived") or row.get("archivedAt") is None]
    condition = arguments.get("filter")
    if condition:
        try:
            kept = [row for row in kept if matches(row, condition, context.now)]
        except FilterError as error:
            raise invalid_input(str(error)) from error
    # Linear: newest first, by creation unless updatedAt is asked for.
    kept.sort(key=lambda row: (row[order], row["id"]), reverse=True)
    return _window(context, kept, order, arguments)


def _window(context: Context, rows: list[Record], order: str, arguments: Mapping[str, Any]) -> Record:
    first, last = arguments.get("first"), arguments.get("last")
    size = first if first is not None else last if last is not None else DEFAULT_PAGE
    if not 0 < size <= MAX_PAGE:
        raise invalid_input(f"Argument Validation Error: first must be between 1 and {MAX_PAGE}")
    after = None if context.stuck_cursor else arguments.get("after")
    start, stop = 0, len(rows)
    if after:
        mark = _read_cursor(after)
        start = next((n for n, row in enumerate(rows) if _mark(row, order) < mark), len(rows))
    if arguments.get("before"):
        mark = _read_cursor(arguments["before"])
        stop = next((n for n, row in enumerate(rows) if _mark(row, order) <= mark), len(rows))
    if last is not None and first is None:
        start = max(start, stop - size)
    shown = rows[start:stop][:size]
    cursors = [_cursor(row, order) for row in shown]
    return {
        "nodes": shown,
        "edges": [{"cursor": cursor, "node": row} for cursor, row in zip(cursors, shown, strict=True)],
        "pageInfo": {
            "hasNextPage": start + len(shown) < stop or context.stuck_cursor,
            "hasPreviousPage": start > 0,
            "startCursor": cursors[0] if cursors else None,
            "endCursor": cursors[-1] if cursors else None,
        },
    }


def _mark(row: Record, order: str) -> tuple[str, str]:
    at: datetime = row[order]
    return (at.astimezone(UTC).isoformat(timespec="microseconds"), row["id"])


def _cursor(row: Record, order: str) -> str:
    return base64.urlsafe_b64encode("|".join(_mark(row, order)).encode()).decode()


def _read_cursor(text: str) -> tuple[str, str]:
    try:
        at, _, record_id = base64.urlsafe_b64decode(text.encode()).decode().partition("|")
    except (binascii.Error, UnicodeError) as error:
        raise invalid_input("Argument Validation Error: invalid cursor") from error
    if not record_id:
        raise invalid_input("Argument Validation Error: invalid cursor")
    return at, record_id
