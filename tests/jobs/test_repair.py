"""What a comparison found different is mended, and nothing else."""

import pytest

from jobs.repair import repair, repair_connection
from models.infra.database import reading
from models.infra.ids import ProjectId
from models.queries.reconciliation import read_differences
from models.queries.records import STREAM_TABLES
from tests.jobs.copies import (
    CONNECTORS,
    change,
    connect,
    measure,
    metrics,
    run_sync,
)
from tests.vendors import Vendors

LEAVES = {
    "cw_messages", "cw_attachments", "cw_inboxes", "linear_comments", "linear_states", "linear_cycles", "attio_notes",
    "attio_tasks",
}  # fmt: skip


def spoil(table: str) -> tuple[list[str], list[str]]:
    """Alter the first row of a table, add a copy of it as 999999999 and remove the last; (altered, removed) ids."""
    columns = change(
        "SELECT column_name FROM information_schema.columns WHERE table_name = :table AND is_generated = 'NEVER'"
        " AND column_name NOT IN ('id', 'vendor_id')",
        table=table,
    )
    listed = ", ".join(columns)
    first = f"SELECT id FROM {table} WHERE deleted_at IS NULL ORDER BY vendor_id LIMIT 1"  # noqa: S608
    change(
        f"INSERT INTO {table} (vendor_id, {listed}) SELECT '999999999', {listed}"  # noqa: S608
        f" FROM {table} WHERE id = ({first}) RETURNING vendor_id"
    )
    altered = change(f"UPDATE {table} SET content_hash = 'x' WHERE id = ({first}) RETURNING vendor_id")  # noqa: S608
    # What others point to keeps its row, as a tombstone.
    remove = "DELETE FROM {}" if table in LEAVES else "UPDATE {} SET deleted_at = now()"
    alone = " AND id NOT IN (SELECT message_id FROM cw_attachments)" if table == "cw_messages" else ""
    removed = change(
        f"{remove.format(table)} WHERE id = (SELECT id FROM {table} WHERE deleted_at IS NULL AND vendor_id <> '999999999'{alone}"  # noqa: S608
        " ORDER BY vendor_id DESC LIMIT 1) RETURNING vendor_id"
    )
    return altered, removed


@pytest.mark.parametrize("connector", CONNECTORS)
def test_what_was_changed_behind_its_back_is_found_and_mended(
    database: str, still_vendors: Vendors, connector: str
) -> None:
    _, connection_id = connect(still_vendors, connector)
    run_sync(connection_id)
    streams = {stream: place.table for (owner, stream), place in STREAM_TABLES.items() if owner == connector}
    spoilt = {stream: spoil(table) for stream, table in streams.items()}
    measure(connection_id)
    for stream, (altered, removed) in spoilt.items():
        with reading() as session:
            found = read_differences(session, connection_id, stream)
        assert (list(found.missing), found.extra, found.stale) == (removed, ["999999999"], altered), stream
        whole, *shares = metrics(stream)
        assert whole.vendor_count is not None
        assert whole.completeness_pct == pytest.approx(100 * (whole.vendor_count - 1) / whole.vendor_count)
        assert (whole.missing, whole.extra, whole.stale, whole.duplicates) == (1, 1, 1, 0)
        assert whole.ids_seen == whole.vendor_count == sum(row.vendor_count or 0 for row in shares)
        assert whole.local_count == sum(row.local_count for row in shares)
    for done in repair_connection(connection_id):
        assert (done.written, done.deleted, done.waiting) == (3, 1, 0), done
    for again in measure(connection_id).streams.values():
        assert (again.pct, again.missing, again.extra, again.stale) == (100.0, 0, 0, 0), again


def test_what_happened_at_the_vendors_since_the_sync_is_found_and_mended(
    database: str, moving_vendors: Vendors
) -> None:
    connections = {name: connect(moving_vendors, name)[1] for name in CONNECTORS}
    for connection_id in connections.values():
        run_sync(connection_id)
    for _ in range(26):  # all authored events of six projects, three a tick
        moving_vendors.control("tick")
    for connector, connection_id in connections.items():
        counts = measure(connection_id).counts()
        assert counts["missing"] + counts["stale"] + counts["extra"] > 0, connector
        repair_connection(connection_id)
        left = {
            each.stream: (each.pct, each.extra, each.stale)
            for each in measure(connection_id).streams.values()
        }
        assert left == dict.fromkeys(left, (100.0, 0, 0)), connector
        assert run_sync(connection_id).status == "ok"


def test_a_missing_record_counts_for_the_project_it_would_be_routed_to(
    database: str, still_vendors: Vendors
) -> None:
    scope, connection_id = connect(still_vendors, "linear")
    run_sync(connection_id)
    change(
        "DELETE FROM linear_comments WHERE project_id = :project RETURNING vendor_id",
        project=scope.projects["harbor-pine"],
    )
    (issue,) = change(
        "DELETE FROM linear_issues WHERE id = (SELECT id FROM linear_issues WHERE project_id = :project"
        " AND deleted_at IS NULL ORDER BY vendor_id LIMIT 1) RETURNING vendor_id",
        project=scope.projects["harbor-pine"],
    )
    measure(connection_id)
    shares = {ProjectId(row.project_id): row for row in metrics("issues") if row.project_id}
    assert list(shares[scope.projects["harbor-pine"]].missing_ids) == [issue]
    assert shares[scope.projects["unassigned"]].completeness_pct == 100.0
    comments = {ProjectId(row.project_id): row for row in metrics("comments") if row.project_id}
    assert comments[scope.projects["harbor-pine"]].completeness_pct == 0.0
    assert comments[scope.projects["unassigned"]].missing == 0


def test_repairing_messages_brings_their_conversation_too(database: str, still_vendors: Vendors) -> None:
    _, connection_id = connect(still_vendors, "chatwoot")
    run_sync(connection_id)
    (gone,) = change(
        "DELETE FROM cw_conversations WHERE id = (SELECT conversation_id FROM cw_messages ORDER BY vendor_id LIMIT 1)"
        " RETURNING vendor_id"
    )
    result = measure(connection_id)
    assert (result.streams["conversations"].missing, result.streams["messages"].extra) == (1, 0)
    assert (result.streams["messages"].missing or 0) > 0
    assert repair(connection_id, "messages").inserted == result.streams["messages"].missing
    assert change("SELECT vendor_id FROM cw_conversations WHERE vendor_id = :id", id=gone) == [gone]
    assert measure(connection_id).counts()["missing"] == 0


def test_a_repair_is_bounded_and_says_what_waits(
    database: str, still_vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, connection_id = connect(still_vendors, "attio")
    run_sync(connection_id)
    removed = change("DELETE FROM attio_notes RETURNING vendor_id")
    measure(connection_id)
    monkeypatch.setattr("jobs.repair.RECORDS_AT_MOST", 2)
    done = repair(connection_id, "notes")
    assert (done.inserted, done.waiting) == (2, len(removed) - 2)
