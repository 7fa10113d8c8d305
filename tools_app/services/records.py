"""Drill-down: exactly the records behind a number, as the number's `records_query` names them.

A records query is `set=<code>` with the set's dimensions and `project=<slug or id or all>`. The figure shown above a
list is computed from the same predicate as the list.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlencode

from models.infra.database import reading
from models.infra.errors import InvalidInput
from models.infra.scope import Scope
from models.queries import record_figures, record_lists
from models.queries.projects import ProjectFacts, list_projects
from models.queries.record_sets import RecordSet
from tools_app.services.moments import scope_and_moment
from tools_app.services.projects import ALL
from tools_app.services.views import Figure, RecordRow, RecordsView

MAX_LIMIT = 200


def project_name(scope: Scope, projects: list[ProjectFacts]) -> str:
    """How a records query names a scope: the slug of its one project, or `all`."""
    if len(scope.project_ids) == 1 and len(projects) > 1:
        return next((each.slug for each in projects if each.id == scope.project_ids[0]), ALL)
    return ALL


@lru_cache(maxsize=8_192)
def records_query(code: str, project: str, **where: str) -> str:
    """The query string that opens a set for a project (slug or `all`), narrowed by dimensions."""
    return urlencode({"set": code, "project": project, **where})


def parse_records_query(query: str) -> tuple[str, str | None, dict[str, str]]:
    """Set code, project (None: not named) and dimensions of a records query. Raises InvalidInput without a set."""
    parts = dict(parse_qsl(query.lstrip("?"), keep_blank_values=True))
    code, project = parts.pop("set", ""), parts.pop("project", None)
    if not code:
        raise InvalidInput("A records query needs a set.", code="unknown_record_set")
    return code, project, parts


def list_records(
    scope: Scope,
    set_code: str,
    where: Mapping[str, str] | None = None,
    *,
    cursor: str | None = None,
    limit: int = 50,
) -> RecordsView:
    """A page of the records of a set and the figure they make.

    Raises InvalidInput for an unknown set, dimension or cursor, or a limit outside 1..200.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(f"limit is 1 to {MAX_LIMIT}.", limit=limit)
    narrow = dict(where or {})
    chosen = record_figures.record_set(set_code)
    with reading() as session:
        _, moment = scope_and_moment(session, scope)
        projects = list_projects(session, scope.account_scope_id)
        total = record_figures.figure(session, scope, moment, set_code, narrow)
        page = record_lists.page(session, scope, moment, set_code, where=narrow, cursor=cursor, limit=limit)
    names = {each.id: (each.slug, each.name) for each in projects}
    currency = narrow.get("currency", "") if chosen.unit == "money" else ""
    # Amounts of several currencies have no sum: without a currency the figure stays unknown.
    mixed = chosen.unit == "money" and not currency
    query = records_query(set_code, project_name(scope, projects), **narrow)
    return RecordsView(
        set_code=set_code,
        params=narrow,
        figure=Figure(None if mixed else total.value, chosen.unit, currency, query),
        total=total.records,
        items=tuple(_row(chosen, each, names) for each in page.items),
        next_cursor=page.next_cursor,
    )


def _row(
    chosen: RecordSet, listed: record_lists.ListedRecord, names: Mapping[Any, tuple[str, str]]
) -> RecordRow:
    facts = listed.facts
    slug, name = names.get(facts.project_id, ("", ""))
    return RecordRow(
        id=str(facts.id),
        source_type=facts.source_type,
        project_slug=slug,
        project_name=name,
        title=facts.title,
        snippet=facts.snippet,
        author=facts.author,
        status=facts.status,
        occurred_at=listed.occurred_at,
        url=facts.url,
        due_on=facts.due_on,
        amount=None if facts.amount is None else float(facts.amount),
        currency=facts.currency,
        value=None if listed.value is None else float(listed.value),
        unit="hours" if chosen.code in ("waiting_conversations", "overdue_issues") else chosen.unit,
    )
