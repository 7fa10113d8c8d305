"""Two runs that write the same records at the same time wait for each other, once and in one direction."""

import threading

from jobs.connectors.base import Record
from jobs.connectors.chatwoot import normalize
from jobs.page_writer import SyncRun, read_router, write_records
from models.infra.clock import utcnow
from models.infra.database import reading, transaction
from models.queries.sync_state import ConnectionRow
from tests.scopes import make_connection, make_scope


def conversation(said: str) -> Record:
    item = {
        "id": 7,
        "inbox_id": 1,
        "status": "open",
        "labels": [said],
        "created_at": 1,
        "updated_at": 2.0,
        "last_activity_at": 2,
        "messages": [],
        "meta": {"sender": {"id": 42, "name": "Visitor"}},
    }
    return normalize.conversation(item, account_url="", inbox_names={})


def visitor() -> Record:
    return normalize.contact(
        {"id": 42, "name": "Visitor", "created_at": 1}, account_url="", conversation_id="7"
    )


def run_of(connection: ConnectionRow) -> SyncRun:
    with reading() as session:
        return SyncRun(connection, None, read_router(session, connection), utcnow())  # pyright: ignore[reportArgumentType] - nothing is read


def test_a_page_and_a_refetch_of_its_visitor_do_not_lock_each_other_out(database: str) -> None:
    with transaction() as session:
        connection = make_connection(session, make_scope(session, "s", ("a",)), "chatwoot", rules=())
    with transaction() as session:
        write_records(session, run_of(connection), "conversations", [conversation("before")])
    written = threading.Event()

    def refetch() -> None:
        with transaction() as session:
            write_records(session, run_of(connection), "contacts", [visitor()])
        written.set()

    other = threading.Thread(target=refetch)
    with transaction() as session:
        page = run_of(connection)
        write_records(session, page, "conversations", [conversation("after")])
        other.start()
        # It stands at the lock, or has not come to it yet: in neither case may it hold what the page writes next.
        assert not written.wait(0.3)
        write_records(session, page, "contacts", [visitor()])
    other.join(30)
    assert written.is_set()
