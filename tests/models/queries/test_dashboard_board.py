"""The board says what the record sets say, from the views and from the materialized views alike."""

import datetime as dt
from itertools import combinations
from typing import Any

import pytest

from models.infra.clock import utcnow
from models.infra.database import reading, transaction
from models.infra.scope import Scope
from models.queries.connector_overview import list_connections
from models.queries.dashboard_board import read_board
from models.queries.dashboard_refresh import refresh_views
from models.queries.moment import Moment
from models.queries.record_figures import GroupBy, GroupFigure, figures
from models.queries.stream_sets import STREAMS, set_code
from tests.tools_app.world import DAY, HOUR, Place, World, fill, make_world

CASES: tuple[tuple[str, tuple[GroupBy, ...]], ...] = (
    ("messages_7d", ()), ("messages_7d", ("project_id",)), ("messages_before_7d", ()),
    ("messages_weekly", ("bucket",)), ("messages_weekly", ("bucket", "series")), ("first_response", ()),
    ("first_response", ("bucket",)), ("first_response", ("project_id",)), ("waiting_conversations", ()),
    ("waiting_conversations", ("bucket",)), ("waiting_conversations", ("project_id",)), ("open_issues", ("project_id",)),
    ("overdue_issues", ("project_id",)), ("overdue_or_blocked_issues", ()), ("issues_created", ("bucket",)),
    ("issues_completed", ("bucket",)), ("open_deals", ("project_id",)), ("pipeline", ("bucket", "series")),
    ("pipeline", ("series",)),
)  # fmt: skip


def enrich(place: Place, number: int) -> None:
    """Rows at many ages, so that every bucket and every border has some."""
    now = utcnow()
    for at in range(number + 3):
        talk = place.conversation(status=("open", "resolved")[at % 2])
        asked = now - at * 37 * HOUR - dt.timedelta(minutes=number)
        place.message(talk, asked - at * 9 * DAY, 0)
        place.message(talk, asked - at * 9 * DAY + at * HOUR, 1)
        place.message(talk, asked, at % 2)
        place.issue(
            due_date=(now + (at - 2) * DAY).date(),
            source_created_at=now - at * 6 * DAY,
            completed_at=now - at * 5 * DAY if at % 3 == 0 else None,
            state_type="completed" if at % 3 == 0 else "started",
        )
        place.deal(stage=("Won 🎉", "Proposal", None)[at % 3], currency=("EUR", "USD")[at % 2])


@pytest.fixture
def world(database: str) -> World:
    with transaction() as session:
        worlds = [make_world(session, slug) for slug in ("one", "two")]
        for made in worlds:
            for number, place in enumerate(made.places.values()):
                fill(place, utcnow())
                enrich(place, number * 4)
    return worlds[0]


def scopes(world: World) -> list[Scope]:
    """Every project alone, every pair, and all."""
    slugs = list(world.places)
    return [world.of(*some) for size in (1, 2, 3) for some in combinations(slugs, size)]


def plain(found: list[GroupFigure]) -> list[tuple[Any, ...]]:
    rounded = [
        (
            each.project_id,
            each.bucket,
            each.series,
            None if each.value is None else round(each.value, 6),
            each.records,
        )
        for each in found
    ]
    return sorted(rounded, key=str)


def assert_equal_to_the_sets(world: World) -> None:
    for scope in scopes(world):
        with reading() as session:
            moment = Moment(utcnow(), "Europe/Belgrade")
            board = read_board(session, scope, moment, is_whole=len(scope.project_ids) == len(world.places))
            for code, by in CASES:
                # A board keeps an empty stage or currency as text where the set has none.
                assert plain(board.figures(code, by)) == plain(figures(session, scope, moment, code, by)), (
                    code,
                    by,
                )
            rows = board.streams()
            for connection in list_connections(session, scope.account_scope_id):
                for stream in STREAMS[connection.connector]:
                    code = set_code(connection.connector, stream)
                    counted = figures(session, scope, moment, code)[0].records
                    assert rows.get((str(connection.id), stream), (0, None))[0] == counted, code


def test_before_the_first_refresh_the_figures_come_from_the_views(world: World) -> None:
    with reading() as session:
        assert not read_board(session, world.of(), Moment(utcnow(), "UTC")).is_stored
    assert_equal_to_the_sets(world)


def test_after_a_refresh_they_come_from_what_is_stored(world: World) -> None:
    with transaction() as session:
        assert refresh_views(session)
    with reading() as session:
        assert read_board(session, world.of(), Moment(utcnow(), "UTC")).is_stored
    assert_equal_to_the_sets(world)


def test_a_later_refresh_sees_what_changed_since(world: World) -> None:
    with transaction() as session:
        refresh_views(session)
    with transaction() as session:
        place = world.places["alpha"]
        place.session = session
        place.deal()
        place.message(place.conversation(), utcnow() - HOUR, 0)
    with transaction() as session:
        assert refresh_views(session)
    assert_equal_to_the_sets(world)


def test_the_board_of_an_empty_scope_is_empty(world: World) -> None:
    with transaction() as session:
        refresh_views(session)
    with reading() as session:
        board = read_board(session, Scope.of(world.scope, ()), Moment(utcnow(), "UTC"))
        assert board.figure("messages_7d").value == 0
        assert board.figure("first_response").value is None
        assert board.streams() == {}
