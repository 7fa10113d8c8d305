"""The schedule: turns and last runs, inside the scope, and what a line of it says."""

import datetime as dt

from models.infra.clock import utcnow
from models.infra.database import transaction
from models.queries.job_runs import plan_cadence, save_cadence
from models.queries.runs_overview import EndedRun
from models.tables.platform import JobRun
from tests.tools_app.world import World
from tools_app.components.schedule_card import present
from tools_app.services.jobs import jobs_view
from tools_app.services.schedule import SHOWN_RUNS, ScheduleRow

AT = dt.datetime(2026, 5, 4, 12, 0, tzinfo=dt.UTC)


def add_run(
    world: World, job: str, seconds: float, status: str = "succeeded", minutes_ago: int = 0, **values: object
):
    began = utcnow() - dt.timedelta(minutes=minutes_ago)
    run = {
        "job": job, "status": status, "account_scope_id": world.scope, "queued_at": began, "started_at": began,
        "finished_at": began + dt.timedelta(seconds=seconds), **values,
    }  # fmt: skip
    with transaction() as session:
        session.add(JobRun.model_validate(run))


def rows(world: World, *slugs: str) -> dict[str, ScheduleRow]:
    return {each.job: each for each in jobs_view(world.of(*slugs)).schedule}


def test_every_job_has_its_turn_and_housekeeping_is_left_out(worlds: dict[str, World]) -> None:
    with transaction() as session:
        for name, every in (("sync", 900), ("reconcile", 86_400), ("recover", 30)):
            save_cadence(session, name, every)
            plan_cadence(session, name, AT)
    found = rows(worlds["one"])
    assert list(found) == [
        "sync",
        "refetch",
        "retry",
        "reconcile",
        "repair",
        "mirror",
        "identity",
        "signals",
        "agreements",
        "index",
    ]
    assert (found["sync"].every_s, found["sync"].next_run_at) == (900, AT)
    assert (found["repair"].every_s, found["repair"].next_run_at) == (None, None)


def test_the_last_runs_are_those_of_the_scope_that_ended_oldest_first(worlds: dict[str, World]) -> None:
    world = worlds["one"]
    for number in range(SHOWN_RUNS + 3):
        add_run(world, "index", number, minutes_ago=100 - number)
    add_run(world, "index", 7, project_id=world.places["beta"].project, status="failed")
    add_run(worlds["two"], "index", 99)
    add_run(world, "index", 0, finished_at=None, status="running")
    durations = [run.duration_s for run in rows(world)["index"].runs]
    assert durations == [*[float(each) for each in range(4, SHOWN_RUNS + 3)], 7.0]
    assert [run.status for run in rows(world, "alpha")["index"].runs] == ["succeeded"] * SHOWN_RUNS


def test_a_line_says_how_often_and_how_long() -> None:
    runs = (EndedRun("succeeded", AT, 2.0), EndedRun("failed", AT, 8.0), EndedRun("succeeded", AT, 3.0))
    line = present(ScheduleRow("sync", 900, True, AT, AT, runs), "en")
    assert (line.every, line.words) == ("every 15 min", "3 runs, median 3 s, longest 8 s · 1 failed")
    assert line.ended.count("M") == 2
    assert line.failed.count("M") == 1
    assert "V0.0" in line.failed, "the longest run is as high as the box"


def test_a_job_without_runs_or_turn_says_so() -> None:
    line = present(ScheduleRow("repair", None, True, None, None), "en")
    assert (line.every, line.words, line.next_iso, line.last_iso) == (
        "when something differs",
        "not run yet",
        "",
        "",
    )
    assert present(ScheduleRow("brand_new", None, True, None, None), "en").every == "when asked for"
    assert present(ScheduleRow("sync", 900, False, None, None), "ru").every == "выключено"


def test_the_errors_that_are_not_listed_are_counted(worlds: dict[str, World]) -> None:
    view = jobs_view(worlds["one"].of("alpha"))
    assert (len(view.errors), view.error_count) == (1, 1)
