"""Only a vendor's own word that a record is gone removes it here; what hangs on it goes with it."""

import httpx
import pytest
from sqlalchemy import text

from jobs.refetch import refetch_connection
from jobs.retry import retry_connection
from jobs.sandbox.sandbox import MAIN
from models.infra.database import reading, transaction
from models.infra.ids import ConnectionId
from models.queries import webhooks as hints
from models.queries.records import STREAM_TABLES, tombstone
from models.queries.webhooks import Hint
from tests.jobs.copies import run_sync
from tests.jobs.small_vendors import SmallVendors
from tests.jobs.vendor_truth import local

STREAM = {"chatwoot": "conversations", "linear": "issues", "attio": "companies"}
# What proxies and gateways answer while nobody is behind them.
FOREIGN = [
    httpx.Response(404, text="404 page not found\n"),
    httpx.Response(404, html="<html><h1>404 Not Found</h1></html>"),
    httpx.Response(404, json={"message": "no Route matched with those values"}),
    httpx.Response(404, json={"error": "Not Found"}),
    httpx.Response(404, json={"errors": [{"message": "Entity not found: Route"}]}),
    httpx.Response(404, json=[]),
    httpx.Response(404),
]


def rows(statement: str, **values: object) -> list[tuple[object, ...]]:
    with reading() as session:
        return [tuple(row) for row in session.execute(text(statement), values)]


def hint_at(connection: ConnectionId, stream: str, *vendor_ids: str) -> None:
    """Let webhooks have named these records."""
    with transaction() as session:
        target = hints.find_target(session, connection)
        assert target is not None
        hints.add_hints(session, target, [Hint(stream, each) for each in vendor_ids], at_most=100)


@pytest.mark.parametrize("connector", STREAM)
def test_a_404_in_words_that_are_not_the_vendors_removes_nothing(small: SmallVendors, connector: str) -> None:
    _, connection = small.connect(connector)
    run_sync(connection)
    stream = STREAM[connector]
    whole = local(connector, connection)
    named = sorted(whole[stream])[: len(FOREIGN)]
    hint_at(connection, stream, *named)
    for number, answer in enumerate(FOREIGN):
        with pytest.MonkeyPatch.context() as patch:

            def foreign(request: httpx.Request, answer: httpx.Response = answer) -> httpx.Response:
                return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

            patch.setattr(small.bridge, "handle_request", foreign)
            (refetch_connection if number == 0 else retry_connection)(connection)
        small.forget_failures()
        small.hours.forward(7 * 3600)
        assert local(connector, connection) == whole
    kinds = {kind for (kind,) in rows("SELECT error_kind FROM connector_errors")}
    assert kinds <= {"vendor_down", "circuit_open"}
    assert kinds


def test_an_issue_that_is_neither_shown_nor_called_gone_stays(small: SmallVendors) -> None:
    _, connection = small.connect("linear")
    run_sync(connection)
    whole = local("linear", connection)
    hint_at(connection, "issues", min(whole["issues"]))

    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"data": {"issue": None}})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small.bridge, "handle_request", answer)
        assert refetch_connection(connection).failed == 1
    assert local("linear", connection) == whole


def an_attachment() -> tuple[str, str]:
    """An attachment that is here, and its message."""
    [(attachment, message)] = rows(
        "SELECT a.vendor_id, m.vendor_id FROM cw_attachments a JOIN cw_messages m ON m.id = a.message_id"
        " WHERE a.deleted_at IS NULL LIMIT 1"
    )
    return str(attachment), str(message)


def is_live(attachment: str) -> bool:
    [(live,)] = rows("SELECT deleted_at IS NULL FROM cw_attachments WHERE vendor_id = :id", id=attachment)
    return bool(live)


def test_the_attachments_of_a_deleted_message_go_with_it(small: SmallVendors) -> None:
    _, connection = small.connect("chatwoot")
    run_sync(connection)
    attachment, message = an_attachment()
    small.sandbox.change(MAIN, "chatwoot", "delete_message", {"message": int(message)})
    small.hours.forward(900)
    assert run_sync(connection).status == "ok"
    assert not is_live(attachment)
    before = rows("SELECT synced_at FROM cw_attachments WHERE vendor_id = :id", id=attachment)
    small.hours.forward(900)
    run_sync(connection)
    assert rows("SELECT synced_at FROM cw_attachments WHERE vendor_id = :id", id=attachment) == before


def test_the_attachments_of_a_message_that_the_vendor_lacks_go_with_it(small: SmallVendors) -> None:
    _, connection = small.connect("chatwoot")
    run_sync(connection)
    attachment, message = an_attachment()
    others = rows("SELECT count(*) FROM cw_attachments WHERE vendor_id <> :id", id=attachment)
    with transaction() as session:
        assert tombstone(session, STREAM_TABLES["chatwoot", "messages"].table, connection, [message]) == 1
    assert not is_live(attachment)
    kept = rows(
        "SELECT count(*) FROM cw_attachments WHERE deleted_at IS NULL AND vendor_id <> :id", id=attachment
    )
    assert kept == others
