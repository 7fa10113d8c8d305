"""Projects of the caller's account scope: listing, choosing, creating, and turning a name into a `Scope`.

`resolve_scope` is the one door from what a URL or a request names to what queries may read.
"""

import re
import time
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from models.infra.cache import cache
from models.infra.cache_tags import tag
from models.infra.database import reading, transaction
from models.infra.errors import Conflict, InvalidInput, NotFound
from models.infra.ids import AccountScopeId, SessionId
from models.infra.local_cache import local_cache
from models.infra.scope import Scope
from models.queries import projects as queries
from models.queries import sessions
from tools_app.services import audit_trail, session_cache
from tools_app.services.idempotency import Made, OnceKey, make_once
from tools_app.services.views import ProjectOption, SessionView

# What stands for "all projects" in URLs and parameters.
ALL = "all"
_PROJECTS_S = 60.0
_SLUG = re.compile(r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")


# Letters and symbols by category that show nothing: fillers and the empty Braille cell.
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
# They turn the direction of what stands beside a name, on every page that shows it.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, slots=True)
class ProjectPage:
    """Some of the projects, in the order of the list, and the cursor of those after them."""

    items: Sequence[ProjectOption]
    next_cursor: str | None


class CreatedProject(BaseModel):
    """What creating a project answers, in a form that can be kept for the same request again."""

    project: ProjectOption


def list_projects(session: SessionView) -> tuple[ProjectOption, ...]:
    """The projects of the caller's account scope, clients by name, the unassigned one last."""
    return tuple(_option(each) for each in _facts(session))


def page_of_projects(session: SessionView, *, cursor: str | None = None, limit: int = 200) -> ProjectPage:
    """At most `limit` of the projects after `cursor`, the id of the last one before. Raises InvalidInput for another."""
    options = list_projects(session)
    start = 0
    if cursor is not None:
        found = [at for at, each in enumerate(options, start=1) if each.id == cursor]
        if not found:
            raise InvalidInput("The cursor is not one of ours.", code="invalid_cursor")
        start = found[0]
    items = options[start : start + limit]
    return ProjectPage(items, items[-1].id if start + limit < len(options) else None)


def resolve_scope(session: SessionView, project: str | None = None) -> Scope:
    """What a project's id or slug, or `all`, lets a caller read; None means the session's active project.

    Raises NotFound for a project outside the account scope, exactly as for one that does not exist.
    """
    facts = _facts(session)
    wanted = project or session.active_project_id or ALL
    account_scope_id = AccountScopeId(UUID(session.account_scope_id))
    if wanted == ALL:
        return Scope.of(account_scope_id, (each.id for each in facts))
    for each in facts:
        if wanted in (str(each.id), each.slug):
            return Scope.of(account_scope_id, (each.id,))
    if project is None:
        # The active project was archived since it was chosen.
        return Scope.of(account_scope_id, (each.id for each in facts))
    raise NotFound("There is no such project.", project=project)


def one_project(session: SessionView, project: str) -> Scope:
    """The scope of the one project (id or slug) that a mutation names; `all` is none. Raises InvalidInput and NotFound."""
    if project == ALL:
        raise InvalidInput("Name one project.", code="project_required")
    return Scope.of(AccountScopeId(UUID(session.account_scope_id)), (_find(_facts(session), project).id,))


def resolve_projects(session: SessionView, project_ids: str | None) -> Scope:
    """The scope of comma-separated ids or slugs; None, or nothing but commas, means all of the account scope.

    Raises NotFound for a project outside it.
    """
    facts = _facts(session)
    wanted = list(dict.fromkeys(each.strip() for each in (project_ids or "").split(",") if each.strip()))
    chosen = facts if wanted in ([], [ALL]) else [_find(facts, each) for each in wanted]
    return Scope.of(AccountScopeId(UUID(session.account_scope_id)), (each.id for each in chosen))


def select(session: SessionView, project: str) -> ProjectOption | None:
    """Make a project (id or slug) the session's default; `all` clears it and answers None. Raises NotFound."""
    chosen = None if project == ALL else _find(_facts(session), project)
    active = None if chosen is None else chosen.id
    with transaction() as db:
        sessions.set_active_project(db, SessionId(UUID(session.session_id)), active)
        audit_trail.record_event(
            db,
            actor=session.user,
            action="project.select",
            entity=audit_trail.Entity("session", session.session_id),
            account_scope_id=AccountScopeId(UUID(session.account_scope_id)),
            project_id=active,
            before={"project_id": session.active_project_id},
            after={"project_id": None if active is None else str(active)},
        )
        token_hash = sessions.token_hash_of(db, SessionId(UUID(session.session_id)))
    if token_hash is not None:
        session_cache.forget(token_hash)
    return None if chosen is None else _option(chosen)


def create(session: SessionView, slug: str, name: str, once: OnceKey | None = None) -> Made[CreatedProject]:
    """Add a client project; control characters of its name are dropped.

    Raises InvalidInput for a bad slug or a name of which nothing can be seen, Conflict for a slug in use.
    """
    slug, name = slug.strip().lower(), _printable(name)
    if not _SLUG.match(slug) or slug == ALL:
        raise InvalidInput("A slug is 1 to 63 of a-z, 0-9 and inner hyphens.", code="invalid_slug")
    if not name:
        raise InvalidInput(
            "A project needs a name with at least one visible character.", code="name_required"
        )
    account_scope_id = AccountScopeId(UUID(session.account_scope_id))

    def work(db: Session) -> CreatedProject:
        facts = queries.create_project(db, account_scope_id, slug, name)
        audit_trail.record_event(
            db,
            actor=session.user,
            action="project.create",
            entity=audit_trail.Entity("project", str(facts.id)),
            account_scope_id=account_scope_id,
            project_id=facts.id,
            after={"slug": slug, "name": name},
        )
        return CreatedProject(project=_option(facts))

    try:
        made = make_once(session, once, CreatedProject, work)
    except IntegrityError as fault:
        raise Conflict("A project with this slug exists.", code="slug_taken", slug=slug) from fault
    cache().renew(tag(kind, account_scope_id) for kind in ("projects", "portfolio", "ct", "lightrag"))
    return made


def _printable(name: str) -> str:
    """The name without control characters; empty when nothing of it can be seen."""
    kept = "".join(each for each in name if each not in _BIDI and unicodedata.category(each) != "Cc").strip()
    return kept if any(unicodedata.category(each)[0] in "LNPS" for each in kept if each not in _BLANK) else ""


def _facts(session: SessionView) -> list[queries.ProjectFacts]:
    # A limited key meets the other projects nowhere: not in lists, not in "all", not by name.
    limited = session.limited_to
    return [each for each in _held_facts(session) if limited is None or str(each.id) in limited]


def _held_facts(session: SessionView) -> list[queries.ProjectFacts]:
    """The account scope's projects, from this process's memory while it hears of changes."""
    key = named = tag("projects", session.account_scope_id)
    held = local_cache().get(key)
    if held is not None:
        return held.value
    version = local_cache().version
    with reading() as db:
        found = queries.list_projects(db, AccountScopeId(UUID(session.account_scope_id)))
    local_cache().put(key, found, 300 * len(found), time.time() + _PROJECTS_S, (named,), version)
    return found


def are_held(session: SessionView) -> bool:
    """Whether `resolve_scope` and `list_projects` need no database now."""
    return local_cache().get(tag("projects", session.account_scope_id)) is not None


def _find(facts: list[queries.ProjectFacts], project: str) -> queries.ProjectFacts:
    for each in facts:
        if project in (str(each.id), each.slug):
            return each
    raise NotFound("There is no such project.", project=project)


def _option(facts: queries.ProjectFacts) -> ProjectOption:
    return ProjectOption(str(facts.id), facts.slug, facts.name, is_unassigned=facts.kind == "unassigned")
