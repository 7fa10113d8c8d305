"""API keys: how programs use the API without a browser's session.

A key is `ct_` and 256 random bits, shown once and stored as its SHA-256. It belongs to one account scope, may be
limited to some of its projects and to reading, and always expires. What a key may do is decided in `api.deps`; here
are its life and its proof.
"""

import datetime as dt
import hashlib
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlmodel import Session

from models.infra.clock import utcnow
from models.infra.database import reading, transaction
from models.infra.errors import Conflict, InvalidInput, NotFound
from models.infra.ids import AccountScopeId, ProjectId
from models.queries import api_keys as queries
from tools_app.services import audit_trail, projects
from tools_app.services.views import SessionView

PREFIX = "ct_"
MAX_DAYS = 365
DEFAULT_DAYS = 90
# More live keys than programs a studio runs: forgotten ones are revoked instead of piled up.
MAX_LIVE = 50
_TOKEN_BYTES = 32
_HINT_CHARACTERS = 8
_TOUCH_EVERY = dt.timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class ApiKeyView:
    """A key in a list. `projects` are names of the projects it is limited to, None for the whole account scope."""

    id: str
    name: str
    hint: str
    read_only: bool
    projects: tuple[str, ...] | None
    created_by: str
    created_at: dt.datetime
    expires_at: dt.datetime
    last_used_at: dt.datetime | None
    state: str
    """`live`, `expired` or `revoked`."""


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A fresh key with its token, which exists nowhere else."""

    key: ApiKeyView
    token: str


def create(
    session: SessionView,
    name: str,
    *,
    read_only: bool = True,
    project_names: Sequence[str] | None = None,
    days: int = DEFAULT_DAYS,
) -> NewApiKey:
    """Make a key for the session's account scope, limited to `project_names` (ids or slugs) unless None.

    Raises InvalidInput for an empty name, no project or a life of other than 1 to 365 days, NotFound for a project
    outside the account scope, Conflict when the account scope has its 50 live keys.
    """
    label = "".join(each for each in name if unicodedata.category(each)[0] != "C").strip()
    if not label or len(label) > 100:
        raise InvalidInput("A key needs a name of 1 to 100 visible characters.", code="name_required")
    if not 1 <= days <= MAX_DAYS:
        raise InvalidInput(f"A key lives 1 to {MAX_DAYS} days.", code="invalid_days")
    chosen = None if project_names is None else _projects(session, project_names)
    token, now = f"{PREFIX}{secrets.token_urlsafe(_TOKEN_BYTES)}", utcnow()
    scope = AccountScopeId(UUID(session.account_scope_id))
    with transaction() as db:
        if queries.count_live(db, scope, now) >= MAX_LIVE:
            raise Conflict(f"There are {MAX_LIVE} live keys. Revoke one first.", code="too_many_keys")
        facts = queries.add_key(
            db,
            scope,
            token_hash=_hash(token),
            hint=token[: len(PREFIX) + _HINT_CHARACTERS],
            name=label,
            created_by=session.user,
            project_ids=chosen,
            read_only=read_only,
            now=now,
            expires_at=now + dt.timedelta(days=days),
        )
        _record(
            db,
            session,
            facts,
            "api_key.create",
            after={
                "name": label,
                "read_only": read_only,
                "project_ids": None if chosen is None else [str(each) for each in chosen],
                "expires_at": facts.expires_at.isoformat(),
            },
        )
    return NewApiKey(_views(session, [facts], now)[0], token)


def list_keys(session: SessionView) -> tuple[ApiKeyView, ...]:
    """The keys of the session's account scope, the newest first; live, expired and revoked ones."""
    with reading() as db:
        found = queries.list_keys(db, AccountScopeId(UUID(session.account_scope_id)))
    return tuple(_views(session, found, utcnow()))


def revoke(session: SessionView, key_id: str) -> ApiKeyView:
    """End a key at once and for good. Raises NotFound for one that is not there, not ours, or revoked before."""
    now = utcnow()
    with transaction() as db:
        scope = AccountScopeId(UUID(session.account_scope_id))
        facts = queries.revoke_key(db, scope, UUID(key_id), now)
        if facts is None:
            raise NotFound("There is no such key, or it is revoked already.", key_id=key_id)
        _record(db, session, facts, "api_key.revoke", before={"name": facts.name})
    return _views(session, [facts], now)[0]


def session_of_key(token: str) -> SessionView | None:
    """What the holder of a live key may act as, or None. Notes its use once a minute."""
    if not token.startswith(PREFIX) or len(token) > 128:
        return None
    now = utcnow()
    with reading() as db:
        facts = queries.find_key(db, _hash(token), now)
    if facts is None:
        return None
    if facts.last_used_at is None or now - facts.last_used_at > _TOUCH_EVERY:
        with transaction() as db:
            queries.touch_key(db, facts.id, now)
    limited = None if facts.project_ids is None else tuple(str(each) for each in facts.project_ids)
    return SessionView(
        session_id=str(facts.id),
        # The audit trail names who acted: the key by the characters that its list shows.
        user=f"key {facts.hint}",
        csrf_token="",
        account_scope_id=str(facts.account_scope_id),
        key_id=str(facts.id),
        read_only=facts.read_only,
        limited_to=limited,
    )


def _projects(session: SessionView, names: Sequence[str]) -> tuple[ProjectId, ...]:
    if not names:
        raise InvalidInput("Name at least one project, or leave the limit out.", code="no_projects")
    chosen: list[ProjectId] = []
    for name in names:
        if name == projects.ALL:
            raise InvalidInput("A limit names projects; leave it out for all.", code="no_projects")
        chosen.extend(projects.resolve_scope(session, name).project_ids)
    return tuple(sorted(set(chosen)))


def _record(
    db: Session,
    session: SessionView,
    facts: queries.ApiKeyFacts,
    action: str,
    *,
    before: dict[str, object] | None = None,
    after: dict[str, object] | None = None,
) -> None:
    audit_trail.record_event(
        db,
        actor=session.user,
        action=action,
        entity=audit_trail.Entity("api_key", str(facts.id)),
        account_scope_id=facts.account_scope_id,
        before=before,
        after=after,
    )


def _views(session: SessionView, found: Sequence[queries.ApiKeyFacts], now: dt.datetime) -> list[ApiKeyView]:
    names = {each.id: each.name for each in projects.list_projects(session)}
    return [
        ApiKeyView(
            id=str(each.id),
            name=each.name,
            hint=each.hint,
            read_only=each.read_only,
            # An archived project keeps its id: the limit still stands, whatever the list shows.
            projects=None
            if each.project_ids is None
            else tuple(names.get(str(project), str(project)) for project in each.project_ids),
            created_by=each.created_by,
            created_at=each.created_at,
            expires_at=each.expires_at,
            last_used_at=each.last_used_at,
            state="revoked" if each.revoked_at else "live" if each.expires_at > now else "expired",
        )
        for each in found
    ]


def _hash(token: str) -> str:
    # 256 random bits need no salt and no slow hash, as with session tokens.
    return hashlib.sha256(token.encode()).hexdigest()
