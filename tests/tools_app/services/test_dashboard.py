"""Every number of the dashboard is recomputed from the records that its drill-down lists.

The world is made by hand around a fixed instant, with rows just inside and just outside every predicate.
"""

import datetime as dt
from collections.abc import Generator, Iterator
from decimal import Decimal
from statistics import median

import pytest

from models.infra.clock import frozen
from models.infra.database import transaction
from models.infra.scope import Scope
from tests.tools_app.world import DAY, HOUR, World, make_world
from tools_app.services.dashboard import control_tower
from tools_app.services.records import list_records, parse_records_query
from tools_app.services.views import ChartView, ControlTowerView, Figure, RecordRow

# A Wednesday, 11:30 in Belgrade (UTC+1); summer time begins eleven days later.
NOW = dt.datetime(2026, 3, 18, 10, 30, tzinfo=dt.UTC)


def local(day: str, time: str = "12:00") -> dt.datetime:
    """An instant given in Belgrade's winter time."""
    return dt.datetime.fromisoformat(f"2026-{day}T{time}+01:00")


@pytest.fixture
def world(database: str) -> Generator[World]:
    with frozen(NOW):
        with transaction() as session:
            # The other scope has the same rows: none of them may be counted.
            made = [make_world(session, slug) for slug in ("one", "two")]
            for each in made:
                _fill(each)
        yield made[0]


def _fill(world: World) -> None:
    alpha, beta, spare = (world.places[name] for name in ("alpha", "beta", "unassigned"))

    # Messages: the seven local days begin on Thursday the 12th, 00:00 in Belgrade.
    talk = alpha.conversation(status="resolved")
    alpha.message(talk, local("03-11", "23:59"), 0)
    alpha.message(talk, local("03-12", "00:00"), 1)
    alpha.message(talk, local("03-18", "09:00"), 0)
    alpha.message(talk, local("03-18", "09:00"), 1, private=True)
    alpha.message(talk, local("03-18", "09:00"), 2)
    alpha.message(talk, local("03-18", "09:00"), 3)
    alpha.message(talk, local("03-18", "09:01"), 1, deleted_at=NOW)
    alpha.message(talk, NOW + HOUR, 0)
    # Around a week's border: Sunday 23:30 in Belgrade is still the week of the 2nd of March, though Monday is near.
    border = beta.conversation(status="resolved")
    beta.message(border, local("03-08", "23:30"), 0)
    beta.message(border, local("03-09", "00:30"), 1)
    # Before the quarter, and just inside it (it begins on Monday, December 22).
    old = beta.conversation(status="resolved")
    beta.message(old, dt.datetime(2025, 12, 21, 22, 30, tzinfo=dt.UTC), 0)
    beta.message(old, dt.datetime(2025, 12, 21, 23, 30, tzinfo=dt.UTC), 0)
    beta.message(old, dt.datetime(2025, 12, 22, 8, 30, tzinfo=dt.UTC), 1)

    # Waiting: two unanswered messages wait since the first of them; answered and resolved ones do not wait.
    for place, hours in ((alpha, (5,)), (alpha, (30, 2)), (beta, (100,)), (beta, (400, 390))):
        waits = place.conversation()
        place.message(waits, NOW - 500 * HOUR, 1)
        for hour in hours:
            place.message(waits, NOW - hour * HOUR, 0)
        place.message(waits, NOW - HOUR, 1, private=True)
    answered = alpha.conversation()
    alpha.message(answered, NOW - 50 * HOUR, 0)
    alpha.message(answered, NOW - 46 * HOUR, 1)
    alpha.message(alpha.conversation(status="pending"), NOW - 9 * HOUR, 0)
    alpha.message(alpha.conversation(deleted_at=NOW), NOW - 9 * HOUR, 0)

    # Issues: due yesterday is late, due today is not; blocked by an open one is blocked, by a finished one is not.
    today = dt.date(2026, 3, 18)
    late = alpha.issue(due_date=today - DAY, source_created_at=local("03-10"))
    alpha.issue(due_date=today, source_created_at=local("03-10"))
    alpha.issue(
        due_date=today - DAY,
        state_type="completed",
        completed_at=local("03-16"),
        source_created_at=local("02-02"),
    )
    alpha.issue(due_date=today - DAY, archived_at=NOW, source_created_at=local("02-03"))
    alpha.issue(due_date=today - DAY, trashed=True)
    alpha.issue(due_date=today - DAY, deleted_at=NOW)
    done = alpha.issue(
        state_type="completed", completed_at=local("03-09", "00:10"), source_created_at=local("01-05")
    )
    alpha.issue(blocked_by=[late.identifier])
    alpha.issue(blocked_by=[done.identifier])
    alpha.issue(blocked_by=[done.identifier, late.identifier], due_date=today - 9 * DAY)
    beta.issue(blocked_by=["OTHER-1"])
    beta.issue(state_type="canceled", due_date=today - DAY)
    spare.issue(due_date=today - 40 * DAY, source_created_at=dt.datetime(2025, 6, 1, tzinfo=dt.UTC))

    # Deals: open in three currencies, without an amount, won, lost.
    for stage, value, currency in (
        ("Lead", "10.10", "EUR"), ("Lead", "20.20", "EUR"), ("Proposal", "1000", "EUR"), ("Proposal", "7", "USD"),
        ("Won 🎉", "99999", "EUR"), ("Lost", "88888", "EUR"), ("In Progress", None, None), ("Lead", "5000", "RUB"),
    ):  # fmt: skip
        alpha.deal(stage=stage, value=None if value is None else Decimal(value), currency=currency)
    beta.deal(stage="Qualified", value=Decimal("3.33"), currency="EUR")
    beta.deal(stage=None, value=Decimal(1), currency="EUR")


def listed(scope_of: World, query: str) -> list[RecordRow]:
    """All records of a records query, read page by page."""
    code, project, where = parse_records_query(query)
    scope = scope_of.of() if project in (None, "all") else scope_of.of(project)
    rows: list[RecordRow] = []
    cursor: str | None = None
    while True:
        page = list_records(scope, code, where, cursor=cursor, limit=2)
        rows += page.items
        assert page.total >= len(rows)
        cursor = page.next_cursor
        if cursor is None:
            assert page.total == len(rows)
            return rows


def recomputed(unit: str, rows: list[RecordRow]) -> float | None:
    """The number that these records make."""
    if unit == "money":
        assert len({row.currency for row in rows}) <= 1, "amounts of several currencies were added up"
        return float(sum(Decimal(str(row.amount)) for row in rows)) if rows else None
    if unit == "hours":
        return median(row.value for row in rows if row.value is not None) if rows else None
    return float(len(rows))


def numbers(view: ControlTowerView) -> Iterator[tuple[str, Figure]]:
    """Every number of a dashboard that is made of records, with where it stands."""
    for tile in view.tiles:
        if tile.key != "completeness":
            yield f"tile {tile.key}", tile.figure
    for chart in view.charts:
        for series in chart.series:
            for point in series.points:
                where = f"chart {chart.key} {series.key} {point.x}"
                yield where, Figure(point.value, chart.unit, chart.currency, point.records_query)
    for row in view.projects:
        for name in (
            "messages_7d",
            "waiting",
            "reply_hours",
            "open_issues",
            "overdue_issues",
            "open_deals",
            "pipeline",
        ):
            yield f"project {row.slug} {name}", getattr(row, name)
    for figure in view.unconverted:
        yield f"unconverted {figure.currency}", figure


@pytest.mark.parametrize("projects", [(), ("alpha",), ("beta",), ("unassigned",)])
def test_every_number_is_made_of_exactly_the_records_it_opens(
    world: World, projects: tuple[str, ...]
) -> None:
    view = control_tower(world.of(*projects))
    checked = 0
    for where, figure in numbers(view):
        assert figure.records_query, f"{where} opens nothing"
        again = recomputed(figure.unit, listed(world, figure.records_query))
        if again is None or figure.value is None:
            assert again == figure.value, where
        else:
            assert figure.value == pytest.approx(again, abs=1e-6), where
        checked += 1
    assert checked > 10


def tile(view: ControlTowerView, key: str) -> float | None:
    return next(each.figure.value for each in view.tiles if each.key == key)


def chart(view: ControlTowerView, key: str) -> ChartView:
    return next(each for each in view.charts if each.key == key)


def points(view: ControlTowerView, key: str, series: int = 0) -> dict[str, float | None]:
    return {point.x: point.value for point in chart(view, key).series[series].points}


def test_tiles_count_what_their_names_say(world: World) -> None:
    view = control_tower(world.of())
    assert tile(view, "active_projects") == 2
    # alpha: 00:00 on the 12th and 09:00 today, waiting 5 h, 30 h and 2 h, pair of 50 h and 46 h, 9 h pending, 9 h of
    # the deleted conversation; beta: 100 h.
    assert tile(view, "messages_7d") == 2 + 3 + 2 + 1 + 1 + 1
    assert tile(view, "waiting_conversations") == 4
    assert tile(view, "overdue_or_blocked_issues") == 5
    assert tile(view, "completeness") is None


def test_a_tile_of_one_project_leaves_the_others_out(world: World) -> None:
    view = control_tower(world.of("beta"))
    assert tile(view, "active_projects") == 1
    assert tile(view, "waiting_conversations") == 2
    assert tile(view, "overdue_or_blocked_issues") == 1
    assert [row.slug for row in view.projects] == ["beta"]


def test_weeks_begin_on_monday_in_the_scopes_zone(world: World) -> None:
    view = control_tower(world.of("beta"))
    incoming = points(view, "messages", 0)
    outgoing = points(view, "messages", 1)
    assert len(incoming) == 13
    assert list(incoming)[-1] == "2026-03-16"
    assert incoming["2026-03-02"] == 2  # Sunday 23:30 in Belgrade, and the client of 390 hours ago
    assert outgoing["2026-03-09"] == 1
    assert incoming["2025-12-22"] == 1  # Monday 00:30 in Belgrade; Sunday 23:30 is outside the quarter


def test_first_response_runs_from_the_clients_first_message_to_the_studios_next(world: World) -> None:
    view = control_tower(world.of("alpha"))
    found = points(view, "response_time")
    assert chart(view, "response_time").unit == "hours"
    assert found["2026-03-16"] == pytest.approx(4.0)  # asked 50 h and answered 46 h ago
    assert found["2026-03-09"] == pytest.approx(1 / 60)
    assert found["2026-03-02"] is None  # nobody asked: not measured, not zero


def test_velocity_counts_creation_and_completion_apart(world: World) -> None:
    view = control_tower(world.of("alpha"))
    created, completed = points(view, "velocity", 0), points(view, "velocity", 1)
    assert created["2026-03-09"] == 2
    assert created["2026-02-02"] == 2
    assert completed["2026-03-16"] == 1
    assert completed["2026-03-09"] == 1  # ten past midnight on Monday in Belgrade is Sunday in UTC


def test_overdue_issues_stand_beside_their_project(world: World) -> None:
    assert points(control_tower(world.of()), "overdue") == {
        "Alpha of one": 2,
        "Unassigned of one": 1,
        "Beta of one": 0,
    }


def test_waiting_conversations_are_sorted_by_age(world: World) -> None:
    assert list(points(control_tower(world.of()), "waiting").values()) == [1, 1, 1, 1]


def test_currencies_are_never_added_up(world: World) -> None:
    view = control_tower(world.of())
    assert chart(view, "pipeline").currency == "EUR"
    stages = points(view, "pipeline")
    assert list(stages) == ["Lead", "Qualified", "Proposal", "–"]
    assert stages["Lead"] == pytest.approx(30.30)
    assert {(each.currency, each.value) for each in view.unconverted} == {("USD", 7.0), ("RUB", 5000.0)}


def test_a_sum_over_several_currencies_has_no_value(world: World) -> None:
    assert list_records(world.of(), "pipeline").figure.value is None
    assert list_records(world.of(), "pipeline", {"currency": "USD"}).figure.value == 7.0


def test_a_scope_without_records_shows_empty_charts_and_unknown_medians(database: str) -> None:
    with frozen(NOW), transaction() as session:
        world = make_world(session, "empty")
        session.commit()
        view = control_tower(world.of())
    assert all(each.series == () for each in view.charts)
    assert tile(view, "messages_7d") == 0
    assert view.projects[0].reply_hours.value is None
    assert view.trust.updated_at is None
    assert view.trust.completeness_pct is None


def test_a_scope_of_no_projects_sees_nothing(world: World) -> None:
    view = control_tower(Scope(world.scope, ()))
    assert view.projects == ()
    assert tile(view, "messages_7d") == 0


def test_the_day_the_clocks_change_still_begins_at_midnight(world: World) -> None:
    # The 29th of March has 23 hours in Belgrade; the seven days before the 30th begin at midnight of the 24th.
    with frozen(dt.datetime(2026, 3, 30, 10, tzinfo=dt.UTC)), transaction() as session:
        place = world.places["beta"]
        place.session = session
        talk = place.conversation()
        place.message(talk, dt.datetime(2026, 3, 23, 22, 59, tzinfo=dt.UTC), 0)
        place.message(talk, dt.datetime(2026, 3, 23, 23, 0, tzinfo=dt.UTC), 0)
        session.commit()
        assert list_records(world.of("beta"), "messages_7d").total == 1
