"""The trust bar: how old and how complete the copy behind a page is, source by source.

Connections belong to the account scope; rows, errors and completeness are those of the caller's projects.
"""

import datetime as dt
from collections.abc import Iterable, Sequence

from sqlmodel import Session

from models.infra.scope import Scope
from models.infra.settings import get_settings
from models.queries.completeness import StreamCompleteness, list_completeness, total_of, weakest
from models.queries.dashboard_board import Board
from models.queries.moment import Moment
from models.queries.source_facts import SourceFacts, list_sources
from tools_app.services.views import ConnectorState, LowStream, SourceTrust, TrustView

# Two cadences of the sync: one missed run is weather, two are a problem.
LATE_AFTER = dt.timedelta(minutes=30)


def state_of(
    status: str, last_success_at: dt.datetime | None, moment: Moment, *, is_syncing: bool
) -> ConnectorState:
    """The state of a connection as people see it."""
    if is_syncing:
        return "syncing"
    if status == "failed":
        return "failing"
    if last_success_at is None:
        return "never"
    return "late" if moment.now - last_success_at > LATE_AFTER else "ok"


def trust_of(session: Session, scope: Scope, moment: Moment, board: Board) -> TrustView:
    """How far the copy behind a page can be trusted: the oldest success, each source, what failed."""
    measured: dict[str, list[StreamCompleteness]] = {}
    for each in list_completeness(session, scope, is_whole=board.is_whole):
        measured.setdefault(each.connector, []).append(each)
    rows: dict[str, int] = {}
    for (connection, _), (count, _) in board.streams().items():
        rows[connection] = rows.get(connection, 0) + count
    facts = list_sources(session, scope, is_whole=board.is_whole)
    sources = tuple(
        _source(each, rows.get(str(each.id), 0), measured.get(each.connector, []), moment) for each in facts
    )
    successes = [each.last_success_at for each in sources]
    known = [at for at in successes if at is not None]
    total = weakest([total_of(measured.get(each.connector, [])) for each in facts])
    return TrustView(
        # A source that never succeeded makes the whole picture undated.
        updated_at=min(known) if known and len(known) == len(successes) else None,
        sources=sources,
        error_count=sum(each.errors for each in facts),
        completeness_pct=total.pct,
        is_unknown=total.is_unknown,
        known_at=total.known_at,
        low=_low(each for streams in measured.values() for each in streams),
    )


def _low(streams: Iterable[StreamCompleteness]) -> tuple[LowStream, ...]:
    minimum = get_settings().connector_reconciliation_min_completeness_pct
    found = [
        LowStream(each.connector, each.stream, each.pct)
        for each in streams
        if each.pct is not None and each.pct < minimum
    ]
    return tuple(sorted(found, key=lambda each: (each.pct, each.connector, each.stream)))


def _source(
    facts: SourceFacts, rows: int, streams: Sequence[StreamCompleteness], moment: Moment
) -> SourceTrust:
    total = total_of(streams)
    return SourceTrust(
        connector=facts.connector,
        state=state_of(facts.status, facts.last_success_at, moment, is_syncing=facts.is_syncing),
        last_success_at=facts.last_success_at,
        rows=rows,
        completeness_pct=total.pct,
        measured_at=min((each.measured_at for each in streams), default=None),
        is_unknown=total.is_unknown,
        known_at=total.known_at,
    )
