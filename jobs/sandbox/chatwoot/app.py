"""The Chatwoot server: REST v1 of its accounts, token by token."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from jobs.sandbox.chatwoot.account import Account
from jobs.sandbox.chatwoot.finders import (
    CONTACTS_A_PAGE,
    CONVERSATIONS_A_PAGE,
    Found,
    Unprocessable,
    Viewer,
    filter_conversations,
    find_conversations,
    search_contacts,
    select_messages,
    sort_contacts,
)
from jobs.sandbox.chatwoot.pages import attachment_page, contact_page, conversation_page
from jobs.sandbox.chatwoot.shapes import (
    agent_shape,
    contact_shape,
    conversation_shape,
    inbox_shape,
    message_shape,
    team_shape,
)
from jobs.sandbox.serving.gate import FaultAnswers, fault_of
from jobs.sandbox.serving.quotas import FixedWindow

_LABEL_COLOR: Final = "#1f93ff"


@dataclass(frozen=True, slots=True)
class Access:
    """What one API token may see."""

    account_id: int
    viewer: Viewer


@dataclass(frozen=True, slots=True)
class ChatwootServer:
    """Everything the server answers from; `requests` and `searches` are its quotas."""

    accounts: Mapping[int, Account]
    tokens: Mapping[str, Access]
    now: Callable[[], datetime]
    origin: str
    requests: FixedWindow
    searches: FixedWindow


class _Refused(Exception):
    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


def reply(body: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(body), status, media_type="application/json")


def throttled(now: datetime) -> Response:
    """Chatwoot (rack-attack): 429 as plain text `Retry later`, without a Retry-After header."""
    del now
    return PlainTextResponse("Retry later\n", 429)


def broken(status: int) -> Response:
    """A server error page as Rails answers it, or the JSON 404."""
    if status == 404:
        return reply({"error": "Resource could not be found"}, 404)
    return Response("<html><body><h1>We're sorry, but something went wrong.</h1></body></html>", status,
                    media_type="text/html")  # fmt: skip


def refused() -> Response:
    """Chatwoot: an unknown token is 401."""
    return reply({"error": "Invalid Access Token"}, 401)


ANSWERS: Final = FaultAnswers(throttled, broken, refused)


def chatwoot_app(server: ChatwootServer) -> Starlette:
    """The ASGI application of the server."""
    api = "/api/v1/accounts/{account:int}"
    routes = [
        ("/api/v1/profile", _profile, "GET"),
        (f"{api}/conversations", _conversations, "GET"),
        (f"{api}/conversations/meta", _conversation_counts, "GET"),
        (f"{api}/conversations/filter", _filtered, "POST"),
        (f"{api}/conversations/{{conversation:int}}", _conversation, "GET"),
        (f"{api}/conversations/{{conversation:int}}/messages", _messages, "GET"),
        (f"{api}/conversations/{{conversation:int}}/labels", _conversation_labels, "GET"),
        (f"{api}/contacts", _contacts, "GET"),
        (f"{api}/contacts/search", _contact_search, "GET"),
        (f"{api}/contacts/{{contact:int}}", _contact, "GET"),
        (f"{api}/contacts/{{contact:int}}/conversations", _contact_conversations, "GET"),
        (f"{api}/inboxes", _inboxes, "GET"),
        (f"{api}/inboxes/{{inbox:int}}", _inbox, "GET"),
        (f"{api}/labels", _labels, "GET"),
        (f"{api}/agents", _agents, "GET"),
        (f"{api}/teams", _teams, "GET"),
        (f"{api}/webhooks", _webhooks, "GET"),
        ("/app/accounts/{account:int}/conversations/{conversation:int}", _page, "GET"),
        ("/app/accounts/{account:int}/contacts/{contact:int}", _contact_page, "GET"),
        ("/rails/active_storage/blobs/redirect/{blob:int}/{name}", _blob, "GET"),
    ]
    app = Starlette(
        routes=[Route(path, _guarded(handler), methods=[method]) for path, handler, method in routes],
        exception_handlers={HTTPException: _not_routed},
    )
    app.state.server = server
    return app


Handler = Callable[[Request, ChatwootServer], Response]


def _guarded(handler: Handler) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        server: ChatwootServer = request.app.state.server
        if request.method == "POST":
            request.state.body = await request.body()
        caller = request.client.host if request.client else "?"
        try:
            # Chatwoot: 3,000 requests a minute and IP, counted before authentication.
            if request.url.path.startswith("/api/") and not server.requests.take(caller, server.now()):
                return throttled(server.now())
            return handler(request, server)
        except _Refused as refused:
            return refused.response
        except Unprocessable as error:
            return reply({"error": str(error)}, 422)

    return endpoint


async def _not_routed(request: Request, error: Exception) -> Response:
    del request
    status = error.status_code if isinstance(error, HTTPException) else 500
    return (
        reply({"error": "Resource could not be found"}, 404)
        if status == 404
        else reply({"error": ""}, status)
    )


def _access(request: Request, server: ChatwootServer) -> tuple[Account, Viewer]:
    # Chatwoot: the token is read from api_access_token, an invalid one and a foreign account are both 401.
    access = server.tokens.get(request.headers.get("api_access_token", ""))
    if access is None:
        raise _Refused(refused())
    account_id = request.path_params.get("account", access.account_id)
    if account_id not in server.accounts:
        raise _Refused(reply({"error": "Resource could not be found"}, 404))
    if account_id != access.account_id:
        raise _Refused(reply({"error": "You are not authorized to access this account"}, 401))
    viewer = access.viewer
    if fault_of(request.scope) == "one_inbox":
        viewer = Viewer(viewer.agent, frozenset(sorted(viewer.inbox_ids)[:1]))
    return server.accounts[access.account_id], viewer


def _page_number(request: Request) -> int:
    if fault_of(request.scope) == "stuck_cursor":
        return 1
    text = request.query_params.get("page", "1")
    return max(1, int(text)) if text.isdigit() else 1


def _counts(found: Found) -> dict[str, int]:
    return {
        "mine_count": found.mine,
        "assigned_count": found.all - found.unassigned,
        "unassigned_count": found.unassigned,
        "all_count": found.all,
    }


def _find(request: Request, server: ChatwootServer) -> tuple[Account, Found]:
    account, viewer = _access(request, server)
    labels = request.query_params.getlist("labels[]")
    return account, find_conversations(account, viewer, request.query_params, labels, server.now())


def _conversations(request: Request, server: ChatwootServer) -> Response:
    account, found = _find(request, server)
    rows = found.rows
    if "updated_within" not in request.query_params:  # Chatwoot: updated_within switches paging off
        start = (_page_number(request) - 1) * CONVERSATIONS_A_PAGE
        rows = rows[start : start + CONVERSATIONS_A_PAGE]
    payload = [conversation_shape(account, c, server.origin) for c in rows]
    return reply({"data": {"meta": _counts(found), "payload": payload}})


def _conversation_counts(request: Request, server: ChatwootServer) -> Response:
    _, found = _find(request, server)
    return reply({"meta": _counts(found)})


def _filtered(request: Request, server: ChatwootServer) -> Response:
    account, viewer = _access(request, server)
    try:
        body = orjson.loads(request.state.body or b"{}")
    except orjson.JSONDecodeError as error:
        raise _Refused(reply({"error": "Invalid JSON"}, 400)) from error
    payload = body.get("payload") if isinstance(body, dict) else None
    rows = filter_conversations(account, viewer, payload, server.now())
    mine = sum(1 for c in rows if c.assignee_id == viewer.agent.id)
    unassigned = sum(1 for c in rows if c.assignee_id is None)
    start = (_page_number(request) - 1) * CONVERSATIONS_A_PAGE
    shown = rows[start : start + CONVERSATIONS_A_PAGE]
    return reply(
        {
            "meta": _counts(Found(rows, mine, unassigned, len(rows))),
            "payload": [conversation_shape(account, c, server.origin) for c in shown],
        }
    )


def _one(request: Request, server: ChatwootServer) -> tuple[Account, Any]:
    account, viewer = _access(request, server)
    conversation = account.conversations.get(request.path_params["conversation"])
    if conversation is None:
        raise _Refused(reply({"error": "Resource could not be found"}, 404))
    if conversation.inbox_id not in viewer.inbox_ids:
        raise _Refused(reply({"error": "You are not authorized to do this action"}, 401))
    return account, conversation


def _conversation(request: Request, server: ChatwootServer) -> Response:
    account, conversation = _one(request, server)
    return reply(conversation_shape(account, conversation, server.origin))


def _messages(request: Request, server: ChatwootServer) -> Response:
    account, conversation = _one(request, server)
    params = {} if fault_of(request.scope) == "stuck_cursor" else request.query_params
    rows = select_messages(conversation, params)
    assignee = account.agents.get(conversation.assignee_id or -1)
    seen = conversation.last_agent_message_at()
    meta: dict[str, Any] = {
        "labels": conversation.labels,
        "additional_attributes": {"mail_subject": conversation.subject} if conversation.subject else {},
        "contact": contact_shape(account, account.contacts[conversation.contact_id], with_inboxes=False),
        "agent_last_seen_at": seen.isoformat() if seen else None,
        "assignee_last_seen_at": seen.isoformat() if seen else None,
    }
    if assignee is not None:
        meta["assignee"] = agent_shape(account, assignee)
    return reply(
        {"meta": meta, "payload": [message_shape(account, conversation, m, server.origin) for m in rows]}
    )


def _conversation_labels(request: Request, server: ChatwootServer) -> Response:
    _, conversation = _one(request, server)
    return reply({"payload": conversation.labels})


def _contacts(request: Request, server: ChatwootServer) -> Response:
    account, _ = _access(request, server)
    rows = [c for c in account.contacts.values() if c.resolved]
    rows = sort_contacts(rows, request.query_params.get("sort", ""))
    with_inboxes = request.query_params.get("include_contact_inboxes", "true") != "false"
    page = _page_number(request)
    start = (page - 1) * CONTACTS_A_PAGE
    shown = [
        contact_shape(account, c, with_inboxes=with_inboxes) for c in rows[start : start + CONTACTS_A_PAGE]
    ]
    return reply({"meta": {"count": len(rows), "current_page": str(page)}, "payload": shown})


def _contact_search(request: Request, server: ChatwootServer) -> Response:
    account, _ = _access(request, server)
    # Chatwoot: 100 contact searches a minute and account.
    if not server.searches.take(str(account.id), server.now()):
        return throttled(server.now())
    query = request.query_params.get("q", "")
    if not query:
        return reply({"error": "Specify search string with parameter q"}, 422)
    rows = search_contacts([c for c in account.contacts.values() if c.resolved], query)
    page = _page_number(request)
    start = (page - 1) * CONTACTS_A_PAGE
    shown = [contact_shape(account, c) for c in rows[start : start + CONTACTS_A_PAGE]]
    has_more = len(rows) > start + CONTACTS_A_PAGE
    return reply(
        {"meta": {"count": len(shown), "current_page": str(page), "has_more": has_more}, "payload": shown}
    )


def _contact(request: Request, server: ChatwootServer) -> Response:
    account, _ = _access(request, server)
    contact = account.contacts.get(request.path_params["contact"])
    if contact is None:
        return reply({"error": "Resource could not be found"}, 404)
    return reply({"payload": contact_shape(account, contact)})


def _contact_conversations(request: Request, server: ChatwootServer) -> Response:
    account, viewer = _access(request, server)
    wanted = request.path_params["contact"]
    if wanted not in account.contacts:
        return reply({"error": "Resource could not be found"}, 404)
    rows = [
        c for c in account.conversations.values() if c.contact_id == wanted and c.inbox_id in viewer.inbox_ids
    ]
    rows.sort(key=lambda c: c.last_activity_at, reverse=True)
    return reply({"payload": [conversation_shape(account, c, server.origin) for c in rows[:20]]})


def _inboxes(request: Request, server: ChatwootServer) -> Response:
    account, viewer = _access(request, server)
    return reply({"payload": [inbox_shape(i) for i in account.inboxes.values() if i.id in viewer.inbox_ids]})


def _inbox(request: Request, server: ChatwootServer) -> Response:
    # Chatwoot (InboxesController#show, InboxPolicy): 401 for an inbox that exists but is not assigned to the user.
    account, viewer = _access(request, server)
    inbox = account.inboxes.get(request.path_params["inbox"])
    if inbox is None:
        return reply({"error": "Resource could not be found"}, 404)
    if inbox.id not in viewer.inbox_ids:
        return reply({"error": "You are not authorized to do this action"}, 401)
    return reply(inbox_shape(inbox))


def _labels(request: Request, server: ChatwootServer) -> Response:
    account, _ = _access(request, server)
    rows = [
        {
            "id": account.first_id + n,
            "title": title,
            "description": text,
            "color": _LABEL_COLOR,
            "show_on_sidebar": True,
        }
        for n, (title, text) in enumerate(account.labels.items())
    ]
    return reply({"payload": rows})


def _agents(request: Request, server: ChatwootServer) -> Response:
    account, _ = _access(request, server)
    return reply([agent_shape(account, agent) for agent in account.agents.values()])


def _teams(request: Request, server: ChatwootServer) -> Response:
    account, _ = _access(request, server)
    return reply([team_shape(account, team_id) for team_id in account.teams])


def _webhooks(request: Request, server: ChatwootServer) -> Response:
    _access(request, server)
    return reply({"payload": {"webhooks": []}})


def _profile(request: Request, server: ChatwootServer) -> Response:
    account, viewer = _access(request, server)
    agent = viewer.agent
    role = "administrator" if agent.admin else "agent"
    return reply(
        {
            "id": agent.id,
            "name": agent.name,
            "email": agent.email,
            "account_id": account.id,
            "accounts": [{"id": account.id, "name": account.name, "role": role}],
        }
    )


def _page(request: Request, server: ChatwootServer) -> Response:
    return conversation_page(
        server.accounts.get(request.path_params["account"]),
        request.path_params["conversation"],
        request.query_params.get("messageId", ""),
    )


def _contact_page(request: Request, server: ChatwootServer) -> Response:
    return contact_page(server.accounts.get(request.path_params["account"]), request.path_params["contact"])


def _blob(request: Request, server: ChatwootServer) -> Response:
    del server
    return attachment_page(request.path_params["name"])
