"""Raw rows: written only when they changed, tombstoned, moved with their project, linked inside one project."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from models.infra.database import transaction
from models.queries import records
from models.queries.sync_state import ConnectionRow
from tests.scopes import MadeScope, make_connection, make_scope


@pytest.fixture
def session(database: str) -> Iterator[Session]:
    with transaction() as opened:
        yield opened


@pytest.fixture
def scope(session: Session) -> MadeScope:
    return make_scope(session)


@pytest.fixture
def connection(session: Session, scope: MadeScope) -> ConnectionRow:
    return make_connection(session, scope, "chatwoot")


def row(
    connection: ConnectionRow, scope: MadeScope, vendor_id: str, project: str = "one", **more: Any
) -> dict[str, Any]:
    return {
        "connection_id": str(connection.id),
        "account_scope_id": str(scope.id),
        "project_id": str(scope.projects[project]),
        "vendor_id": vendor_id,
        "content_hash": "h1",
        "payload": {"id": vendor_id},
        "deleted": False,
        **more,
    }


def conversation(
    connection: ConnectionRow, scope: MadeScope, vendor_id: str, project: str = "one", **more: Any
) -> dict[str, Any]:
    return row(
        connection, scope, vendor_id, project, status="open", labels=["x"], contact_vendor_id="9", **more
    )


def test_an_unchanged_row_is_not_written_again(
    session: Session, scope: MadeScope, connection: ConnectionRow
) -> None:
    rows = [row(connection, scope, str(n), name=f"contact {n}") for n in range(3)]
    assert records.upsert(session, "cw_contacts", rows) == records.Written(3, 0, 0)
    rows[1] = {**rows[1], "content_hash": "h2", "name": "renamed"}
    assert records.upsert(session, "cw_contacts", rows) == records.Written(0, 1, 2)
    assert session.execute(text("SELECT name FROM cw_contacts WHERE vendor_id = '1'")).scalar() == "renamed"


def test_a_deleted_row_keeps_its_first_tombstone_and_a_returning_one_loses_it(
    session: Session, scope: MadeScope, connection: ConnectionRow
) -> None:
    gone = row(connection, scope, "1", deleted=True)
    records.upsert(session, "cw_contacts", [gone])
    session.execute(text("UPDATE cw_contacts SET deleted_at = '2020-01-01'"))
    records.upsert(session, "cw_contacts", [{**gone, "content_hash": "h2"}])
    assert str(session.execute(text("SELECT deleted_at FROM cw_contacts")).scalar_one()).startswith(
        "2020-01-01"
    )
    records.upsert(session, "cw_contacts", [{**gone, "deleted": False}])
    assert session.execute(text("SELECT deleted_at FROM cw_contacts")).scalar_one() is None


def test_messages_move_with_their_conversation(
    session: Session, scope: MadeScope, connection: ConnectionRow
) -> None:
    records.upsert(session, "cw_conversations", [conversation(connection, scope, "1")])
    parent = records.locate(session, "cw_conversations", connection.id, ["1"])["1"]
    message = row(
        connection,
        scope,
        "50",
        conversation_id=str(parent.id),
        message_type=0,
        private=False,
        body="hello",
        sent_at="2026-01-01T00:00:00+00:00",
    )
    records.upsert(session, "cw_messages", [message])
    records.upsert(session, "cw_conversations", [conversation(connection, scope, "1", "two")])
    assert session.execute(text("SELECT project_id FROM cw_messages")).scalar_one() == scope.projects["two"]


def test_a_message_cannot_hang_on_a_conversation_of_another_project(
    session: Session, scope: MadeScope, connection: ConnectionRow
) -> None:
    records.upsert(session, "cw_conversations", [conversation(connection, scope, "1")])
    parent = records.locate(session, "cw_conversations", connection.id, ["1"])["1"]
    message = row(
        connection,
        scope,
        "50",
        "two",
        conversation_id=str(parent.id),
        message_type=0,
        private=False,
        body="x",
        sent_at="2026-01-01T00:00:00+00:00",
    )
    with pytest.raises(IntegrityError), session.begin_nested():
        records.upsert(session, "cw_messages", [message])


def test_a_row_cannot_claim_a_project_of_another_scope(
    session: Session, scope: MadeScope, connection: ConnectionRow
) -> None:
    other = make_scope(session, "other", ("one",))
    stolen = row(connection, scope, "1") | {"project_id": str(other.projects["one"])}
    with pytest.raises(IntegrityError), session.begin_nested():
        records.upsert(session, "cw_contacts", [stolen])


def test_a_contact_is_linked_only_inside_its_project(
    session: Session, scope: MadeScope, connection: ConnectionRow
) -> None:
    records.upsert(session, "cw_conversations", [conversation(connection, scope, "1")])
    records.upsert(session, "cw_contacts", [row(connection, scope, "9")])
    records.link_peers(session, "cw_contacts", connection.id, ["9"])
    linked = text("SELECT contact_id FROM cw_conversations")
    assert session.execute(linked).scalar_one() is not None
    records.upsert(session, "cw_contacts", [row(connection, scope, "9", "two")])
    records.link_peers(session, "cw_contacts", connection.id, ["9"])
    assert session.execute(linked).scalar_one() is None
    session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))


def test_a_contact_belongs_where_its_first_conversation_does(
    session: Session, scope: MadeScope, connection: ConnectionRow
) -> None:
    early = conversation(connection, scope, "2", "two", source_created_at="2026-01-01T00:00:00+00:00")
    late = conversation(connection, scope, "1", "one", source_created_at="2026-02-01T00:00:00+00:00")
    records.upsert(session, "cw_conversations", [late, early])
    assert records.projects_of_contacts(session, connection.id, ["9"]) == {"9": scope.projects["two"]}


def test_threads_to_read_are_those_whose_last_message_is_not_here(
    session: Session, scope: MadeScope, connection: ConnectionRow
) -> None:
    fresh = conversation(connection, scope, "1") | {"payload": {"id": 1, "messages": [{"id": 70}]}}
    known = conversation(connection, scope, "2") | {"payload": {"id": 2, "messages": [{"id": 60}]}}
    records.upsert(session, "cw_conversations", [fresh, known])
    opened = {each.conversation: each for each in records.threads_to_read(session, connection.id)}
    assert {key: (each.max_message_id, each.last_message_id) for key, each in opened.items()} == {
        "1": (0, 70),
        "2": (0, 60),
    }
    versions = {key: each.synced_at for key, each in opened.items()}
    records.advance_threads(
        session, connection.id, [("1", 50, versions["1"]), ("2", 60, versions["2"]), ("3", 9, None)]
    )
    assert [each.conversation for each in records.threads_to_read(session, connection.id)] == ["1"]


def test_a_thread_stays_to_be_read_until_its_newest_version_was(
    session: Session, scope: MadeScope, connection: ConnectionRow
) -> None:
    """Whichever run wrote the conversation: one that was killed before it read the messages counts too."""
    known = conversation(connection, scope, "2") | {"payload": {"id": 2, "messages": [{"id": 60}]}}
    records.upsert(session, "cw_conversations", [known])
    [first] = records.threads_to_read(session, connection.id)
    records.upsert(session, "cw_conversations", [known | {"content_hash": "edited"}])
    records.advance_threads(session, connection.id, [("2", 60, first.synced_at)])
    [again] = records.threads_to_read(session, connection.id)
    assert again.max_message_id == 60
    records.advance_threads(session, connection.id, [("2", 40, None)])
    assert records.threads_to_read(session, connection.id) == [again]
    records.advance_threads(session, connection.id, [("2", 60, again.synced_at)])
    assert records.threads_to_read(session, connection.id) == []


def test_blockers_are_replaced_as_a_whole(session: Session, scope: MadeScope) -> None:
    linear = make_connection(session, scope, "linear", external_account="")
    issues = [
        row(
            linear,
            scope,
            key,
            identifier=key,
            title=key,
            state_name="Todo",
            state_type="unstarted",
            team_key="A",
            description="",
            priority=0,
            labels=[],
            trashed=False,
        )
        for key in ("a", "b")
    ]
    records.upsert(session, "linear_issues", issues)
    assert records.set_blockers(session, linear.id, {"a": ["B-1", "B-2"]}) == 1
    assert records.set_blockers(session, linear.id, {"a": ["B-1", "B-2"]}) == 0
    assert records.set_blockers(session, linear.id, {"b": ["A-1"]}) == 2
    rows = session.execute(text("SELECT vendor_id, blocked_by FROM linear_issues"))
    found = {row.vendor_id: row.blocked_by for row in rows}
    assert found == {"a": [], "b": ["A-1"]}
