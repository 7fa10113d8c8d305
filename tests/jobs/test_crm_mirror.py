"""The CRM tables are what the copy of Attio says, run after run: nothing twice, nothing lost, nothing in a wrong project."""

import datetime as dt
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlmodel import select

from jobs import enqueue, tasks
from jobs.connectors.base import Record
from jobs.crm_mirror import mirror_connection
from jobs.crm_stages import normalise_stage
from jobs.page_writer import SyncRun, read_router, write_records
from models.infra.clock import utcnow
from models.infra.database import reading, transaction
from models.infra.ids import ConnectionId, new_id
from models.queries import crm_mirror as queries
from models.queries.sync_state import ConnectionRow
from models.tables.platform import JobRun
from tests.jobs.copies import change, connect, run_sync
from tests.scopes import MadeScope, make_connection, make_scope
from tests.vendors import Vendors

START = dt.datetime(2026, 3, 2, 10, tzinfo=dt.UTC)
TABLES = ("crm_accounts", "crm_account_contacts", "crm_opportunities", "crm_opportunity_stage_events")


def everything(statement: str, **values: Any) -> list[Any]:
    with reading() as session:
        return list(session.execute(text(statement), values).all())


def column(table: str, name: str) -> list[Any]:
    """One column of a table, oldest row first."""
    return [row[0] for row in everything(f"SELECT {name} FROM {table} ORDER BY id")]  # noqa: S608


def written_by(connection_id: ConnectionId) -> dict[str, list[Any]]:
    """Each CRM row with the transaction that wrote it last."""
    return {table: everything(f"SELECT id, xmin::text FROM {table} ORDER BY id") for table in TABLES}  # noqa: S608


class Workspace:
    """Writes records of an Attio workspace as a sync does: a stream a transaction, routed by lists `one` and `two`."""

    def __init__(self, slug: str) -> None:
        with transaction() as session:
            self.scope: MadeScope = make_scope(session, slug)
            rules = tuple(("list", each, each) for each in ("one", "two"))
            self.connection: ConnectionRow = make_connection(session, self.scope, "attio", rules=rules)
        with reading() as session:
            router = read_router(session, self.connection)
        self._run = SyncRun(self.connection, None, router, utcnow())  # type: ignore[arg-type]

    def write(self, stream: str, *records: Record) -> None:
        with transaction() as session:
            write_records(session, self._run, stream, list(records))

    def mirror(self) -> Any:
        return mirror_connection(self.connection.id)

    def project(self, slug: str) -> Any:
        return self.scope.projects[slug]


def company(key: str, *lists: str, deleted: bool = False, name: str = "Acme") -> Record:
    return Record(
        "companies", key,
        {"name": name, "domains": [f"{key}.example"], "description": "", "city": None, "country": None, "categories": []},
        {}, created_at=START, deleted=deleted, facts=frozenset(("list", each) for each in lists),
    )  # fmt: skip


def person(key: str, of: str | None, *, deleted: bool = False) -> Record:
    return Record(
        "people", key,
        {"name": key.title(), "emails": [f"{key}@x.example"], "phones": [], "job_title": "Boss", "company_vendor_id": of},
        {}, created_at=START, deleted=deleted, follows=("companies", of) if of else None,
    )  # fmt: skip


def deal(
    key: str,
    of: str | None,
    stage: str | None = "Lead",
    *,
    since: dt.datetime = START,
    value: str | None = "100.50",
    currency: str | None = "EUR",
    deleted: bool = False,
    past: tuple[tuple[str, dt.datetime], ...] = (),
) -> Record:
    stages = [(stage, since), *past] if stage else []
    values = [
        {"status": {"title": title}, "active_from": at.strftime("%Y-%m-%dT%H:%M:%S.%f") + "789Z"}
        for title, at in stages
    ]
    return Record(
        "deals", key,
        {
            "name": key.title(), "stage": stage, "stage_since": since, "value": value, "currency": currency,
            "owner_name": None, "company_vendor_id": of, "people_vendor_ids": [], "next_step": None, "close_date": None,
        },
        {"values": {"stage": values}}, created_at=START, deleted=deleted, follows=("companies", of) if of else None,
    )  # fmt: skip


def test_the_demo_workspace_is_mirrored_once(database: str, still_vendors: Vendors) -> None:
    _, connection_id = connect(still_vendors, "attio")
    run_sync(connection_id)
    done = mirror_connection(connection_id)
    for raw, table in (("companies", "crm_accounts"), ("deals", "crm_opportunities")):
        assert everything(
            f"SELECT vendor_id, project_id, name FROM {table} ORDER BY vendor_id"  # noqa: S608
        ) == everything(
            f"SELECT vendor_id, project_id, name FROM attio_{raw} WHERE deleted_at IS NULL ORDER BY vendor_id"  # noqa: S608
        )
    assert done.accounts.inserted > 0
    assert done.contacts.inserted > 0
    assert done.opportunities.inserted == done.stage_events > 0
    assert (done.unplaced.stages, done.unplaced.deals_unmapped) == ((), 0)
    assert {row.stage for row in everything("SELECT DISTINCT stage FROM crm_opportunities")} >= {
        "won",
        "lost",
        "lead",
    }
    before = written_by(connection_id)
    assert mirror_connection(connection_id).written == 0
    assert written_by(connection_id) == before


def test_a_company_that_moved_takes_its_rows_along_and_they_stay_the_same_rows(database: str) -> None:
    held = Workspace("moving")
    held.write("companies", company("acme", "one"))
    held.write("people", person("ann", "acme"))
    held.write("deals", deal("big", "acme"))
    held.mirror()
    ids = {table: column(table, "id") for table in TABLES}
    (contact,), (opportunity,) = ids["crm_account_contacts"], ids["crm_opportunities"]
    values = {"scope": held.scope.id, "project": held.project("one")}
    change("INSERT INTO contact_channel_policies (contact_id, channel, opted_out, max_per_week, stop_on_reply,"
           " account_scope_id, project_id) VALUES (:contact, 'email', true, 2, true, :scope, :project)"
           " RETURNING contact_id", contact=contact, **values)  # fmt: skip
    change("INSERT INTO offers (opportunity_id, title, status, currency, discount_pct, account_scope_id, project_id)"
           " VALUES (:opportunity, 'Offer', 'draft', 'EUR', 0, :scope, :project) RETURNING id",
           opportunity=opportunity, **values)  # fmt: skip
    held.write("companies", company("acme", "two"))  # each stream commits by itself, as pages do
    held.write("people", person("ann", "acme"))
    held.write("deals", deal("big", "acme"))
    held.mirror()
    for table in (*TABLES, "offers"):
        assert column(table, "project_id") == [held.project("two")], table
    assert {table: column(table, "id") for table in TABLES} == ids
    (row,) = everything("SELECT account_id, attio_deal_id FROM crm_opportunities")
    assert None not in (row.account_id, row.attio_deal_id)
    (policy,) = everything("SELECT opted_out, project_id FROM contact_channel_policies")
    assert (policy.opted_out, policy.project_id) == (True, held.project("two"))
    assert held.mirror().written == 0


def test_a_company_whose_people_and_deals_have_not_moved_yet_is_no_obstacle(database: str) -> None:
    held = Workspace("halfway")
    held.write("companies", company("acme", "one"))
    held.write("people", person("ann", "acme"))
    held.write("deals", deal("big", "acme"))
    held.mirror()
    held.write("companies", company("acme", "two"))
    done = held.mirror()
    assert (done.accounts.updated, done.contacts.deleted, done.opportunities.updated) == (1, 1, 1)
    (row,) = everything("SELECT project_id, account_id FROM crm_opportunities")
    assert (row.project_id, row.account_id) == (held.project("one"), None)
    held.write("people", person("ann", "acme"))
    held.write("deals", deal("big", "acme"))
    done = held.mirror()
    assert (done.contacts.inserted, done.contacts.updated, done.unplaced.people_without_account) == (0, 1, 0)
    (row,) = everything("SELECT project_id, account_id, deleted_at FROM crm_account_contacts")
    assert (row.project_id, row.deleted_at) == (held.project("two"), None)


def test_a_record_that_moves_while_it_is_mirrored_is_mirrored_again(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Workspace("race")
    held.write("companies", company("acme", "one"))
    real, calls = queries.mirror_accounts, [0]

    def mirror_accounts(session: Any, connection_id: ConnectionId) -> Any:
        found = real(session, connection_id)
        calls[0] += 1
        if calls[0] == 1:
            held.write("companies", company("acme", "two"))
        return found

    monkeypatch.setattr(queries, "mirror_accounts", mirror_accounts)
    assert held.mirror().accounts.inserted == 1
    assert calls == [2]
    assert column("crm_accounts", "project_id") == [held.project("two")]


def test_a_company_in_two_lists_is_one_account_of_the_project_whose_rule_comes_first(database: str) -> None:
    held = Workspace("lists")
    held.write("companies", company("acme", "two", "one"))
    held.write("deals", deal("big", "acme"))
    held.mirror()
    for table in ("crm_accounts", "crm_opportunities"):
        assert column(table, "project_id") == [held.project("one")]


def test_a_deal_without_a_company_and_a_person_without_one_are_counted(database: str) -> None:
    held = Workspace("alone")
    held.write("people", person("ann", None))
    held.write("deals", deal("big", None), deal("odd", "unknown", currency=None))
    done = held.mirror()
    assert (done.opportunities.inserted, done.contacts.inserted) == (2, 0)
    assert (done.unplaced.deals_without_account, done.unplaced.people_without_account) == (2, 1)
    assert done.unplaced.amounts_without_currency == 1
    assert {row.project_id for row in everything("SELECT project_id FROM crm_opportunities")} == {
        held.project("unassigned")
    }


def test_tombstones_follow_and_go_when_the_record_comes_back(database: str) -> None:
    held = Workspace("gone")
    held.write("companies", company("acme", "one"), company("never", "one", deleted=True))
    held.write("people", person("ann", "acme"))
    held.write("deals", deal("big", "acme"))
    held.mirror()
    assert len(everything("SELECT id FROM crm_accounts")) == 1
    held.write("companies", company("acme", "one", deleted=True))
    assert (held.mirror().opportunities.updated, column("crm_opportunities", "account_id")) == (1, [None])
    held.write("companies", company("acme", "one"))
    held.mirror()
    held.write("companies", company("acme", "one", deleted=True))
    held.write("deals", deal("big", "acme", deleted=True))
    done = held.mirror()
    assert (done.accounts.deleted, done.contacts.deleted, done.opportunities.deleted) == (1, 1, 1)
    assert len(everything("SELECT id FROM crm_opportunity_stage_events")) == 1
    assert held.mirror().written == 0
    held.write("companies", company("acme", "one"))
    held.write("deals", deal("big", "acme"))
    done = held.mirror()
    assert (done.accounts.updated, done.contacts.updated, done.opportunities.updated) == (1, 1, 1)
    for table in TABLES[:3]:
        assert column(table, "deleted_at") == [None]


def test_stages_gather_into_a_history_and_unknown_ones_are_counted_and_named(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Workspace("stages")
    later = START + dt.timedelta(days=3, microseconds=61_281)
    held.write("deals", deal("big", None, "Lead"))
    held.mirror()
    held.write(
        "deals",
        deal(
            "big",
            None,
            "Waiting room",
            since=later,
            past=(("Lead", START), ("Proposal", START + dt.timedelta(1))),
        ),
    )
    done = held.mirror()
    assert (done.stage_events, done.unplaced.stages, done.unplaced.deals_unmapped) == (
        2,
        ("Waiting room",),
        1,
    )
    assert done.counts()["unmapped"] == 1
    history = "SELECT stage, vendor_stage, entered_at FROM crm_opportunity_stage_events ORDER BY entered_at"
    assert [tuple(row) for row in everything(history)] == [
        ("lead", "Lead", START),
        ("proposal", "Proposal", START + dt.timedelta(1)),
        ("unmapped", "Waiting room", later),
    ]
    monkeypatch.setitem(normalise_stage.__globals__["_BY_TITLE"], "waiting room", "negotiation")
    done = held.mirror()
    assert (done.stage_events, done.opportunities.updated, done.unplaced.stages) == (1, 1, ())
    assert everything(history)[-1].stage == "negotiation"
    assert held.mirror().written == 0


def test_two_scopes_with_the_same_vendor_ids_stay_apart(database: str) -> None:
    one, two = Workspace("first"), Workspace("second")
    for held in (one, two):
        held.write("companies", company("acme", "one"))
        held.write("people", person("ann", "acme"))
        held.write("deals", deal("big", "acme"))
    one.mirror()
    for table in TABLES:
        assert set(column(table, "account_scope_id")) == {one.scope.id}, table
    two.mirror()
    assert one.mirror().written == 0
    assert len(everything("SELECT id FROM crm_accounts")) == 2


def test_a_sync_that_wrote_asks_for_the_mirror_and_the_run_says_what_it_did(
    database: str, still_vendors: Vendors
) -> None:
    _, connection_id = connect(still_vendors, "attio")
    [ref] = enqueue.request_sync(connection_id, "anna")
    tasks.sync_connection(str(connection_id), ref.run_id)
    with reading() as session:
        run = session.exec(select(JobRun).where(JobRun.job == "mirror")).one()
    assert (run.subject, run.status) == (str(connection_id), "queued")
    tasks.mirror_connection(str(connection_id), str(run.id))
    with reading() as session:
        done = session.get(JobRun, run.id)
        assert done is not None
        assert done.status == "succeeded"
        assert done.counts["written"] > 0
        assert (done.counts["unmapped"], done.counts["unmapped_stages"]) == (0, [])


KEYS = st.sampled_from(["c1", "c2", "c3"])
COMPANIES = st.dictionaries(
    KEYS,
    st.tuples(
        st.sampled_from([(), ("one",), ("two",), ("one", "two")]),
        st.booleans(),
        st.sampled_from(["Acme", "Beta"]),
    ),
    min_size=1,
)
PEOPLE = st.dictionaries(st.sampled_from(["p1", "p2"]), st.tuples(st.none() | KEYS, st.booleans()))
DEALS = st.dictionaries(
    st.sampled_from(["d1", "d2", "d3"]),
    st.tuples(
        st.none() | KEYS,
        st.none() | st.sampled_from(["Lead", "Won 🎉", "Переговоры", "Someday"]),
        st.integers(0, 3),
        st.none() | st.sampled_from(["0", "12.34", "999999999999.99"]),
        st.none() | st.sampled_from(["EUR", "GBP"]),
        st.booleans(),
    ),
)
STATES = st.lists(st.tuples(COMPANIES, PEOPLE, DEALS), min_size=2, max_size=4)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(states=STATES)
def test_the_mirror_of_random_workspaces_is_a_function_of_them(database: str, states: list[Any]) -> None:
    """What stands in the tables after each state is what `expected` computes from the records alone."""
    held = Workspace(f"random-{new_id()}")
    companies: dict[str, Any] = {}
    people: dict[str, Any] = {}
    deals: dict[str, Any] = {}
    once: dict[str, set[str]] = {"crm_accounts": set(), "crm_opportunities": set()}
    events: dict[tuple[str, dt.datetime], str] = {}
    for state in states:
        for known, new in zip((companies, people, deals), state, strict=True):
            known.update(new)
        held.write(
            "companies",
            *(
                company(key, *lists, deleted=gone, name=name)
                for key, (lists, gone, name) in companies.items()
            ),
        )
        held.write("people", *(person(key, of, deleted=gone) for key, (of, gone) in people.items()))
        held.write(
            "deals",
            *(
                deal(
                    key,
                    of,
                    stage,
                    since=START + dt.timedelta(days=day),
                    value=value,
                    currency=currency,
                    deleted=gone,
                )
                for key, (of, stage, day, value, currency, gone) in deals.items()
            ),
        )
        held.mirror()
        once["crm_accounts"] |= {key for key, (_, gone, _) in companies.items() if not gone}
        once["crm_opportunities"] |= {key for key, (*_, gone) in deals.items() if not gone}
        for key, (_, stage, day, *_) in deals.items():
            if stage and key in once["crm_opportunities"]:
                # Another title at the same instant is the same event, renamed.
                events[key, START + dt.timedelta(days=day)] = normalise_stage(stage)
        assert_mirrored(held, companies, people, deals, once, events)
        assert held.mirror().written == 0


def assert_mirrored(
    held: Workspace,
    companies: Any,
    people: Any,
    deals: Any,
    once: dict[str, set[str]],
    events: dict[Any, str],
) -> None:
    def home(of: str | None) -> Any:
        lists = companies[of][0] if of in companies else ()
        return held.project("one" if "one" in lists else "two" if "two" in lists else "unassigned")

    def lives(of: str | None) -> bool:
        return of in companies and not companies[of][1]

    rows = {"connection": held.connection.id}
    accounts = everything("SELECT vendor_id, project_id, name, domain, deleted_at IS NOT NULL FROM crm_accounts"
                          " WHERE connection_id = :connection", **rows)  # fmt: skip
    assert {tuple(row) for row in accounts} == {
        (key, home(key), name, f"{key}.example", gone)
        for key, (_, gone, name) in companies.items()
        if key in once["crm_accounts"]
    }
    contacts = everything("SELECT k.vendor_id, k.project_id, a.vendor_id, k.name FROM crm_account_contacts k"
                          " JOIN crm_accounts a ON a.id = k.account_id"
                          " WHERE k.connection_id = :connection AND k.deleted_at IS NULL", **rows)  # fmt: skip
    assert {tuple(row) for row in contacts} == {
        (key, home(of), of, key.title()) for key, (of, gone) in people.items() if not gone and lives(of)
    }
    found = everything("SELECT o.vendor_id, o.project_id, a.vendor_id, o.stage, o.vendor_stage, o.amount::text, o.currency,"
                       " o.deleted_at IS NOT NULL FROM crm_opportunities o LEFT JOIN crm_accounts a ON a.id = o.account_id"
                       " WHERE o.connection_id = :connection", **rows)  # fmt: skip
    assert {tuple(row) for row in found} == {
        (
            key, home(of), of if lives(of) else None, normalise_stage(stage), stage,
            None if value is None else f"{float(value):.2f}", currency, gone,
        )
        for key, (of, stage, _, value, currency, gone) in deals.items()
        if key in once["crm_opportunities"]
    }  # fmt: skip
    history = everything("SELECT o.vendor_id, e.stage, e.entered_at FROM crm_opportunity_stage_events e"
                         " JOIN crm_opportunities o ON o.id = e.opportunity_id AND o.project_id = e.project_id"
                         " WHERE o.connection_id = :connection", **rows)  # fmt: skip
    assert {tuple(row) for row in history} == {(key, stage, at) for (key, at), stage in events.items()}
