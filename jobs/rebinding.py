"""Changes a routing rule, and with it where records belong: rule, rows, children, chunks and audit in one transaction.

Every record of the connection is looked at again with the new rules, from what is stored of it. While that goes on no
writer of the account scope is in between (`models.queries.routing_lock`), and each continues by the new rules.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlmodel import Session

from jobs import crm_mirror, graph, indexing
from jobs.page_writer import find_homes, find_known_home, read_router
from jobs.routing import Router
from jobs.stored_records import ROUTED, Stored, read_stored
from models.infra.cache import cache
from models.infra.cache_tags import tags_of_job
from models.infra.database import transaction
from models.infra.ids import AccountScopeId, ConnectionId, ProjectId
from models.infra.logging import get_logger, request_id
from models.queries import bindings, rehoming, routing_lock, sync_state
from models.queries import records as rows
from models.queries.audit import add_audit_event
from models.queries.bindings import BindingFacts, RuleChange
from models.queries.records import STREAM_TABLES
from models.queries.stored_content import find_misplaced_contacts
from models.queries.sync_state import ConnectionRow
from retrieval.sources import ThreadKind

# The threads of the index that the rows of a stream are.
_THREADS: Mapping[str, ThreadKind] = {
    "conversations": "conversation", "issues": "issue", "deals": "deal", "companies": "company", "notes": "note",
}  # fmt: skip

log = get_logger(__name__)


@dataclass(slots=True)
class Moved:
    """Rows that moved, by stream, and the projects they left. Their children moved with them uncounted."""

    streams: dict[str, int] = field(default_factory=dict[str, int])
    left: set[ProjectId] = field(default_factory=set[ProjectId])

    @property
    def total(self) -> int:
        """Rows that moved."""
        return sum(self.streams.values())

    def counts(self) -> dict[str, Any]:
        """The figures as plain JSON, for the job's row, its events and the audit trail."""
        return {"written": self.total, "moved": dict(self.streams)}


@dataclass(frozen=True, slots=True)
class _Rules:
    connection: ConnectionRow
    router: Router


def change_rule(connection_id: ConnectionId, change: RuleChange) -> Moved:
    """Change a rule of a connection and move what belongs elsewhere now; returns what moved.

    Made twice, as by a run that was lost at its end, the second time finds nothing to do. Raises NotFound for an
    unknown or disabled connection and IntegrityError for a project outside its account scope.
    """
    with transaction() as session:
        connection = sync_state.get_connection(session, connection_id)
        routing_lock.hold(session, connection.account_scope_id)
        before = bindings.find_binding(session, connection.account_scope_id, change.binding_id)
        if not _apply(session, connection, change, before):
            return Moved()
        moved = _rehome(session, _Rules(connection, read_router(session, connection)))
        _audit(session, connection, change, before, moved)
    # At once: the run's own end computes figures first, and until then no kept answer may show what has left.
    cache().renew(tags_of_job("rebind", connection.account_scope_id))
    log.info("rule changed", action=change.action, connection_id=str(connection_id), moved=moved.total)
    return moved


def _apply(
    session: Session, connection: ConnectionRow, change: RuleChange, before: BindingFacts | None
) -> bool:
    """Write the rule; False when it reads so already."""
    after = change.after
    if before == after:
        return False
    if after is None:
        bindings.remove_binding(session, change.binding_id)
    elif before is not None:
        bindings.change_binding(session, before.id, ProjectId(after.project_id), after.priority)
    elif change.action == "create":
        bindings.add_binding(session, connection.account_scope_id, connection.id, after)
    else:  # removed meanwhile: there is no rule to change
        return False
    return True


def _rehome(session: Session, rules: _Rules) -> Moved:
    connection, moved = rules.connection, Moved()
    threads: dict[ThreadKind, list[UUID]] = defaultdict(list)
    for stream in ROUTED[connection.connector]:
        table = STREAM_TABLES[connection.connector, stream].table
        vendor_ids: list[str] = []
        for batch in read_stored(session, connection, stream):
            homes = _homes(session, rules, stream, batch)
            leaving = [each for each in batch if homes[each.row.vendor_id] != each.row.project_id]
            if not leaving:
                continue
            rows.unlink_peers(session, table, [each.row.id for each in leaving])
            rehoming.move_rows(session, table, {each.row.id: homes[each.row.vendor_id] for each in leaving})
            vendor_ids += [each.row.vendor_id for each in leaving]
            moved.left |= {each.row.project_id for each in leaving}
            if stream in _THREADS:
                threads[_THREADS[stream]] += [each.row.id for each in leaving]
        if vendor_ids:
            moved.streams[stream] = len(vendor_ids)
            rows.link_peers(session, table, connection.id, vendor_ids)
    if moved.total:
        _bring_along(session, rules, moved, threads)
    return moved


def _homes(session: Session, rules: _Rules, stream: str, batch: list[Stored]) -> dict[str, ProjectId]:
    """Return where each row belongs."""
    records = [each.record for each in batch]
    unassigned = rules.router.unassigned
    homes = dict.fromkeys((record.vendor_id for record in records), unassigned)
    homes |= find_homes(session, rules, stream, records)
    if stream == "contacts":
        # Whom no rule takes stays where one of their conversations is.
        unruled = [record.vendor_id for record in records if rules.router.match(record.facts) is None]
        misplaced = find_misplaced_contacts(session, rules.connection.id, unruled, unassigned)
        stay = set(unruled) - misplaced
        homes |= {each.row.vendor_id: each.row.project_id for each in batch if each.row.vendor_id in stay}
    return homes


def _move_errors(session: Session, rules: _Rules, stream: str) -> None:
    """Let queued errors be where their records are; those without a row, where the parent is that their payload names."""
    table, connection_id = STREAM_TABLES[rules.connection.connector, stream].table, rules.connection.id
    rehoming.move_errors(session, table, stream, connection_id)
    homes = {
        each.id: find_known_home(session, rules, stream, each.unit, each.payload)
        for each in rehoming.read_rowless_errors(session, table, stream, connection_id)
    }
    if homes:
        rehoming.place_errors(session, homes)


def _bring_along(
    session: Session, rules: _Rules, moved: Moved, threads: Mapping[ThreadKind, list[UUID]]
) -> None:
    """Move what is derived of the rows: CRM tables, errors, chunks with their vectors, the graph."""
    connection = rules.connection
    if connection.connector == "attio":
        crm_mirror.mirror_within(session, connection.id)
    for connector, stream in STREAM_TABLES:
        if connector == connection.connector:
            _move_errors(session, rules, stream)
    for kind, ids in threads.items():
        indexing.rebuild_threads(session, connection.account_scope_id, kind, ids)
    graph.refresh_within(session, connection.account_scope_id)
    rehoming.forget_findings(session, connection.id, moved.left)


def _audit(
    session: Session,
    connection: ConnectionRow,
    change: RuleChange,
    before: BindingFacts | None,
    moved: Moved,
) -> None:
    shown = change.after or before
    add_audit_event(
        session,
        actor=change.actor,
        action=f"project_binding.{change.action}",
        entity_type="project_binding",
        entity_id=str(change.binding_id),
        account_scope_id=AccountScopeId(connection.account_scope_id),
        project_id=None if shown is None else shown.project_id,
        before=None if before is None else before.to_json(),
        after={**({} if change.after is None else change.after.to_json()), **moved.counts()},
        request_id=request_id.get() or None,
    )
