"""Whatever column of a row is altered behind the copy's back, the deep comparison finds that row and repair mends it."""

from typing import Any

import pytest
from sqlalchemy import ARRAY, Column, Date, DateTime, Numeric, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import SQLModel

from jobs.crm_mirror import mirror_connection
from jobs.indexing import index_pending
from jobs.repair import repair_connection
from models.infra.database import reading, transaction
from models.infra.ids import AccountScopeId
from models.queries.reconciliation import read_differences
from models.queries.records import PEERS, STREAM_TABLES
from tests.jobs.copies import change, measure, run_sync
from tests.jobs.small_vendors import SmallVendors

# What names the row, and what a sync notes down about its own doings. `deleted_at` has tests of its own.
NOT_CONTENT = {
    "id", "project_id", "account_scope_id", "connection_id", "vendor_id", "synced_at", "deleted_at", "max_message_id",
    "messages_as_of",
}  # fmt: skip
# Columns that no sync fills.
UNUSED = {("attio_deals", "company_name"), ("attio_notes", "parent_name")}


def columns_of(table: str) -> list[Column[Any]]:
    return [
        column
        for column in SQLModel.metadata.tables[table].columns
        if column.name not in NOT_CONTENT and (table, column.name) not in UNUSED
    ]


def other_value(table: str, column: Column[Any]) -> str:
    """An SQL expression of another value for a column of `t`."""
    name, kind = f"t.{column.name}", column.type
    place = next(place for place in STREAM_TABLES.values() if place.table == table)
    if column.name == place.parent_column:
        parent = STREAM_TABLES[_connector_of(table), place.parent_stream or ""].table
        return f"(SELECT p.id FROM {parent} p WHERE p.id <> {name} AND p.project_id = t.project_id LIMIT 1)"  # noqa: S608
    if any((peer.child_table, peer.column) == (table, column.name) for peer in PEERS):
        return "NULL"
    if isinstance(kind, JSONB):
        return f"{name} || '{{\"forged\": true}}'"
    if isinstance(kind, ARRAY):
        return f"array_append({name}, 'forged')"
    if isinstance(kind, DateTime):
        return f"coalesce({name}, now()) + interval '1 day'"
    if isinstance(kind, Date):
        return f"coalesce({name}, current_date) + 1"
    if kind.python_type is bool:
        return f"NOT {name}"
    if isinstance(kind, Numeric) or kind.python_type in (int, float):
        return f"coalesce({name}, 0) + 1"
    return f"overlay(coalesce({name}, 'old') PLACING 'X' FROM 1 FOR 1)"


def _connector_of(table: str) -> str:
    return next(connector for (connector, _), place in STREAM_TABLES.items() if place.table == table)


def rows_of(table: str) -> dict[str, dict[str, Any]]:
    with reading() as session:
        found = session.execute(text(f"SELECT to_jsonb(t) - 'synced_at' FROM {table} t"))  # noqa: S608
        return {row["vendor_id"]: row for row in found.scalars()}


def victim_of(table: str, column: str) -> str:
    """A row where the column is filled, if there is one: links that are set can be cut."""
    return change(
        f"SELECT vendor_id FROM {table} WHERE deleted_at IS NULL ORDER BY {column} IS NULL, vendor_id LIMIT 1"  # noqa: S608
    )[0]


@pytest.mark.parametrize(("connector", "stream"), list(STREAM_TABLES))
def test_an_altered_column_is_found_by_the_deep_comparison_and_mended_by_repair(
    small: SmallVendors, connector: str, stream: str
) -> None:
    _, connection_id = small.connect(connector)
    run_sync(connection_id)
    table = STREAM_TABLES[connector, stream].table
    before = rows_of(table)
    altered = 0
    for column in columns_of(table):
        victim = victim_of(table, column.name)
        change(
            f"UPDATE {table} t SET {column.name} = {other_value(table, column)} WHERE vendor_id = :victim"  # noqa: S608
            " RETURNING vendor_id",
            victim=victim,
        )
        if rows_of(table) == before:
            continue  # a link that no row has
        altered += 1
        found = measure(connection_id)
        wrong = {each.stream: (each.missing, each.extra, each.stale) for each in found.streams.values()}
        assert wrong[stream] == (0, 0, 1), (column.name, wrong)
        with reading() as session:
            assert read_differences(session, connection_id, stream).stale == [victim], column.name
        repair_connection(connection_id)
        assert rows_of(table) == before, column.name
    assert altered > 3


@pytest.mark.parametrize(
    ("connector", "stream"), [key for key, place in STREAM_TABLES.items() if not place.parent_stream]
)
def test_a_row_put_into_another_project_is_found_and_put_back(
    small: SmallVendors, connector: str, stream: str
) -> None:
    _, connection_id = small.connect(connector)
    run_sync(connection_id)
    tables = [place.table for (owner, _), place in STREAM_TABLES.items() if owner == connector]
    before = {table: rows_of(table) for table in tables}
    table = STREAM_TABLES[connector, stream].table
    with transaction() as session:
        # The database holds links inside a project: whoever moves a row has to cut them.
        for peer in PEERS:
            if table in (peer.child_table, peer.peer_table):
                session.execute(text(f"UPDATE {peer.child_table} SET {peer.column} = NULL"))  # noqa: S608
        victim = session.execute(
            text(
                f"UPDATE {table} SET project_id = (SELECT id FROM projects WHERE slug = 'beta') WHERE id ="  # noqa: S608
                f" (SELECT t.id FROM {table} t JOIN projects p ON p.id = t.project_id WHERE p.slug <> 'beta'"
                " AND t.deleted_at IS NULL ORDER BY t.vendor_id LIMIT 1) RETURNING vendor_id"
            )
        ).scalar_one()
    measure(connection_id)
    with reading() as session:
        assert victim in read_differences(session, connection_id, stream).stale
    repair_connection(connection_id)
    measure(connection_id)
    repair_connection(connection_id)  # what follows a record of another stream comes after it
    assert {table: rows_of(table) for table in tables} == before
    assert measure(connection_id).counts()["stale"] == 0


@pytest.mark.parametrize("connector", ["chatwoot", "linear", "attio"])
def test_many_altered_rows_of_all_streams_are_found_exactly_and_mended_together(
    small: SmallVendors, connector: str
) -> None:
    _, connection_id = small.connect(connector)
    run_sync(connection_id)
    streams = {stream: place.table for (owner, stream), place in STREAM_TABLES.items() if owner == connector}
    before = {table: rows_of(table) for table in streams.values()}
    spoilt = {
        stream: sorted(
            change(
                f"UPDATE {table} SET payload = '{{}}' WHERE id IN"  # noqa: S608
                f" (SELECT id FROM {table} WHERE deleted_at IS NULL ORDER BY vendor_id LIMIT 2) RETURNING vendor_id"
            )
        )
        for stream, table in streams.items()
    }
    measure(connection_id)
    for stream, victims in spoilt.items():
        with reading() as session:
            assert read_differences(session, connection_id, stream).stale == victims
    repair_connection(connection_id)
    assert {table: rows_of(table) for table in streams.values()} == before
    assert measure(connection_id).counts()["stale"] == 0


def test_a_message_hung_under_another_conversation_everywhere_comes_back_in_two_rounds(
    small: SmallVendors,
) -> None:
    _, connection_id = small.connect("chatwoot")
    run_sync(connection_id)
    before = {key: row["conversation_id"] for key, row in rows_of("cw_messages").items()}
    (victim,) = change(
        "UPDATE cw_messages m SET conversation_id = o.id, payload = jsonb_build_object('conversation_id', o.vendor_id)"
        " FROM cw_conversations o WHERE o.id <> m.conversation_id AND o.project_id = m.project_id"
        " AND m.id = (SELECT id FROM cw_messages WHERE deleted_at IS NULL ORDER BY vendor_id LIMIT 1)"
        " RETURNING m.vendor_id"
    )
    for _ in range(2):
        measure(connection_id)
        repair_connection(connection_id)
    assert measure(connection_id).counts() | {"streams": {}, "requests": 0} == {
        "measured": 5, "unknown": 0, "missing": 0, "extra": 0, "stale": 0, "requests": 0, "unread": 0,
        "mirror_differs": 0, "streams": {},
    }  # fmt: skip
    assert {key: row["conversation_id"] for key, row in rows_of("cw_messages").items()} == before
    assert change("SELECT vendor_id FROM cw_messages WHERE deleted_at IS NOT NULL") == []
    assert victim in before


def chunks_with(word: str) -> list[str]:
    return change("SELECT chunk_key FROM rag_chunks WHERE body LIKE '%' || :word || '%'", word=word)


def test_what_was_forged_into_a_message_leaves_the_index_with_its_repair(small: SmallVendors) -> None:
    scope, connection_id = small.connect("chatwoot")
    run_sync(connection_id)
    _index(scope.id)
    (forged,) = change(
        "UPDATE cw_messages SET body = 'zanzibarforgery', synced_at = clock_timestamp() WHERE id = (SELECT id FROM"
        " cw_messages WHERE deleted_at IS NULL AND message_type = 0 ORDER BY vendor_id LIMIT 1) RETURNING vendor_id"
    )
    _index(scope.id)
    assert len(chunks_with("zanzibarforgery")) == 1
    small.hours.forward(60)
    measure(connection_id)
    repair_connection(connection_id)
    _index(scope.id)
    assert chunks_with("zanzibarforgery") == []
    body = rows_of("cw_messages")[forged]["body"]
    assert chunks_with(body.split()[0])


def test_evidence_names_the_row_that_a_repair_brought_back(small: SmallVendors) -> None:
    scope, connection_id = small.connect("chatwoot")
    run_sync(connection_id)
    _index(scope.id)
    change("DELETE FROM cw_messages WHERE message_type IN (0, 1) RETURNING vendor_id")
    measure(connection_id)
    repair_connection(connection_id)
    _index(scope.id)
    dangling = "SELECT vendor_id FROM chunk_sources WHERE record_id NOT IN (SELECT id FROM cw_messages)"
    assert change(dangling) == []
    assert change("SELECT vendor_id FROM chunk_sources")


def _index(account_scope_id: AccountScopeId) -> None:
    index_pending(account_scope_id, lexical_only=True, budget_s=60)


@pytest.mark.parametrize(
    ("table", "spoil"),
    [
        ("crm_accounts", "UPDATE {} SET name = 'Forged'"),
        ("crm_accounts", "UPDATE {} SET domain = 'forged.example'"),
        ("crm_accounts", "UPDATE {} SET deleted_at = now()"),
        ("crm_account_contacts", "UPDATE {} SET email = 'forged@forged.example'"),
        ("crm_account_contacts", "DELETE FROM {}"),
        ("crm_opportunities", "UPDATE {} SET amount = 1, stage = 'won'"),
        ("crm_opportunities", "DELETE FROM {}"),
    ],
)
def test_what_the_mirror_derives_is_derived_again_after_a_deep_comparison(
    small: SmallVendors, table: str, spoil: str
) -> None:
    _, connection_id = small.connect("attio")
    run_sync(connection_id)
    mirror_connection(connection_id)
    before = _mirrored(table)
    change(spoil.format(table) + " RETURNING vendor_id")
    assert _mirrored(table) != before
    measured = measure(connection_id)
    assert measured.counts()["mirror_differs"] > 0
    mirror_connection(connection_id)
    assert _mirrored(table) == before
    assert measure(connection_id).counts()["mirror_differs"] == 0


def test_a_mirrored_row_without_a_record_gets_a_tombstone(small: SmallVendors) -> None:
    _, connection_id = small.connect("attio")
    run_sync(connection_id)
    mirror_connection(connection_id)
    for table in ("crm_accounts", "crm_opportunities"):
        listed = "account_scope_id, project_id, connection_id, name" + (", stage" if "opp" in table else "")
        change(
            f"INSERT INTO {table} (vendor_id, {listed}) SELECT 'never-there', {listed} FROM {table} LIMIT 1"  # noqa: S608
            " RETURNING vendor_id"
        )
    mirror_connection(connection_id)
    for table in ("crm_accounts", "crm_opportunities"):
        alive = f"SELECT vendor_id FROM {table} WHERE vendor_id = 'never-there' AND deleted_at IS NULL"  # noqa: S608
        assert change(alive) == []


def _mirrored(table: str) -> dict[str, dict[str, Any]]:
    kept = "- 'id' - 'version' - 'updated_at' - 'created_at' - 'history_until' - 'account_id'"
    with reading() as session:
        found = session.execute(text(f"SELECT to_jsonb(t) {kept} FROM {table} t WHERE vendor_id IS NOT NULL"))  # noqa: S608
        return {row["vendor_id"]: row for row in found.scalars()}
