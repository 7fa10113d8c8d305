"""What changes of commercial rows share: the version that was seen, fields that belong to the vendor, the audit event."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlmodel import Session

from models.infra.clock import utcnow
from models.infra.errors import Conflict
from models.infra.ids import AccountScopeId, ProjectId
from models.queries.accounts import apply
from tools_app.services import audit_trail
from tools_app.services.views import SessionView

_PLAIN: TypeAdapter[Any] = TypeAdapter(dict[str, Any])


def require_version(row: Any, seen: int) -> None:
    """Raises Conflict (`changed_meanwhile`) when a row is not as the caller saw it."""
    if row.version != seen:
        raise Conflict("It was changed meanwhile.", code="changed_meanwhile", version=row.version)


def require_status(row: Any, allowed: Collection[str], noun: str) -> None:
    """Raises Conflict (`wrong_status`) when a row's status is none that allows the step."""
    if row.status not in allowed:
        raise Conflict(
            f"The {noun}'s status does not allow this.",
            code="wrong_status",
            now=row.status,
            allowed=sorted(allowed),
        )


def refuse_mirrored(row: Any, fields: Collection[str], ours: Collection[str]) -> None:
    """Raises Conflict (`mirrored_field`) when a mirrored row's fields other than `ours` would be changed.

    The vendor owns them: the next mirror would put its value back, and nothing is written to a vendor.
    """
    theirs = sorted(set(fields) - set(ours))
    if row.connection_id is not None and theirs:
        raise Conflict("The vendor owns these fields.", code="mirrored_field", fields=theirs)


def differing(row: Any, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Of the wanted values, those that a row does not have yet."""
    return {name: value for name, value in wanted.items() if getattr(row, name) != value}


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as plain JSON, for an audit event."""
    return _PLAIN.dump_python(dict(values), mode="json")


def audit(
    db: Session,
    session: SessionView,
    row: Any,
    action: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Append the event of a change of a business row; `action` reads `entity.verb`."""
    audit_trail.record_event(
        db,
        actor=session.user,
        action=action,
        entity=audit_trail.Entity(action.partition(".")[0], str(row.id)),
        account_scope_id=AccountScopeId(row.account_scope_id),
        project_id=ProjectId(row.project_id),
        before=None if before is None else plain(before),
        after=None if after is None else plain(after),
    )


def write(db: Session, session: SessionView, row: Any, action: str, changes: Mapping[str, Any]) -> None:
    """Write changed values into a locked row, its time of change too where it has one, and append the event."""
    before = {name: getattr(row, name) for name in changes}
    if changes:
        touched = {"updated_at": utcnow()} if hasattr(row, "updated_at") else {}
        apply(db, row, {**changes, **touched})
    audit(db, session, row, action, before=before, after=changes)


def scope_of(session: SessionView) -> AccountScopeId:
    """The caller's account scope."""
    return AccountScopeId(UUID(session.account_scope_id))
