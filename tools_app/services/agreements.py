"""Agreements: lists for a reader, what a person says became of one, and asking for them to be extracted."""

import datetime as dt
from typing import Any, Literal
from uuid import UUID

from models.infra.clock import utcnow
from models.infra.database import reading, transaction
from models.infra.errors import NotFound
from models.infra.scope import Scope
from models.queries import agreement_lists as queries
from models.tables.agreements import Agreement, AgreementStatus, Side
from tools_app.i18n import formats
from tools_app.i18n.catalogue import text
from tools_app.services.changes import write
from tools_app.services.crm_views import View
from tools_app.services.job_requests import RequestedRun, ask_for
from tools_app.services.signal_views import Reader, SignalEvidence, evidence_of, reader_of
from tools_app.services.views import SessionView

AgreementSort = Literal["due_on", "-due_on", "promised_at", "-promised_at"]


class AgreementView(View):
    """Who promised what by when. `evidence` is the promise, then what kept it; `decided_by` is who set the status by hand."""

    id: UUID
    project_id: UUID
    side: Side
    who: str
    what: str
    due_on: dt.date
    status: AgreementStatus
    text: str
    params: dict[str, Any]
    evidence: tuple[SignalEvidence, ...]
    promised_at: dt.datetime
    created_at: dt.datetime
    decided_by: str | None
    decided_at: dt.datetime | None


def list_agreements(
    scope: Scope,
    locale: str,
    *,
    status: AgreementStatus | None = None,
    side: Side | None = None,
    due_from: dt.date | None = None,
    due_to: dt.date | None = None,
    sort: AgreementSort = "due_on",
    cursor: str | None = None,
    limit: int = 50,
) -> tuple[list[AgreementView], str | None]:
    """A page of agreements due in a span of days, both included. Raises InvalidInput for a cursor of another list."""
    with reading() as db:
        rows, after = queries.page_of_agreements(
            db,
            scope,
            status=status,
            side=side,
            due_from=due_from,
            due_to=due_to,
            sort=sort,
            cursor=cursor,
            limit=limit,
        )
        held = [row.Agreement for row in rows]
        reader = reader_of(db, scope, locale, held)
        return [_view(each, reader) for each in held], after


def set_status(
    session: SessionView, scope: Scope, agreement_id: UUID, status: AgreementStatus, locale: str
) -> AgreementView:
    """Say what became of an agreement; the job leaves it at that. The same again changes nothing. Raises NotFound."""
    with transaction() as db:
        row = queries.lock_agreement(db, scope, agreement_id)
        if row is None:
            raise NotFound("There is no such agreement.")
        if row.status != status or row.decided_by is None:
            changes = {"status": status, "decided_by": session.user, "decided_at": utcnow()}
            write(db, session, row, "agreement.set_status", changes)
        return _view(row, reader_of(db, scope, locale, [row]))


def extract(session: SessionView) -> tuple[RequestedRun, ...]:
    """Ask for the agreements of the caller's account scope to be extracted now; a running look is joined."""
    return ask_for(session, "agreements")


def _view(row: Agreement, reader: Reader) -> AgreementView:
    evidence = evidence_of(row, reader)
    promise = evidence[0]
    who = promise.author or text(reader.locale, "agreement.gone")
    values = row.model_dump(
        include=set(AgreementView.model_fields) - {"who", "what", "text", "params", "evidence"},
        warnings=False,
    )
    return AgreementView(
        **values,
        who=promise.author,
        what=promise.quote,
        text=text(
            reader.locale,
            f"agreement.text.{row.side}",
            who=who,
            due_on=formats.full_day(reader.locale, row.due_on),
        ),
        params={"who": promise.author, "due_on": row.due_on.isoformat()},
        evidence=evidence,
    )
