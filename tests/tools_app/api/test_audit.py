"""The audit trail: every mutation of the API leaves an event, and the list of events is bounded by the caller's scope."""

import datetime as dt
from typing import Any

import httpx
import pytest
from sqlmodel import col, select

from models.infra.clock import utcnow
from models.infra.database import transaction
from models.infra.ids import new_id
from models.tables.crm import Opportunity
from models.tables.outbound import OutboundMessage
from models.tables.platform import AuditEvent, ProjectBinding
from models.tables.reliability import ConnectorError
from models.tables.retrieval import QueryRun
from tests.tools_app.api.identity_calls import fill_suggestions
from tests.tools_app.api.signal_calls import fill_agreement, fill_signals
from tests.tools_app.api.test_isolation import described
from tests.tools_app.commerce import add, fill_commerce
from tests.tools_app.conftest import PASSWORD, USER
from tests.tools_app.world import World

# Mutations by their method only, and why they leave no event.
NO_EVENT = {
    ("post", "/api/lightrag/query"): "a question changes nothing; each is kept as a query run",
    ("post", "/api/search"): "another name of the same",
    (
        "post",
        "/api/webhooks/{connector}/{binding}",
    ): "a vendor's hint, no user; what it leads to is a job run",
}
OF_A_PROJECT = (
    "/api/crm", "/api/offers", "/api/outbound", "/api/identity/apply", "/api/identity/unlink", "/api/identity/dismiss",
    "/api/nba", "/api/signals/{", "/api/agreements/{",
)  # fmt: skip
ITEM = {"description": "x", "quantity": "1", "unit_price": "1.00"}


class Walk:
    """Makes one successful call of each mutation, in an order in which each is possible."""

    def __init__(self, client: httpx.Client, world: World) -> None:
        self.client, self.place = client, world.places["alpha"]
        self.done: list[tuple[tuple[str, str], str, httpx.Response]] = []

    def call(self, method: str, template: str, body: Any = None, **names: object) -> dict[str, Any]:
        request_id = f"walk-{len(self.done):04}"
        path = template.format(**names)
        answer = self.client.request(method, path, json=body, headers={"x-request-id": request_id})
        assert answer.is_success, (method, path, answer.text)
        self.done.append(((method, template), request_id, answer))
        return answer.json()

    def business(
        self, method: str, template: str, key: str, names: dict[str, object], **body: Any
    ) -> dict[str, Any]:
        return self.call(method, template, {"project_id": "alpha", **body}, **names)[key]

    def crm(self) -> tuple[str, str]:
        made = self.business("post", "/api/crm/accounts", "account", {}, name="Lumen")
        account = {"account_id": made["id"]}
        self.business(
            "patch", "/api/crm/accounts/{account_id}", "account", account, expected_version=1, notes="x"
        )
        contact = self.business(
            "post",
            "/api/crm/accounts/{account_id}/contacts",
            "contact",
            account,
            name="Anna",
            email="a@lumen.example",
        )
        self.business(
            "patch",
            "/api/crm/contacts/{contact_id}",
            "contact",
            {"contact_id": contact["id"]},
            expected_version=1,
            role="x",
        )
        sale = self.business("post", "/api/crm/opportunities", "opportunity", {}, name="Portal")
        names = {"opportunity_id": sale["id"]}
        self.business(
            "patch",
            "/api/crm/opportunities/{opportunity_id}",
            "opportunity",
            names,
            expected_version=1,
            notes="x",
        )
        self.business(
            "post",
            "/api/crm/opportunities/{opportunity_id}/stage",
            "opportunity",
            names,
            stage="won",
            expected_stage="lead",
        )
        return made["id"], contact["id"]

    def offers(self) -> None:
        made = self.business(
            "post", "/api/offers", "offer", {}, title="Phase", currency="EUR", discount_pct="50", items=[ITEM]
        )

        def step(method: str, path: str, **body: Any) -> None:
            nonlocal made
            names = {"offer_id": made["id"]}
            made = self.business(
                method,
                f"/api/offers/{{offer_id}}{path}",
                "offer",
                names,
                expected_version=made["version"],
                **body,
            )

        step("patch", "", notes="x")
        step("post", "/submit")
        step("post", "/reopen")
        step("post", "/submit")
        for path in ("/approve-discount", "/approve-send", "/mark-sent"):
            step("post", path)
        step("post", "/outcome", outcome="signed")

    def outbound(self, contact: str) -> None:
        body = {"contact_id": contact, "subject": "x", "body": "x"}
        made = self.business("post", "/api/outbound/draft", "message", {}, **body)

        def step(method: str, path: str, **body: Any) -> None:
            nonlocal made
            names = {"message_id": made["id"]}
            made = self.business(
                method,
                f"/api/outbound/{{message_id}}{path}",
                "message",
                names,
                expected_version=made["version"],
                **body,
            )

        step("patch", "", body="y")
        step("post", "/approve")
        with transaction() as session:
            row = session.exec(select(OutboundMessage).where(col(OutboundMessage.status) == "queued")).one()
            row.status = "unknown"
            session.add(row)
        step("post", "/resolve", outcome="not_sent")
        step("post", "/cancel")
        self.business("post", "/api/outbound/opt-out", "policy", {}, contact_id=contact)
        self.business(
            "put", "/api/outbound/policies/{contact_id}", "policy", {"contact_id": contact}, max_per_week=1
        )

    def identity(self) -> None:
        """Two suggestions: one is accepted and undone, one is dismissed."""
        accepted, dismissed = (str(each) for each in fill_suggestions(self.place))
        self.call("post", "/api/identity/suggestions/preview")
        links: Any = self.business("post", "/api/identity/apply", "links", {}, suggestion_ids=[accepted])
        self.business("post", "/api/identity/unlink", "suggestions", {}, link_ids=[links[0]["id"]])
        self.business("post", "/api/identity/dismiss", "suggestions", {}, suggestion_ids=[dismissed])

    def money(self) -> None:
        self.call("put", "/api/money/base-currency", {"base_currency": "USD"})
        self.call("put", "/api/money/stage-probabilities", {"lead": "20"})
        rate = {"from_currency": "USD", "to_currency": "EUR", "valid_on": "2026-01-01", "rate": "0.9"}
        self.call("put", "/api/money/exchange-rates", rate)

    def signals(self) -> None:
        signal, action = fill_signals(self.place)
        self.business("post", "/api/nba/{action_id}", "action", {"action_id": action.id}, decision="done")
        self.business(
            "post", "/api/signals/{signal_id}", "signal", {"signal_id": signal.id}, decision="accept"
        )
        self.call("post", "/api/signals/scan")
        self.business(
            "post", "/api/agreements/{agreement_id}", "agreement",
            {"agreement_id": fill_agreement(self.place).id}, status="kept",
        )  # fmt: skip
        self.call("post", "/api/agreements/extract")

    def platform(self) -> None:
        with transaction() as session:
            run = QueryRun(
                account_scope_id=self.place.scope, project_ids=[str(self.place.project)], mode="hybrid", query="x",
                profile="default", answerable=True, quality_score=1, took_ms=1,
            )  # fmt: skip
            session.add(run)
            error = session.exec(
                select(ConnectorError).where(ConnectorError.project_id == self.place.project)
            ).first()
            session.flush()
            assert error is not None
        self.call("post", "/api/projects", {"slug": "gamma", "name": "Gamma"})
        self.call("post", "/api/projects/{project_id}/select", project_id="all")
        self.call("post", "/api/lightrag/feedback", {"query_run_id": str(run.id), "rating": "down"})
        self.call("put", "/api/lightrag/cases/{query_run_id}", {"evidence": []}, query_run_id=run.id)
        kept = self.call("post", "/api/lightrag/saved", {"query": "x"})["saved"]
        self.call("delete", "/api/lightrag/saved/{saved_id}", saved_id=kept["id"])
        self.call("post", "/api/lightrag/refresh")
        self.call("post", "/api/connectors/errors/retry", {"error_ids": [str(error.id)]})
        self.call("post", "/api/connectors/sync")
        self.call("post", "/api/connectors/reconciliation/run")
        for verb in ("sync", "repair"):
            self.call("post", f"/api/connectors/{{name}}/{verb}", name="linear")
        self.call("post", "/api/jobs/run", {"job": "index"})
        self.call(
            "put", "/api/webhooks/{connector}/{binding}/secret", {"secret": "0123456789abcdef0123"},
            connector="linear", binding=self.place.connections["linear"],
        )  # fmt: skip
        self.bindings()
        self.access()
        self.call("post", "/api/auth/login", {"username": USER, "password": PASSWORD, "account_scope": "one"})
        self.client.headers["x-csrf-token"] = self.client.get("/api/auth/me").json()["csrf_token"]
        self.call("post", "/api/auth/logout")

    def bindings(self) -> None:
        """One change of rules a connection at a time: each at another one."""
        connections, rules = self.place.connections, {}
        with transaction() as session:
            for connector, kind in (("chatwoot", "label"), ("attio", "list")):
                rule = ProjectBinding(
                    account_scope_id=self.place.scope, project_id=self.place.project,
                    connection_id=connections[connector], rule_kind=kind, rule_value="walk",
                )  # fmt: skip
                session.add(rule)
                session.flush()
                rules[connector] = str(rule.id)
        rule = {
            "connection_id": str(connections["linear"]),
            "project_id": "alpha",
            "rule_kind": "team",
            "rule_value": "WLK",
        }
        self.call("post", "/api/bindings", rule)
        self.call("patch", "/api/bindings/{binding_id}", {"priority": 7}, binding_id=rules["chatwoot"])
        self.call("delete", "/api/bindings/{binding_id}", binding_id=rules["attio"])

    def access(self) -> None:
        made = self.call("post", "/api/auth/keys", {"name": "report"})
        self.call("delete", "/api/auth/keys/{key_id}", key_id=made["key"]["id"])
        for _ in range(2):
            with httpx.Client(base_url=self.client.base_url, timeout=30) as other:
                other.post("/api/auth/login", json={"username": USER, "password": PASSWORD})
        listed = self.client.get("/api/auth/sessions").json()["items"]
        ended = next(each for each in listed if not each["current"])
        self.call("delete", "/api/auth/sessions/{session_id}", session_id=ended["id"])
        self.call("delete", "/api/auth/sessions")


def test_every_mutation_leaves_an_event_with_actor_entity_and_request(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    walk = Walk(client, worlds["one"])
    _, contact = walk.crm()
    walk.offers()
    walk.outbound(contact)
    walk.identity()
    walk.money()
    walk.signals()
    walk.platform()
    mutations = {(method, path) for method, path in described() if method not in ("get", "head")}
    assert {key for key, _, _ in walk.done} == mutations - set(NO_EVENT), (
        "a mutation is neither walked nor excused"
    )
    with transaction() as session:
        events = {row.request_id: row for row in session.exec(select(AuditEvent)) if row.request_id}
    for key, request_id, _ in walk.done:
        event = events.get(request_id)
        assert event is not None, f"{key} left no event"
        assert event.actor == USER, key
        assert event.action.count(".") == 1, key
        assert event.entity_type, key
        assert event.entity_id, key
        assert (
            event.before is not None
            or event.after is not None
            or "login" in event.action
            or "logout" in event.action
        ), key
        assert str(event.account_scope_id) == str(worlds["one"].scope), key
        if key[1].startswith(OF_A_PROJECT):
            assert event.project_id == worlds["one"].places["alpha"].project, key


def test_a_refused_mutation_leaves_no_event(client: httpx.Client, worlds: dict[str, World]) -> None:
    made = add(client, "/crm/accounts", "account", name="Lumen")
    with transaction() as session:
        before = len(session.exec(select(AuditEvent)).all())
    body = {"project_id": "alpha", "expected_version": 9, "name": "x"}
    assert client.patch(f"/api/crm/accounts/{made['id']}", json=body).status_code == 409
    with transaction() as session:
        assert len(session.exec(select(AuditEvent)).all()) == before


def test_events_are_narrowed_by_what_is_asked_for(client: httpx.Client, worlds: dict[str, World]) -> None:
    made = add(client, "/crm/accounts", "account", name="Lumen")
    add(client, "/offers", "offer", title="x", currency="EUR")
    client.put(
        "/api/money/base-currency", json={"base_currency": "USD"}, headers={"x-request-id": "money-request"}
    )

    def actions(query: str) -> list[str]:
        answer = client.get(f"/api/audit?{query}")
        assert answer.status_code == 200, answer.text
        return [each["action"] for each in answer.json()["items"]]

    assert actions("project_id=alpha") == ["offer.create", "account.create"]
    assert actions("project_id=alpha&sort=created_at") == ["account.create", "offer.create"]
    assert actions("project_id=beta") == []
    assert actions("project_id=all") == [
        "base_currency.set",
        "offer.create",
        "account.create",
        "session.login",
    ]
    assert actions("project_id=all&action=account.*") == ["account.create"]
    assert actions("project_id=all&action=a%25") == []
    assert actions(f"project_id=all&entity_type=account&entity_id={made['id']}") == ["account.create"]
    assert actions("project_id=all&actor=nobody") == []
    assert actions("project_id=all&request_id=money-request") == ["base_currency.set"]
    later = (utcnow() + dt.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert actions(f"project_id=all&since={later}") == []
    assert len(actions(f"project_id=all&until={later}")) == 4


@pytest.mark.parametrize(
    "query", ["since=yesterday", "since=2026-01-01T00:00:00", "cursor=x", "sort=actor", f"actor={'x' * 201}"]
)
def test_a_filter_that_makes_no_sense_is_400(client: httpx.Client, query: str) -> None:
    assert client.get(f"/api/audit?{query}").status_code == 400


def test_the_ends_of_the_calendar_are_no_fault(client: httpx.Client) -> None:
    for instant in ("0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00"):
        assert client.get(f"/api/audit?since={instant}").status_code == 200


def test_events_are_paged_without_loss(client: httpx.Client, worlds: dict[str, World]) -> None:
    for number in range(5):
        add(client, "/crm/accounts", "account", name=f"A{number}")
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        page = client.get(f"/api/audit?project_id=alpha&limit=2{cursor and f'&cursor={cursor}'}").json()
        seen += [each["id"] for each in page["items"]]
        cursor = page["next_cursor"]
    assert len(seen) == len(set(seen)) == 5


def test_nothing_of_an_unknown_row_is_told(client: httpx.Client, worlds: dict[str, World]) -> None:
    fill_commerce(worlds["two"].places["alpha"])
    with transaction() as session:
        foreign = session.exec(
            select(Opportunity).where(Opportunity.account_scope_id == worlds["two"].scope)
        ).first()
    assert foreign is not None
    unknown = client.get(f"/api/crm/opportunities/{new_id()}").json()["error"]
    hidden = client.get(f"/api/crm/opportunities/{foreign.id}").json()["error"]
    assert unknown == hidden
