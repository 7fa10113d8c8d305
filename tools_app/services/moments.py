"""The moment a scope's figures are computed at: now, in the account scope's time zone."""

from sqlmodel import Session

from models.infra.clock import utcnow
from models.infra.errors import NotFound
from models.infra.scope import Scope
from models.queries.moment import Moment
from models.queries.projects import ProjectFacts, ScopeFacts, scope_facts, scope_with_projects


def scope_projects_and_moment(
    session: Session, scope: Scope
) -> tuple[ScopeFacts, list[ProjectFacts], Moment]:
    """`scope_and_moment` with the account scope's projects, in one read. Raises NotFound when it is gone."""
    found = scope_with_projects(session, scope.account_scope_id)
    if found is None:
        raise NotFound("There is no such account scope.")
    facts, projects = found
    return facts, projects, Moment(utcnow(), facts.timezone)


def scope_and_moment(session: Session, scope: Scope) -> tuple[ScopeFacts, Moment]:
    """The account scope's facts and the present moment there. Raises NotFound when it is gone."""
    facts = scope_facts(session, scope.account_scope_id)
    if facts is None:
        raise NotFound("There is no such account scope.")
    return facts, Moment(utcnow(), facts.timezone)
