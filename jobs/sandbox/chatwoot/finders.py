"""Which conversations, messages and contacts a Chatwoot request selects, in which order, how many."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from jobs.sandbox.chatwoot.account import ACTIVITY, Account, Agent, Contact, Conversation, Message

# Chatwoot: 25 conversations a page (there is no per_page), 15 contacts.
CONVERSATIONS_A_PAGE: Final = 25
CONTACTS_A_PAGE: Final = 15
MESSAGES_NEWEST: Final = 20
MESSAGES_AFTER: Final = 100
MESSAGES_BETWEEN: Final = 1_000

_PRIORITY_RANK: Final = {"urgent": 4, "high": 3, "medium": 2, "low": 1, None: 0}


class Unprocessable(ValueError):
    """A parameter or filter that Chatwoot answers with 422."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks. Chatwoot: the list covers only the inboxes the token's owner may see."""

    agent: Agent
    inbox_ids: frozenset[int]


@dataclass(frozen=True, slots=True)
class Found:
    """Selected conversations and the counts of the envelope (`all` counts before the assignee filter)."""

    rows: list[Conversation]
    mine: int
    unassigned: int
    all: int


def find_conversations(
    account: Account, viewer: Viewer, params: Mapping[str, str], labels: list[str], now: datetime
) -> Found:
    """All conversations of a list request, sorted, before paging."""
    rows = [c for c in account.conversations.values() if c.inbox_id in viewer.inbox_ids]
    rows = _narrowed(_of_status(rows, params), params, labels, now)
    mine = sum(1 for c in rows if c.assignee_id == viewer.agent.id)
    unassigned = sum(1 for c in rows if c.assignee_id is None)
    total = len(rows)
    match params.get("assignee_type", "all"):
        case "me":
            rows = [c for c in rows if c.assignee_id == viewer.agent.id]
        case "unassigned":
            rows = [c for c in rows if c.assignee_id is None]
        case "assigned":
            rows = [c for c in rows if c.assignee_id is not None]
        case _:
            pass
    sort_conversations(rows, params.get("sort_by", "last_activity_at_desc"))
    return Found(rows, mine, unassigned, total)


def _of_status(rows: list[Conversation], params: Mapping[str, str]) -> list[Conversation]:
    query = params.get("q", "").lower()
    if query:
        # Chatwoot: `q` searches message texts and bypasses the status filter.
        return [
            c
            for c in rows
            if any(query in (m.content or "").lower() for m in c.messages if m.type != ACTIVITY)
        ]
    status = params.get("status") or "open"  # Chatwoot: the default is open, not all
    return rows if status == "all" else [c for c in rows if c.status == status]


def _narrowed(
    rows: list[Conversation], params: Mapping[str, str], labels: list[str], now: datetime
) -> list[Conversation]:
    if inbox := params.get("inbox_id"):
        rows = [c for c in rows if str(c.inbox_id) == inbox]
    if team := params.get("team_id"):
        rows = [c for c in rows if str(c.team_id) == team]
    if labels:
        rows = [c for c in rows if any(label in c.labels for label in labels)]
    if params.get("conversation_type") == "unattended":
        rows = [c for c in rows if c.first_reply_at() is None or c.waiting_since() is not None]
    elif params.get("conversation_type") in ("mention", "participating"):
        rows = []
    if seconds := params.get("updated_within"):
        if not seconds.isdigit():
            raise Unprocessable("updated_within is not a number")
        since = now - timedelta(seconds=int(seconds))
        rows = [c for c in rows if c.updated_at > since]
    return rows


def sort_conversations(rows: list[Conversation], sort_by: str) -> None:
    """Sort in place; an unknown order falls back to the default, newest activity first."""
    far = datetime.max.replace(tzinfo=UTC)
    keys: dict[str, Callable[[Conversation], Any]] = {
        "last_activity_at": lambda c: (c.last_activity_at, c.id),
        "created_at": lambda c: (c.created_at, c.id),
        "priority": lambda c: (_PRIORITY_RANK[c.priority], c.last_activity_at, c.id),
        "waiting_since": lambda c: (c.waiting_since() or far, c.id),
    }
    if sort_by == "priority_desc_created_at_asc":
        rows.sort(key=lambda c: (-_PRIORITY_RANK[c.priority], c.created_at, c.id))
        return
    name, _, direction = sort_by.rpartition("_")
    if name not in keys or direction not in ("asc", "desc"):
        name, direction = "last_activity_at", "desc"
    rows.sort(key=keys[name], reverse=direction == "desc")


def select_messages(conversation: Conversation, params: Mapping[str, str]) -> list[Message]:
    """The window of messages a request selects, oldest first.

    Chatwoot: without parameters the newest 20; `before` alone the 20 before it; `after` alone is exclusive,
    100 rows; both together are `after <= id < before`, 1000 rows.
    """
    rows = conversation.messages
    if params.get("filter_internal_messages") == "true":
        rows = [m for m in rows if m.type != ACTIVITY and not m.private]
    after, before = _message_id(params, "after"), _message_id(params, "before")
    if after is not None and before is not None:
        return [m for m in rows if after <= m.id < before][:MESSAGES_BETWEEN]
    if after is not None:
        return [m for m in rows if m.id > after][:MESSAGES_AFTER]
    if before is not None:
        return [m for m in rows if m.id < before][-MESSAGES_NEWEST:]
    return rows[-MESSAGES_NEWEST:]


def _message_id(params: Mapping[str, str], name: str) -> int | None:
    value = params.get(name)
    if not value:
        return None
    if not value.isdigit():
        raise Unprocessable(f"{name} is not a message id")
    return int(value)


def filter_conversations(
    account: Account, viewer: Viewer, payload: object, now: datetime
) -> list[Conversation]:
    """Conversations matched by a `POST /conversations/filter` payload, newest activity first."""
    if not isinstance(payload, list) or not payload:
        raise Unprocessable("Invalid query string. payload must be a list of conditions")
    rows = [c for c in account.conversations.values() if c.inbox_id in viewer.inbox_ids]
    conditions: list[Any] = payload
    kept = [c for c in rows if _matches(c, conditions, now)]
    sort_conversations(kept, "last_activity_at_desc")
    return kept


def _matches(conversation: Conversation, conditions: list[Any], now: datetime) -> bool:
    verdict, joiner = True, "and"
    for number, condition in enumerate(conditions):
        if not isinstance(condition, dict):
            raise Unprocessable("Invalid condition")
        found = _holds(conversation, condition, now)
        verdict = (verdict and found) if joiner == "and" else (verdict or found)
        joiner = str(condition.get("query_operator") or "").lower()
        last = number == len(conditions) - 1
        # Chatwoot: the last condition has `query_operator: null`, the others and/or.
        if last == bool(joiner) or (not last and joiner not in ("and", "or")):
            raise Unprocessable("Query operator must be either AND or OR, and null on the last condition")
    return verdict


def _holds(conversation: Conversation, condition: dict[str, Any], now: datetime) -> bool:
    key, operator = condition.get("attribute_key"), condition.get("filter_operator")
    values = [str(value) for value in condition.get("values") or []]
    if key in ("created_at", "last_activity_at"):
        return _date_holds(getattr(conversation, str(key)), str(operator), values, now)
    known: dict[str, list[str]] = {
        "status": [conversation.status],
        "assignee_id": _some(conversation.assignee_id),
        "inbox_id": [str(conversation.inbox_id)],
        "team_id": _some(conversation.team_id),
        "priority": _some(conversation.priority),
        "display_id": [str(conversation.id)],
        "labels": conversation.labels,
    }
    if key not in known:
        raise Unprocessable(f"Invalid attribute key - [{key}]")
    own = known[str(key)]
    match operator:
        case "equal_to":
            return any(value in own for value in values) or (key == "status" and values == ["all"])
        case "not_equal_to":
            return not any(value in own for value in values)
        case "is_present":
            return bool(own)
        case "is_not_present":
            return not own
        case _:
            raise Unprocessable(
                f"Invalid operator. The allowed operators for {key} are [equal_to, not_equal_to]"
            )


def _date_holds(at: datetime, operator: str, values: list[str], now: datetime) -> bool:
    # Chatwoot: the data type of these keys is date, so comparisons have day precision.
    try:
        if operator == "days_before":
            return at.date() < (now - timedelta(days=int(values[0]))).date()
        day = date.fromisoformat(values[0][:10])
    except (ValueError, IndexError) as error:
        raise Unprocessable(f"Invalid value for a date: {values}") from error
    if operator == "is_greater_than":
        return at >= datetime.combine(day + timedelta(days=1), time(), UTC)
    if operator == "is_less_than":
        return at < datetime.combine(day, time(), UTC)
    raise Unprocessable(
        "Invalid operator. The allowed operators are [is_greater_than, is_less_than, days_before]"
    )


def _some(value: object) -> list[str]:
    return [] if value is None else [str(value)]


def sort_contacts(rows: list[Contact], sort: str) -> list[Contact]:
    """Contacts by a `sort` parameter, `-` for descending; nulls last; ids by default."""
    name = sort.removeprefix("-")
    keys: dict[str, Callable[[Contact], Any]] = {
        "name": lambda c: c.name.lower(),
        "email": lambda c: c.email,
        "phone_number": lambda c: c.phone,
        "last_activity_at": lambda c: c.last_activity_at,
        "created_at": lambda c: c.created_at,
        "company_name": lambda c: c.company_name,
        "city": lambda c: c.city,
        "country": lambda c: c.country,
    }
    key = keys.get(name)
    if key is None:
        return sorted(rows, key=lambda c: c.id)
    present = [c for c in rows if key(c) is not None]
    absent = [c for c in rows if key(c) is None]
    return sorted(present, key=lambda c: (key(c), c.id), reverse=sort.startswith("-")) + absent


def search_contacts(rows: list[Contact], query: str) -> list[Contact]:
    """Contacts whose name, e-mail or phone contain the query."""
    wanted = query.lower().strip()
    return [
        c
        for c in rows
        if any(wanted in text.lower() for text in (c.name, c.email or "", c.phone or "") if text)
    ]
