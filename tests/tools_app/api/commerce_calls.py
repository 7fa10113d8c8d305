"""How the leak test calls the commercial endpoints: reads by project, mutations with a body that names one."""

from collections.abc import Callable
from typing import Any

import httpx

from models.infra.ids import new_id

Call = Callable[[httpx.Client, str | None], list[httpx.Response]]
Key = tuple[str, str]
_BODIES: dict[Key, dict[str, Any]] = {
    ("post", "/api/crm/accounts"): {"name": "x"},
    ("patch", "/api/crm/accounts/{account_id}"): {"expected_version": 1, "notes": "x"},
    ("post", "/api/crm/accounts/{account_id}/contacts"): {"name": "x"},
    ("patch", "/api/crm/contacts/{contact_id}"): {"expected_version": 1, "role": "x"},
    ("post", "/api/crm/opportunities"): {"name": "x"},
    ("patch", "/api/crm/opportunities/{opportunity_id}"): {"expected_version": 1, "notes": "x"},
    ("post", "/api/crm/opportunities/{opportunity_id}/stage"): {"stage": "lead", "expected_stage": "won"},
    ("post", "/api/offers"): {"title": "x", "currency": "EUR"},
    ("patch", "/api/offers/{offer_id}"): {"expected_version": 1, "notes": "x"},
    ("post", "/api/offers/{offer_id}/submit"): {"expected_version": 1},
    ("post", "/api/offers/{offer_id}/approve-discount"): {"expected_version": 1},
    ("post", "/api/offers/{offer_id}/approve-send"): {"expected_version": 1},
    ("post", "/api/offers/{offer_id}/reopen"): {"expected_version": 1},
    ("post", "/api/offers/{offer_id}/mark-sent"): {"expected_version": 1},
    ("post", "/api/offers/{offer_id}/outcome"): {"expected_version": 1, "outcome": "signed"},
    ("post", "/api/outbound/draft"): {"contact_id": "{contact_id}", "subject": "x", "body": "x"},
    ("post", "/api/outbound/opt-out"): {"contact_id": "{contact_id}"},
    ("put", "/api/outbound/policies/{contact_id}"): {"max_per_week": 1},
    ("patch", "/api/outbound/{message_id}"): {"expected_version": 1, "body": "x"},
    ("post", "/api/outbound/{message_id}/approve"): {"expected_version": 1},
    ("post", "/api/outbound/{message_id}/cancel"): {"expected_version": 1},
    ("post", "/api/outbound/{message_id}/resolve"): {"expected_version": 1, "outcome": "sent"},
}
# Where a project's own row is found: the list that shows it.
_LISTS = {
    "account_id": "/api/crm/accounts",
    "opportunity_id": "/api/crm/opportunities",
    "offer_id": "/api/offers",
    "message_id": "/api/outbound",
}
_LISTED = ["/api/crm/accounts", "/api/crm/opportunities", "/api/offers", "/api/outbound", "/api/audit"]
_ONE = [
    "/api/crm/accounts/{account_id}", "/api/crm/accounts/{account_id}/contacts",
    "/api/crm/opportunities/{opportunity_id}", "/api/offers/{offer_id}", "/api/outbound/{message_id}",
    "/api/outbound/policies/{contact_id}",
]  # fmt: skip
_OF_THE_SCOPE: dict[Key, dict[str, Any]] = {
    ("get", "/api/money/settings"): {},
    ("get", "/api/money/exchange-rates"): {},
    ("get", "/api/offers/discount-policy"): {},
    ("put", "/api/money/base-currency"): {"base_currency": "EUR"},
    ("put", "/api/money/stage-probabilities"): {"lead": "10"},
    ("put", "/api/money/exchange-rates"): {
        "from_currency": "USD", "to_currency": "EUR", "valid_on": "2026-01-01", "rate": "0.9",
    },
}  # fmt: skip


def named(name: str) -> str:
    """A field of a path: the project's first row of that kind, or an id that no row has."""
    return f"{{{name}}}"


def row_of(client: httpx.Client, project: str | None, name: str) -> str:
    """The id of a row that a project shows, else one that nobody has."""
    chosen = {} if project is None else {"project_id": project}
    if name == "contact_id":
        account = row_of(client, project, "account_id")
        answer = client.get(f"/api/crm/accounts/{account}/contacts", params=chosen)
    else:
        answer = client.get(_LISTS[name], params={**chosen, "sort": "-created_at"})
    items = answer.json().get("items", [])
    return items[0]["id"] if items else str(new_id())


def fill(text: str, client: httpx.Client, project: str | None) -> str:
    """A path or value with the names of rows replaced by their ids."""
    for name in (*_LISTS, "contact_id"):
        if named(name) in text:
            text = text.replace(named(name), row_of(client, project, name))
    return text


def body_of(key: Key) -> dict[str, Any]:
    """The body of a change, for a path that names its row."""
    return dict(_BODIES[key])


def _read(path: str) -> Call:
    def call(client: httpx.Client, project: str | None) -> list[httpx.Response]:
        chosen = {} if project is None else {"project_id": project}
        return [client.get(fill(path, client, project), params=chosen)]

    return call


def _change(key: Key) -> Call:
    def call(client: httpx.Client, project: str | None) -> list[httpx.Response]:
        body = {
            name: fill(value, client, project) if isinstance(value, str) else value
            for name, value in _BODIES[key].items()
        }
        return [
            client.request(
                key[0], fill(key[1], client, project), json={**body, "project_id": project or "alpha"}
            )
        ]

    return call


def _settings(key: Key) -> Call:
    def call(client: httpx.Client, _project: str | None) -> list[httpx.Response]:
        return [client.request(key[0], key[1], json=_OF_THE_SCOPE[key] or None)]

    return call


READS: list[Key] = [("get", path) for path in (*_LISTED, *_ONE, "/api/crm/overview")]
CHANGES: list[Key] = list(_BODIES)
CALLS: dict[Key, Call] = {
    **{key: _read(key[1]) for key in READS},
    **{key: _change(key) for key in CHANGES},
    **{key: _settings(key) for key in _OF_THE_SCOPE},
}
