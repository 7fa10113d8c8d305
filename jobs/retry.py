"""Tries the failed units of a connection again when their time has come: `connector_errors` is the queue.

A record that the vendor gives by its id is read and written by itself, a message with those next to it in its
conversation; everything else (a stream, a page, a note) is read again by a sync, which resolves what has gone well and
what a complete list does not show any more; until then it waits, so that others have their turn. A record that was shown
without an id, or a message without its conversation, cannot be asked for, and is no proof of a delete: it counts as
failed once more. What fails once more waits longer, and after five attempts is a dead letter (`sync_state.queue_error`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from jobs.connectors.base import Thread, Window, has_id, is_part
from jobs.connectors.errors import UNREADABLE, BadRecord, CircuitOpen, CredentialsInvalid, VendorError
from jobs.page_writer import SyncRun, find_known_home, pause_asked, table_of, write_page, write_records
from jobs.sync import bring_parent, fetch_missing_parents, open_run
from models.infra.database import reading, transaction
from models.infra.ids import ConnectionId
from models.infra.logging import get_logger
from models.queries import error_queue, sync_state
from models.queries import records as rows
from models.queries.sync_state import DueError

_AT_MOST = 200
_UNTIL_READ = dt.timedelta(minutes=15)  # the cadence of syncs: one is asked for, and may have much to read

log = get_logger(__name__)


@dataclass(slots=True)
class Retried:
    """What a pass came to: units tried, mended (or gone at the vendor), failed again; whether a sync is asked for."""

    tried: int = 0
    resolved: int = 0
    failed: int = 0
    needs_sync: bool = False


def retry_connection(connection_id: ConnectionId) -> Retried:
    """Try the due units of a connection, oldest first, at most 200. Raises NotFound for an unknown connection.

    An open circuit or a refused token ends the pass; what was not tried keeps its turn.
    """
    outcome = Retried()
    with reading() as session:
        due = sync_state.list_due_errors(session, connection_id, limit=_AT_MOST)
    if not due:
        return outcome
    run = open_run(connection_id)
    left_to_sync = [unit for unit in due if _is_read_by_syncs(run, unit)]
    if left_to_sync:
        outcome.tried, outcome.needs_sync = len(left_to_sync), True
        with transaction() as session:
            error_queue.postpone(session, connection_id, left_to_sync, _UNTIL_READ)
    try:
        for unit in due:
            if unit in left_to_sync:
                continue
            outcome.tried += 1
            conversation = _conversation_of(unit)
            if not has_id(unit.unit) or (unit.stream == "messages" and conversation is None):
                # Whether it is still there, only a sync sees; here its attempts are counted to their end.
                outcome.failed += 1
                nameless = BadRecord(unit.unit, "it has no address by which it could be asked for")
                queue_failure(run, unit.stream, unit.unit, nameless, unit.payload)
                continue
            try:
                readable = (
                    _retry_record(run, unit)
                    if conversation is None
                    else _retry_message(run, unit, conversation)
                )
                if not readable:
                    outcome.failed += 1
                    continue
            except (CircuitOpen, CredentialsInvalid) as error:
                log.warning("retry ended early", connector=run.connection.connector, kind=error.kind)
                break
            except (VendorError, *UNREADABLE) as error:
                outcome.failed += 1
                queue_failure(run, unit.stream, unit.unit, error, unit.payload)
            else:
                outcome.resolved += 1
    finally:
        run.connector.close()
    return outcome


def _is_read_by_syncs(run: SyncRun, unit: DueError) -> bool:
    """Whether a unit has no address of its own and comes with its whole stream, or is a part of it."""
    if is_part(unit.unit):
        return True
    return has_id(unit.unit) and unit.stream not in {*run.connector.by_id, "messages"}


def _retry_record(run: SyncRun, unit: DueError) -> bool:
    """Read a record by its id; whether it can be stored now, or is gone."""
    record = run.connector.fetch_one(unit.stream, unit.unit)
    if record is not None:
        bring_parent(run, record)
    with transaction() as session:
        if record is not None:
            if write_records(session, run, unit.stream, [record]):
                return False
        else:
            # "Not there" by id is the vendor's word that it is gone, and there is nothing left to mend.
            rows.tombstone(session, table_of(run, unit.stream).table, run.connection.id, [unit.unit])
        sync_state.resolve_errors(session, run.connection.id, unit.stream, [unit.unit])
    return True


def _conversation_of(unit: DueError) -> str | None:
    """Return where a message is to be read; None for what is no message, or says not where it belongs."""
    conversation = unit.payload.get("conversation_id")
    return str(conversation) if unit.stream == "messages" and unit.unit.isdigit() and conversation else None


def _retry_message(run: SyncRun, unit: DueError, conversation: str) -> bool:
    """Read the part of a conversation that holds a message; whether it can be read now, or is gone.

    How far the conversation is read is left as it is.
    """
    thread = Thread(conversation, max(0, int(unit.unit) - 1), int(unit.unit))
    readable = True
    for found in run.connector.pages("messages", Window({}, run.started, threads=lambda: [thread])):
        page = fetch_missing_parents(run, found)
        failed = tuple(each for each in page.rejected if each.vendor_id == unit.unit)
        readable = readable and not failed
        with transaction() as session:
            # Its neighbours that cannot be read have turns of their own.
            refused = write_page(session, run, replace(page, rejected=failed, positions=()))
        readable = readable and (unit.stream, unit.unit) not in refused
    if readable:
        with transaction() as session:
            sync_state.resolve_errors(session, run.connection.id, unit.stream, [unit.unit])
    return readable


def queue_failure(
    run: SyncRun, stream: str, vendor_id: str, error: Exception, payload: Mapping[str, Any]
) -> None:
    """Put a record that could not be read or written into the queue of errors, or make it wait longer there."""
    vendor_error = error if isinstance(error, VendorError) else BadRecord(vendor_id, repr(error))
    with transaction() as session:
        sync_state.queue_error(
            session,
            run.connection,
            stream=stream,
            unit=vendor_id,
            kind=vendor_error.kind,
            message=str(vendor_error),
            payload=payload,
            # What our code cannot read today, the vendor may send otherwise tomorrow.
            retryable=vendor_error.retryable or isinstance(vendor_error, BadRecord),
            project_id=find_known_home(session, run, stream, vendor_id, payload),
            retry_at=pause_asked(session, run, vendor_error),
        )
