"""Who is who: suggested pairs, accepting and dismissing them, and undoing either. Nothing is merged, here or at a vendor.

A decision is about all named pairs or none. Undoing one leaves the suggestion exactly as it was before.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlmodel import Session

from jobs import enqueue
from models.infra.clock import utcnow
from models.infra.database import reading, transaction
from models.infra.errors import Conflict, NotFound
from models.infra.ids import ProjectId
from models.infra.scope import Scope
from models.queries import identity as queries
from models.queries.identity import LinkFacts, PairStatus, SuggestionFacts, Wanted
from models.tables.identity import IdentityLink, IdentitySuggestion
from tools_app.services import audit_trail
from tools_app.services.changes import plain, require_status, scope_of
from tools_app.services.idempotency import Made, OnceKey, make_once
from tools_app.services.job_requests import RequestedRun
from tools_app.services.views import SessionView


class AppliedView(BaseModel):
    """What accepting suggestions answers, in a form that can be kept for the same request again."""

    links: tuple[LinkFacts, ...]


def list_suggestions(
    scope: Scope, wanted: Wanted, *, sort: str, cursor: str | None, limit: int
) -> tuple[list[SuggestionFacts], str | None]:
    """A page of suggestions and the next cursor. Raises InvalidInput for an unknown sort or cursor."""
    with reading() as db:
        return queries.page_of_suggestions(db, scope, wanted, sort=sort, cursor=cursor, limit=limit)


def list_links(
    scope: Scope, wanted: Wanted, *, sort: str, cursor: str | None, limit: int
) -> tuple[list[LinkFacts], str | None]:
    """A page of links and the next cursor. Raises InvalidInput for an unknown sort or cursor."""
    with reading() as db:
        return queries.page_of_links(db, scope, wanted, sort=sort, cursor=cursor, limit=limit)


def request_preview(session: SessionView) -> tuple[RequestedRun, ...]:
    """Ask for a preview of the caller's account scope; one that waits or runs is joined."""
    account_scope_id = scope_of(session)
    asked = tuple(
        RequestedRun(run.run_id, run.job, None, None, not run.created)
        for run in enqueue.request_job("identity", None, account_scope_id, session.user)
    )
    with transaction() as db:
        for run in asked:
            audit_trail.record_event(
                db,
                actor=session.user,
                action="identity.preview",
                entity=audit_trail.Entity("account_scope", session.account_scope_id),
                account_scope_id=account_scope_id,
                after={"run_id": run.run_id},
            )
    return asked


def apply(
    session: SessionView, scope: Scope, suggestion_ids: Sequence[UUID], once: OnceKey | None
) -> Made[AppliedView]:
    """Accept proposed pairs and answer their links.

    Raises NotFound when one is not in the scope, Conflict when one was decided already (`wrong_status`) or a record of it
    is gone (`record_gone`).
    """

    def work(db: Session) -> AppliedView:
        queries.hold_records(db, scope, suggestion_ids)
        rows = _suggestions(db, scope, suggestion_ids)
        for row in rows:
            require_status(row, ("proposed",), "suggestion")
        _require_records(db, scope, rows)
        links = [_accept(db, session, row) for row in rows]
        return AppliedView(links=tuple(queries.links_by_id(db, scope, [each.id for each in links])))

    return make_once(session, once, AppliedView, work)


def dismiss(
    session: SessionView, scope: Scope, suggestion_ids: Sequence[UUID], *, dismissed: bool
) -> list[SuggestionFacts]:
    """Dismiss proposed pairs, or with `dismissed` False propose dismissed ones again.

    Raises NotFound when one is not in the scope, Conflict (`wrong_status`) when one is not in that state.
    """
    status, before, verb = (
        ("dismissed", "proposed", "dismiss") if dismissed else ("proposed", "dismissed", "reopen")
    )
    with transaction() as db:
        rows = _suggestions(db, scope, suggestion_ids)
        for row in rows:
            require_status(row, (before,), "suggestion")
            _decide(db, session, row, status, verb)
        return queries.suggestions_by_id(db, scope, [each.id for each in rows])


def unlink(
    session: SessionView, scope: Scope, link_ids: Sequence[UUID], *, back_to: PairStatus
) -> list[SuggestionFacts]:
    """Undo accepted pairs; their suggestions are `proposed` again as they were, or `dismissed`.

    Raises NotFound when a link is not in the scope. A suggestion whose record is gone is not answered.
    """
    with transaction() as db:
        # A suggestion is locked before its link, as by whoever moves their records.
        rows = queries.lock_suggestions(db, scope, queries.suggestions_of_links(db, scope, link_ids))
        links = _all_found(queries.lock_links(db, scope, link_ids), link_ids, "link")
        link_of = {each.suggestion_id: each for each in links}
        for row in rows:
            link = link_of[row.id]
            db.delete(link)
            _decide(
                db,
                session,
                row,
                back_to,
                "unlink",
                before={"link_id": link.id, "created_by": link.created_by},
            )
        return queries.suggestions_by_id(db, scope, [each.id for each in rows])


def _suggestions(db: Session, scope: Scope, ids: Sequence[UUID]) -> list[IdentitySuggestion]:
    return _all_found(queries.lock_suggestions(db, scope, ids), ids, "suggestion")


def _all_found(rows: list[Any], ids: Sequence[UUID], noun: str) -> list[Any]:
    missing = sorted(str(each) for each in set(ids) - {row.id for row in rows})
    if missing:
        raise NotFound(f"There is no such {noun}.", ids=missing)
    return rows


def _require_records(db: Session, scope: Scope, rows: Sequence[IdentitySuggestion]) -> None:
    ids = {row.id for row in rows}
    gone = ids - {each.id for each in queries.suggestions_by_id(db, scope, ids)}
    if gone:
        raise Conflict(
            "A record of the pair is gone.", code="record_gone", ids=sorted(str(each) for each in gone)
        )


def _accept(db: Session, session: SessionView, row: IdentitySuggestion) -> IdentityLink:
    link = IdentityLink(
        suggestion_id=row.id,
        created_by=session.user,
        **row.model_dump(
            include={
                "account_scope_id", "project_id", "other_project_id", "kind", "contact_id", "account_id", "person_id",
                "company_id",
            }
        ),
    )  # fmt: skip
    db.add(link)
    _decide(db, session, row, "accepted", "apply", after={"link_id": link.id})
    return link


def _decide(
    db: Session,
    session: SessionView,
    row: IdentitySuggestion,
    status: str,
    verb: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Set the status of a locked suggestion and append the event; one that is proposed again forgets who decided."""
    held = row.status
    is_open = status == "proposed"
    row.status = status
    row.decided_by, row.decided_at = (None, None) if is_open else (session.user, utcnow())
    db.add(row)
    db.flush()
    audit_trail.record_event(
        db,
        actor=session.user,
        action=f"identity.{verb}",
        entity=audit_trail.Entity("identity", str(row.id)),
        account_scope_id=scope_of(session),
        # An event of one project would tell its readers of the other.
        project_id=ProjectId(row.project_id) if row.project_id == row.other_project_id else None,
        before=plain({"status": held, **(before or {})}),
        after=plain({"status": status, **_named(row), **(after or {})}),
    )


def _named(row: IdentitySuggestion) -> dict[str, Any]:
    return {
        "kind": row.kind, "left_id": row.left_id, "right_id": row.right_id, "confidence": row.confidence,
    }  # fmt: skip
