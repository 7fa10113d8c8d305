"""A changed routing rule takes its records along: rows, children, chunks, derived tables, all at once or not at all."""

import threading
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlmodel import SQLModel, select

from jobs import cascade, enqueue, tasks
from jobs.crm_mirror import mirror_connection
from jobs.indexing import index_pending
from jobs.rebinding import change_rule
from jobs.repair import repair_connection
from jobs.stored_records import ROUTED
from jobs.sync import sync_connection
from models.infra.database import reading, transaction
from models.infra.errors import Conflict
from models.infra.ids import ConnectionId, ProjectId, new_id
from models.queries import routing_lock
from models.queries.bindings import BindingFacts, RuleChange, list_bindings
from models.queries.records import STREAM_TABLES
from models.tables.platform import AuditEvent, JobRun
from tests.jobs.copies import change, measure, run_sync
from tests.jobs.small_vendors import SmallVendors
from tests.scopes import MadeScope

# What tells of the past, or is about the project itself.
KEPT = {"audit_events", "job_runs", "project_bindings", "sync_reconciliation_metrics", "sessions"}


def copied(small: SmallVendors, connector: str) -> tuple[MadeScope, ConnectionId]:
    """A copy whose records are indexed, mirrored and compared."""
    scope, connection_id = small.connect(connector)
    run_sync(connection_id)
    if connector == "attio":
        mirror_connection(connection_id)
    measure(connection_id)
    index(scope)
    return scope, connection_id


def index(scope: MadeScope) -> None:
    index_pending(scope.id, lexical_only=True, budget_s=60)


def rules(scope: MadeScope) -> list[BindingFacts]:
    with reading() as session:
        return list_bindings(session, scope.all)


def led_to(rule: BindingFacts, project: ProjectId) -> RuleChange:
    changed = BindingFacts(
        rule.id, rule.connection_id, rule.connector, project, rule.rule_kind, rule.rule_value, rule.priority
    )
    return RuleChange("change", rule.id, changed, "ann")


def rebind(scope: MadeScope, connection_id: ConnectionId, source: str, target: str) -> int:
    """Let every rule that leads to `source` lead to `target`; how many rows moved."""
    return sum(
        change_rule(connection_id, led_to(rule, scope.projects[target])).total
        for rule in rules(scope)
        if rule.project_id == scope.projects[source]
    )


def rows_of(scope: MadeScope, project: str) -> dict[str, int]:
    """How many rows of each table are in a project."""
    counted: dict[str, int] = {}
    with reading() as session:
        for table in SQLModel.metadata.sorted_tables:
            if "project_id" in table.columns and table.name not in KEPT:
                counted[table.name] = session.execute(
                    text(f"SELECT count(*) FROM {table.name} WHERE project_id = :project"),  # noqa: S608
                    {"project": scope.projects[project]},
                ).scalar_one()
    return {table: count for table, count in counted.items() if count}


def placed(connector: str) -> dict[str, dict[str, UUID]]:
    """The project of every raw row, by table and vendor id."""
    with reading() as session:
        return {
            place.table: {
                row.vendor_id: row.project_id
                for row in session.execute(text(f"SELECT vendor_id, project_id FROM {place.table}"))  # noqa: S608
            }
            for (owner, _), place in STREAM_TABLES.items()
            if owner == connector
        }


def audited(action: str) -> list[AuditEvent]:
    with reading() as session:
        rows = list(session.exec(select(AuditEvent).where(AuditEvent.action == action)).all())
        session.expunge_all()
        return rows


def test_every_stream_without_a_parent_is_looked_at() -> None:
    looked_at = {(connector, stream) for connector, streams in ROUTED.items() for stream in streams}
    assert looked_at == {key for key, place in STREAM_TABLES.items() if place.parent_stream is None}


@pytest.mark.parametrize("connector", ["chatwoot", "linear", "attio"])
def test_nothing_is_left_in_the_project_that_a_rule_no_longer_leads_to(
    small: SmallVendors, connector: str
) -> None:
    scope, connection_id = copied(small, connector)
    before = rows_of(scope, "acme")
    assert before.get("rag_chunks", 0) + before.get("entities", 0) > 0
    # The client itself is an entity of its project, and stays.
    assert rebind(scope, connection_id, "acme", "beta") > 0
    left = rows_of(scope, "acme")
    assert left.pop("entities", 0) <= 1
    assert left == {}
    after = rows_of(scope, "beta")
    for table, count in before.items():
        if table not in ("entities", "entity_mentions", "entity_links", "rag_themes", "rag_theme_chunks"):
            assert after.get(table, 0) >= count, table
    # What the index makes of it later changes nothing of that.
    index(scope)
    left = rows_of(scope, "acme")
    left.pop("entities", 0)
    assert left == {}
    again = measure(connection_id).counts()
    assert (again["missing"], again["extra"], again["stale"], again["mirror_differs"]) == (0, 0, 0, 0)


@pytest.mark.parametrize("connector", ["chatwoot", "linear", "attio"])
def test_rows_are_where_a_fresh_copy_with_the_new_rules_would_put_them(
    small: SmallVendors, connector: str
) -> None:
    scope, connection_id = copied(small, connector)
    rebind(scope, connection_id, "acme", "beta")
    moved = placed(connector)
    tables = [place.table for (owner, _), place in STREAM_TABLES.items() if owner == connector]
    with transaction() as session:
        session.execute(text("DELETE FROM rag_chunks"))
        for table in ("crm_opportunities", "crm_accounts", *reversed(tables)):
            session.execute(text(f"DELETE FROM {table}"))  # noqa: S608
        session.execute(text("DELETE FROM sync_watermarks"))
    run_sync(connection_id)
    assert placed(connector) == moved
    assert measure(connection_id).counts()["stale"] == 0


def test_a_rule_led_back_brings_everything_back(small: SmallVendors) -> None:
    scope, connection_id = copied(small, "attio")
    before, counted = placed("attio"), rows_of(scope, "acme")
    rebind(scope, connection_id, "acme", "beta")
    assert placed("attio") != before
    rebind(scope, connection_id, "beta", "acme")
    index(scope)
    assert placed("attio") == before
    assert rows_of(scope, "acme") == counted


def test_chunks_keep_their_vectors_and_no_longer_name_the_other_client(small: SmallVendors) -> None:
    scope, connection_id = copied(small, "linear")
    with transaction() as session:
        session.execute(
            text("INSERT INTO embedding_models (key, provider, dimension) VALUES ('m', 'test', 3)")
        )
        session.execute(
            text(
                "INSERT INTO rag_embeddings (account_scope_id, project_id, chunk_id, model_key, embedding, content_hash)"
                " SELECT account_scope_id, project_id, id, 'm', '[1,2,3]', 'h' FROM rag_chunks WHERE project_id = :acme"
            ),
            {"acme": scope.projects["acme"]},
        )
    vectors = change("SELECT chunk_id FROM rag_embeddings ORDER BY 1")
    assert vectors
    assert change("SELECT id FROM rag_chunks WHERE header ILIKE '%acme%'")
    rebind(scope, connection_id, "acme", "beta")
    assert change("SELECT chunk_id FROM rag_embeddings ORDER BY 1") == vectors
    assert change("SELECT id FROM rag_chunks WHERE header ILIKE '%acme%'") == []
    assert set(change("SELECT project_id FROM rag_embeddings")) == {str(scope.projects["beta"])}


def test_a_change_is_audited_once_with_what_was_and_what_is(small: SmallVendors) -> None:
    scope, connection_id = copied(small, "linear")
    (rule,) = rules(scope)
    asked = led_to(rule, scope.projects["beta"])
    moved = change_rule(connection_id, asked)
    assert change_rule(connection_id, asked).total == 0  # the run was lost at its end and is made again
    (event,) = audited("project_binding.change")
    assert (event.actor, event.entity_id, event.project_id) == ("ann", str(rule.id), scope.projects["beta"])
    assert event.before is not None
    assert event.after is not None
    assert (event.before["project_id"], event.after["project_id"]) == (
        str(scope.projects["acme"]), str(scope.projects["beta"]),
    )  # fmt: skip
    assert event.after["moved"] == moved.streams


def test_a_new_rule_takes_records_and_its_removal_gives_them_back(small: SmallVendors) -> None:
    scope, connection_id = copied(small, "linear")
    (rule,) = rules(scope)
    before = placed("linear")
    issue = change(
        "SELECT linear_project_vendor_id FROM linear_issues WHERE linear_project_vendor_id IS NOT NULL"
    )
    first = BindingFacts(
        new_id(), connection_id, "linear", scope.projects["beta"], "project", issue[0], rule.priority - 1
    )
    made = change_rule(connection_id, RuleChange("create", first.id, first, "ann"))
    assert made.streams["issues"] > 0
    assert change_rule(connection_id, RuleChange("remove", first.id, None, "ann")).total == made.total
    assert placed("linear") == before
    change_rule(connection_id, RuleChange("remove", rule.id, None, "ann"))
    assert set(placed("linear")["linear_issues"].values()) == {scope.projects["unassigned"]}


def test_a_failure_in_the_middle_moves_nothing(small: SmallVendors, monkeypatch: pytest.MonkeyPatch) -> None:
    scope, connection_id = copied(small, "attio")
    before, chunks, crm = placed("attio"), rows_of(scope, "acme"), rules(scope)

    def broken(*_: Any) -> None:
        raise RuntimeError("no space left")

    monkeypatch.setattr("jobs.rebinding.graph.refresh_within", broken)
    with pytest.raises(RuntimeError):
        rebind(scope, connection_id, "acme", "beta")
    assert (placed("attio"), rows_of(scope, "acme"), rules(scope)) == (before, chunks, crm)
    assert audited("project_binding.change") == []


def test_a_sync_that_runs_meanwhile_goes_on_by_the_new_rules(small: SmallVendors) -> None:
    scope, connection_id = small.connect("linear")
    changed = False

    def progress(_: Any) -> None:
        nonlocal changed
        if not changed:
            changed = True
            rebind(scope, connection_id, "acme", "beta")

    sync_connection(connection_id, progress)
    assert changed
    assert "linear_issues" not in rows_of(scope, "acme")
    assert rows_of(scope, "beta")["linear_issues"] > 0


@pytest.mark.parametrize("writer", ["sync", "index"])
def test_writers_wait_for_a_change_of_rules(small: SmallVendors, writer: str) -> None:
    scope, connection_id = small.connect("linear")
    if writer == "index":
        run_sync(connection_id)
    done = threading.Event()

    def copy() -> None:
        run_sync(connection_id) if writer == "sync" else index(scope)
        done.set()

    with transaction() as session:
        routing_lock.hold(session, scope.id)
        copying = threading.Thread(target=copy)
        copying.start()
        assert not done.wait(1)
        if writer == "sync":
            session.execute(
                text("UPDATE project_bindings SET project_id = :beta"), {"beta": scope.projects["beta"]}
            )
        else:
            session.execute(
                text("UPDATE linear_issues SET linear_project_id = NULL, project_id = :beta"),
                {"beta": scope.projects["beta"]},
            )
    copying.join(60)
    assert done.is_set()
    left = rows_of(scope, "acme")
    assert left.keys().isdisjoint({"linear_issues", "rag_chunks"})


def test_errors_and_findings_of_moved_records_leave_the_project_with_them(small: SmallVendors) -> None:
    scope, connection_id = copied(small, "linear")
    change("UPDATE linear_issues SET title = 'forged' RETURNING vendor_id")
    measure(connection_id)
    unit = change("SELECT vendor_id FROM linear_issues LIMIT 1")[0]
    with transaction() as session:
        session.execute(
            text(
                "INSERT INTO connector_errors (account_scope_id, project_id, connection_id, stream, unit, error_kind,"
                " message, status) VALUES (:scope, :acme, :connection, 'issues', :unit, 'bad_record', 'unreadable', 'pending')"
            ),
            {"scope": scope.id, "acme": scope.projects["acme"], "connection": connection_id, "unit": unit},
        )
    rebind(scope, connection_id, "acme", "beta")
    assert change("SELECT project_id FROM connector_errors") == [str(scope.projects["beta"])]
    told = "SELECT id FROM sync_reconciliation_metrics WHERE stale_ids <> '[]' AND project_id = :acme"
    assert change(told, acme=scope.projects["acme"]) == []


def test_the_job_makes_the_change_it_was_asked_for_and_asks_for_what_follows(small: SmallVendors) -> None:
    scope, connection_id = copied(small, "linear")
    (rule,) = rules(scope)
    ref = enqueue.request_rebinding(connection_id, led_to(rule, scope.projects["beta"]).to_json(), "ann")
    with pytest.raises(Conflict):
        enqueue.request_rebinding(connection_id, led_to(rule, scope.projects["acme"]).to_json(), "ann")
    tasks.rebind_connection(str(connection_id), ref.run_id)
    with reading() as session:
        runs = {run.job: (run.status, run.counts) for run in session.exec(select(JobRun)).all()}
    assert runs["rebind"][0] == "succeeded"
    assert runs["rebind"][1]["moved"]["issues"] > 0
    assert {follow.job for follow in cascade.AFTER["rebind"]} <= runs.keys()
    assert "linear_issues" not in rows_of(scope, "acme")


@pytest.mark.parametrize("connector", ["chatwoot", "linear", "attio"])
def test_a_rule_that_was_changed_by_hand_is_noticed_by_the_deep_comparison_and_followed_by_repairs(
    small: SmallVendors, connector: str
) -> None:
    scope, connection_id = copied(small, connector)
    change("UPDATE project_bindings SET project_id = :beta RETURNING id", beta=scope.projects["beta"])
    assert measure(connection_id).counts()["stale"] > 0
    for _ in range(3):
        repair_connection(connection_id)
        if measure(connection_id).counts()["stale"] == 0:
            break
    raw = {place.table for (owner, _), place in STREAM_TABLES.items() if owner == connector}
    assert raw & rows_of(scope, "acme").keys() == set()
    if connector == "attio":
        mirror_connection(connection_id)
    index(scope)
    left = rows_of(scope, "acme")
    left.pop("entities", 0)
    assert left == {}


def test_the_error_of_a_record_that_never_came_follows_the_parent_it_names(small: SmallVendors) -> None:
    scope, connection_id = small.connect("linear")
    small.fault(vendor="linear", kind="bad_record", contains="query Comments", times=1)
    run_sync(connection_id)
    where = "SELECT DISTINCT project_id FROM connector_errors WHERE stream = 'comments' AND project_id IS NOT NULL"
    assert change(where) == [str(scope.projects["acme"])]
    rebind(scope, connection_id, "acme", "beta")
    assert change(where) == [str(scope.projects["beta"])]
