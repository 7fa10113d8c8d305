"""A record that could not be read is an error of its project, where that is known, and of the account scope else."""

from sqlalchemy import text

from jobs.connectors.base import Page, Rejected
from jobs.connectors.errors import BadRecord
from jobs.page_writer import write_page
from jobs.retry import queue_failure
from jobs.sandbox.sandbox import MAIN
from jobs.sync import open_run
from models.infra.database import reading, transaction
from models.infra.ids import ConnectionId, ProjectId
from models.infra.scope import Scope
from models.queries import connector_overview as overview
from tests.jobs.copies import run_sync
from tests.jobs.small_vendors import SmallVendors
from tests.scopes import MadeScope


def issue_of(connection_id: ConnectionId) -> tuple[str, ProjectId]:
    """An issue that is here, with its project."""
    with reading() as session:
        row = session.execute(
            text(
                "SELECT vendor_id, project_id FROM linear_issues WHERE connection_id = :c AND deleted_at IS NULL"
                " ORDER BY vendor_id LIMIT 1"
            ),
            {"c": connection_id},
        ).one()
    return row.vendor_id, ProjectId(row.project_id)


def seen_by(made: MadeScope, *projects: ProjectId) -> list[str]:
    """The units of the errors that a session of these projects is shown; of all projects, when none is named."""
    with reading() as session:
        scope = Scope.of(made.id, projects or made.projects.values())
        return sorted(each.unit for each in overview.list_errors(session, scope, after=None, limit=50))


def test_a_record_that_is_here_fails_in_its_project(small: SmallVendors) -> None:
    made, connection_id = small.connect("linear")
    run_sync(connection_id)
    for issue in small.tenant.linear.tables["issues"]:
        small.sandbox.change(MAIN, "linear", "edit_issue", {"issue": issue, "title": "new title"})
    small.hours.forward(60)
    small.fault(vendor="linear", kind="bad_record", contains="query Issues", times=1)
    run_sync(connection_id)
    [unit] = seen_by(made)
    with reading() as session:
        row = session.execute(
            text("SELECT project_id FROM linear_issues WHERE vendor_id = :id"), {"id": unit}
        )
        home = ProjectId(row.scalar_one())
    assert seen_by(made, home) == [unit]
    assert seen_by(made, *(each for each in made.projects.values() if each != home)) == []


def test_a_record_that_nobody_can_place_fails_in_the_account_scope(small: SmallVendors) -> None:
    made, connection_id = small.connect("linear")
    small.fault(vendor="linear", kind="bad_record", contains="query Issues", times=1)
    run_sync(connection_id)
    assert len(seen_by(made)) == 1
    assert [seen_by(made, each) for each in made.projects.values()] == [[]] * len(made.projects)


def test_a_new_child_fails_in_the_project_of_the_parent_that_it_names(small: SmallVendors) -> None:
    made, connection_id = small.connect("linear")
    run_sync(connection_id)
    issue, home = issue_of(connection_id)
    run = open_run(connection_id)
    run.connector.close()
    named = Rejected("comments", "c-1", "unreadable", {"id": "c-1", "issue": {"id": issue}})
    lost = Rejected("comments", "c-2", "unreadable", {"id": "c-2", "issue": None})
    with transaction() as session:
        write_page(session, run, Page("comments", (), rejected=(named, lost)))
    assert seen_by(made, home) == ["c-1"]
    assert seen_by(made) == ["c-1", "c-2"]


def test_a_project_that_became_known_is_kept(small: SmallVendors) -> None:
    made, connection_id = small.connect("linear")
    run_sync(connection_id)
    issue, home = issue_of(connection_id)
    run = open_run(connection_id)
    run.connector.close()
    queue_failure(run, "comments", "c-1", BadRecord("c-1", "unreadable"), {"issue": {"id": issue}})
    queue_failure(run, "comments", "c-1", BadRecord("c-1", "unreadable"), {})
    assert seen_by(made, home) == ["c-1"]
