"""The Attio server: REST v2 of its workspaces, token by token, and the pages behind `web_url`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from jobs.sandbox.attio.answers import (
    Refused,
    bad_request,
    failure,
    not_found,
    reply,
    throttled,
    unauthorized,
)
from jobs.sandbox.attio.pages import note_page, record_page
from jobs.sandbox.attio.query import BadQuery, score, select
from jobs.sandbox.attio.schema import OBJECTS, STAGES, Attribute, Json
from jobs.sandbox.attio.workspace import Entry, Value, Workspace, nano, value_shape
from jobs.sandbox.serving.gate import fault_of
from jobs.sandbox.serving.quotas import FixedWindow

# Attio: records and entries 500 by default and at most; notes 10 by default, 50 at most; tasks 500.
RECORDS_PAGE: Final = 500
NOTES_PAGE: Final = 10
NOTES_MAX: Final = 50
_SCOPES: Final = (
    "record_permission:read object_configuration:read list_entry:read list_configuration:read note:read "
    "task:read user_management:read"
)


@dataclass(frozen=True, slots=True)
class AttioServer:
    """Workspaces by token; `reads` counts requests a second, `scores` points in ten seconds."""

    tokens: Mapping[str, Workspace]
    now: Callable[[], datetime]
    reads: FixedWindow
    scores: FixedWindow


Handler = Callable[[Request, AttioServer, Workspace], Response]


def attio_app(server: AttioServer, workspaces: Mapping[str, Workspace]) -> Starlette:
    """The ASGI application; `workspaces` by slug serve the record pages."""
    one = "/v2/objects/{object}"
    routes = [
        ("/v2/self", _self, "GET"),
        ("/v2/workspace_members", _members, "GET"),
        ("/v2/objects", _objects, "GET"),
        (one, _object, "GET"),
        (f"{one}/attributes", _attributes, "GET"),
        (f"{one}/attributes/{{attribute}}/options", _options, "GET"),
        (f"{one}/attributes/{{attribute}}/statuses", _statuses, "GET"),
        (f"{one}/records/query", _query, "POST"),
        (f"{one}/records/{{record}}", _record, "GET"),
        (f"{one}/records/{{record}}/attributes/{{attribute}}/values", _values, "GET"),
        (f"{one}/records/{{record}}/entries", _record_entries, "GET"),
        ("/v2/lists", _lists, "GET"),
        ("/v2/lists/{list}", _list, "GET"),
        ("/v2/lists/{list}/attributes", _list_attributes, "GET"),
        ("/v2/lists/{list}/entries/query", _entries, "POST"),
        ("/v2/notes", _notes, "GET"),
        ("/v2/notes/{note}", _note, "GET"),
        ("/v2/tasks", _tasks, "GET"),
    ]

    async def page(request: Request) -> Response:
        workspace = workspaces.get(request.path_params["workspace"])
        asked = request.query_params.get("id", "")
        return record_page(workspace, request.path_params["kind"], request.path_params["record"], asked)

    async def note(request: Request) -> Response:
        return note_page(workspaces.get(request.path_params["workspace"]), request.path_params["note"])

    async def not_routed(_: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return failure(status, "invalid_request_error", "not_found", "Route not found")

    app = Starlette(
        routes=[
            *(Route(path, _guarded(handler, server), methods=[method]) for path, handler, method in routes),
            Route("/{workspace}/notes/{note}", note),
            Route("/{workspace}/{kind}/{record}", page),
            Route("/{workspace}/{kind}/{record}/notes", page),
        ],
        exception_handlers={HTTPException: not_routed},
    )
    app.state.server = server
    return app


def _guarded(handler: Handler, server: AttioServer) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        sent = request.headers.get("authorization", "")
        token = sent[7:] if sent.lower().startswith("bearer ") else ""
        workspace = server.tokens.get(token)
        if workspace is None:
            if request.url.path == "/v2/self":
                return Response(orjson.dumps({"active": False}), media_type="application/json")
            return unauthorized()
        # Attio: 100 reads a second over the whole API; a query counts as a read.
        if not server.reads.take(token, server.now()):
            return throttled(server.now())
        request.state.json = {}
        if request.method == "POST":
            try:
                body = orjson.loads(await request.body() or b"{}")
            except orjson.JSONDecodeError:
                return bad_request("validation_type", "Body must be valid JSON").response
            if not isinstance(body, dict):
                return bad_request("validation_type", "Body must be an object").response
            request.state.json = body
        try:
            return handler(request, server, workspace)
        except Refused as refused:
            return refused.response
        except BadQuery as error:
            return bad_request("filter_error", str(error)).response

    return endpoint


def _self(request: Request, server: AttioServer, workspace: Workspace) -> Response:
    del request, server
    # Attio: token introspection is the one answer without the `data` envelope.
    body = {
        "active": True,
        "scope": _SCOPES,
        "token_type": "Bearer",
        "workspace_id": workspace.ids.workspace_id,
        "workspace_name": workspace.name,
        "workspace_slug": workspace.slug,
        "workspace_logo_url": None,
    }
    return Response(orjson.dumps(body), media_type="application/json")


def _members(request: Request, server: AttioServer, workspace: Workspace) -> Response:
    del request, server
    return reply(
        [
            {
                "id": {"workspace_id": workspace.ids.workspace_id, "workspace_member_id": member.id},
                "first_name": member.first,
                "last_name": member.last,
                "avatar_url": None,
                "email_address": member.email,
                "access_level": "admin" if member.admin else "member",
                "created_at": nano(workspace.created_at),
            }
            for member in workspace.members.values()
        ]
    )


def _object_slug(request: Request, workspace: Workspace) -> str:
    slug = workspace.ids.object_slug(request.path_params["object"])
    if slug is None:
        raise not_found(f'Object with slug/ID "{request.path_params["object"]}"')
    return slug


def _attribute_of(request: Request, workspace: Workspace) -> tuple[str, Attribute]:
    slug = _object_slug(request, workspace)
    attribute = workspace.ids.attribute(slug, request.path_params["attribute"])
    if attribute is None:
        raise not_found(f'Attribute with slug/ID "{request.path_params["attribute"]}"')
    return slug, attribute


def _entry(request: Request, workspace: Workspace) -> Entry:
    slug = _object_slug(request, workspace)
    entry = workspace.records[slug].get(request.path_params["record"])
    if entry is None:
        raise not_found(f'Record with ID "{request.path_params["record"]}"')
    return entry


def _objects(request: Request, server: AttioServer, workspace: Workspace) -> Response:
    del request, server
    return reply([workspace.ids.object_shape(name, nano(workspace.created_at)) for name in OBJECTS])


def _object(request: Request, server: AttioServer, workspace: Workspace) -> Response:
    del server
    return reply(workspace.ids.object_shape(_object_slug(request, workspace), nano(workspace.created_at)))


def _attributes(request: Request, server: AttioServer, workspace: Workspace) -> Response:
    del server
    slug, at = _object_slug(request, workspace), nano(workspace.created_at)
    return reply([workspace.ids.attribute_shape(slug, attribute, at) for attribute in OBJECTS[slug]])


def _options(request: Request, server: AttioServer, workspace: Workspace) -> Response:
    del server
    slug, attribute = _attribute_of(request, workspace)
    if attribute.type != "select":
        raise bad_request("validation_type", "The attribute is no select.")
    entries = workspace.records[slug].values()
    titles = {value.body["option"]["title"] for entry in entries for value in entry.current(attribute.slug)}
    return reply(
        [
            {"id": workspace.ids.option_id(attribute.slug, title), "title": title, "is_archived": False}
            for title in sorted(titles)
        ]
    )


def _statuses(request: Request, server: AttioServer, workspace: Workspace) -> Response:
    del server
    _, attribute = _attribute_of(request, workspace)
    if attribute.type != "status":
        raise bad_request("validation_type", "The attribute is no status.")
    return reply([workspace.ids.status_shape(title) for title in STAGES])


def _whole(value: Any, name: str, default: int, maximum: int | None) -> int:
    if value is None:
        return default
    if isinstance(value, str) and value.isdigit():
        value = int(value)
    # The answer above the maximum is not documented; a refusal shows a wrong caller at once.
    low = 0 if name == "offset" else 1
    if not isinstance(value, int) or isinstance(value, bool) or value < low or (maximum and value > maximum):
        raise bad_request("validation_type", f"{name} must be a number between {low} and {maximum}")
    return value


def _slice(
    rows: list[Any], request: Request, source: Mapping[str, Any], default: int, maximum: int
) -> list[Any]:
    limit = _whole(source.get("limit"), "limit", default, maximum)
    offset = _whole(source.get("offset"), "offset", 0, None)
    if fault_of(request.scope) == "stuck_cursor":
        offset = 0
    elif fault_of(request.scope) == "page_shift" and offset:
        # Attio: offsets slip when a row before them is deleted while somebody pages.
        offset += 1
    return rows[offset : offset + limit]


def _query(request: Request, server: AttioServer, workspace: Workspace) -> Response:
    slug, body = _object_slug(request, workspace), cast("Json", request.state.json)
    # Attio: the score of queries is summed over all tokens of the workspace in a window of 10 s.
    if not server.scores.take(workspace.slug, server.now(), score(workspace, slug, body)):
        raise Refused(throttled(server.now()))
    rows = _slice(select(workspace, slug, body), request, body, RECORDS_PAGE, RECORDS_PAGE)
    return reply([workspace.record_shape(entry) for entry in rows])


def _record(request: Request, server: AttioServer, workspace: Workspace) -> Response:
    del server
    return reply(workspace.record_shape(_entry(request, workspace)))


def _values(request: Request, server: AttioServer, workspace: Workspace) -> Response:
    del server
    _, attribute = _attribute_of(request, workspace)
    values = workspace.values_of(_entry(request, workspace), attribute.slug)
    historic = request.query_params.get("show_historic") == "true"
    return reply([value_shape(value) for value in values if historic or value.until is None])


def _entry_shape(workspace: Workspace, listed: Any) -> Json:
    return {
        "id": {
            "workspace_id": workspace.ids.workspace_id,
            "list_id": workspace.ids.of("list", listed.list_slug),
            "entry_id": listed.id,
        },
        "parent_record_id": listed.record_id,
        "parent_object": "companies",
        "created_at": nano(listed.created_at),
        "entry_values": {},
    }


def _record_entries(request: Request, server: AttioServer, workspace: Workspace) -> Response:
    del server
    entry = _entry(request, workspace)
    rows = [
        {
            "list_id": workspace.ids.of("list", listed.list_slug),
            "list_api_slug": listed.list_slug,
            "entry_id": listed.id,
            "created_at": nano(listed.created_at),
        }
        for listed in workspace.listed.values()
        if listed.record_id == entry.id
    ]
    return reply(_slice(rows, request, request.query_params, 100, 1000))


def _list_shape(workspace: Workspace, slug: str) -> Json:
    return {
        "id": {"workspace_id": workspace.ids.workspace_id, "list_id": workspace.ids.of("list", slug)},
        "api_slug": slug,
        "name": workspace.lists[slug],
        "parent_object": ["companies"],
        "workspace_access": "full-access",
        "workspace_member_access": [],
        "created_by_actor": {"type": "system", "id": None},
        "created_at": nano(workspace.created_at),
    }


def _list_slug(request: Request, workspace: Workspace) -> str:
    wanted = request.path_params["list"]
    slug = next((s for s in workspace.lists if wanted in (s, workspace.ids.of("list", s))), None)
    if slug is None:
        raise not_found(f'List with slug/ID "{wanted}"')
    return slug


def _lists(request: Request, server: AttioServer, workspace: Workspace) -> Response:
    del request, server
    return reply([_list_shape(workspace, slug) for slug in workspace.lists])


def _list(request: Request, server: AttioServer, workspace: Workspace) -> Response:
    del server
    return reply(_list_shape(workspace, _list_slug(request, workspace)))


def _list_attributes(request: Request, server: AttioServer, workspace: Workspace) -> Response:
    del server
    _list_slug(request, workspace)
    return reply([])


def _entries(request: Request, server: AttioServer, workspace: Workspace) -> Response:
    del server
    slug = _list_slug(request, workspace)
    rows = sorted(
        (e for e in workspace.listed.values() if e.list_slug == slug), key=lambda e: (e.created_at, e.id)
    )
    shown = _slice(rows, request, cast("Json", request.state.json), RECORDS_PAGE, RECORDS_PAGE)
    return reply([_entry_shape(workspace, listed) for listed in shown])


def _notes(request: Request, server: AttioServer, workspace: Workspace) -> Response:
    del server
    params = request.query_params
    rows = sorted(workspace.notes.values(), key=lambda n: (n.created_at, n.id))
    if "parent_object" in params:
        rows = [n for n in rows if n.parent_object == params["parent_object"]]
    if "parent_record_id" in params:
        rows = [n for n in rows if n.parent_id == params["parent_record_id"]]
    return reply(
        [workspace.note_shape(note) for note in _slice(rows, request, params, NOTES_PAGE, NOTES_MAX)]
    )


def _note(request: Request, server: AttioServer, workspace: Workspace) -> Response:
    del server
    note = workspace.notes.get(request.path_params["note"])
    if note is None:
        raise not_found("Note")
    return reply(workspace.note_shape(note))


def _tasks(request: Request, server: AttioServer, workspace: Workspace) -> Response:
    """Open next steps of deals, as the tasks of their owners."""
    del server
    rows = [
        _task_shape(workspace, deal, value)
        for deal in workspace.records["deals"].values()
        for value in deal.current("next_step")
    ]
    rows.sort(key=lambda task: (task["created_at"], task["id"]["task_id"]),
              reverse=request.query_params.get("sort") == "created_at:desc")  # fmt: skip
    return reply(_slice(rows, request, request.query_params, RECORDS_PAGE, RECORDS_PAGE))


def _task_shape(workspace: Workspace, deal: Entry, step: Value) -> Json:
    return {
        "id": {
            "workspace_id": workspace.ids.workspace_id,
            "task_id": workspace.ids.of("task", deal.id, nano(step.since)),
        },
        "content_plaintext": step.body["value"],
        "deadline_at": deal.first("close_date", "value"),
        "is_completed": False,
        "completed_at": None,
        "linked_records": [{"target_object_id": "deals", "target_record_id": deal.id}],
        "assignees": [{"referenced_actor_type": "workspace-member", "referenced_actor_id": step.actor["id"]}],
        "created_by_actor": step.actor,
        "created_at": nano(step.since),
    }
