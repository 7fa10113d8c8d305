"""Sessions, the pool and its figures, on a real server."""

import asyncio
import threading

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import InternalError, OperationalError

from models.infra.database import engine, in_db, normalise_url, reading, sql_comment, transaction
from models.infra.errors import Unavailable
from models.infra.logging import origin, request_id
from models.infra.metrics import registry
from models.infra.settings import override_settings


def test_a_transaction_commits_at_its_end(database: str) -> None:
    with transaction() as session:
        session.execute(text("create table t (n int)"))
        session.execute(text("insert into t values (1)"))
    with reading() as session:
        assert session.execute(text("select n from t")).scalars().all() == [1]


def test_a_transaction_rolls_back_when_it_raises(database: str) -> None:
    with transaction() as session:
        session.execute(text("create table t (n int)"))

    def fail_after_writing() -> None:
        with transaction() as session:
            session.execute(text("insert into t values (1)"))
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail_after_writing()
    with reading() as session:
        assert session.execute(text("select count(*) from t")).scalar_one() == 0


def test_work_that_a_signal_stops_in_the_middle_of_an_answer_says_so_and_is_rolled_back(
    database: str,
) -> None:
    class Stopped(BaseException):
        pass

    with transaction() as session:
        session.execute(text("create table t (n int)"))

    def stop_while_the_server_answers() -> None:
        with transaction() as session:
            session.execute(text("insert into t values (1)"))
            driver = session.connection().connection.driver_connection
            assert isinstance(driver, psycopg.Connection)
            driver.pgconn.send_query(b"select 1")
            raise Stopped

    with pytest.raises(Stopped):
        stop_while_the_server_answers()
    with reading() as session:
        assert session.execute(text("select count(*) from t")).scalar_one() == 0


def test_a_reading_session_cannot_write(database: str) -> None:
    with reading() as session, pytest.raises(InternalError, match="read-only"):
        session.execute(text("create table t (n int)"))


def test_a_connection_used_for_reading_can_write_again_afterwards(database: str) -> None:
    with override_settings(db_pool_size=1):
        with reading() as session:
            session.execute(text("select 1"))
        with transaction() as session:
            session.execute(text("create table t (n int)"))


def test_a_statement_that_runs_too_long_is_cancelled(database: str) -> None:
    with (
        override_settings(db_statement_timeout_ms=100),
        reading() as session,
        pytest.raises(OperationalError, match="statement timeout"),
    ):
        session.execute(text("select pg_sleep(5)"))


def test_the_server_notices_within_a_minute_that_a_machine_with_locks_is_gone(database: str) -> None:
    with reading() as session:
        idle, interval, count = (
            int(session.execute(text(f"show tcp_keepalives_{name}")).scalar_one())
            for name in ("idle", "interval", "count")
        )
    assert 0 < idle + interval * count < 60


def test_callers_that_wait_for_a_connection_are_counted(database: str) -> None:
    with override_settings(db_pool_size=1):
        assert registry.get_sample_value("db_pool_waiting") is not None
        engine()
        release, holding = threading.Event(), threading.Event()

        def hold() -> None:
            with reading():
                holding.set()
                release.wait(10)

        def use() -> None:
            with reading():
                pass

        holder = threading.Thread(target=hold)
        holder.start()
        assert holding.wait(10)
        waiter = threading.Thread(target=use)
        waiter.start()
        seen = False
        for _ in range(500):
            if registry.get_sample_value("db_pool_waiting") == 1:
                seen = True
                break
            waiter.join(0.01)
        release.set()
        holder.join(10)
        waiter.join(10)
        assert seen
        assert registry.get_sample_value("db_pool_waiting") == 0
        assert registry.get_sample_value("db_pool_total") == 1
        assert registry.get_sample_value("db_pool_idle") == 1


async def test_in_db_runs_in_a_thread_and_returns_the_result(database: str) -> None:
    def where() -> tuple[str, int]:
        with reading() as session:
            return threading.current_thread().name, session.execute(text("select 7")).scalar_one()

    results = await asyncio.gather(*(in_db(where) for _ in range(3)))
    assert all(name.startswith("db") and value == 7 for name, value in results)


def test_the_driver_is_always_spelled_out() -> None:
    assert normalise_url("postgres://u:p@h:1/d") == "postgresql+psycopg://u:p@h:1/d"
    assert normalise_url("postgresql://u:p@h/d") == "postgresql+psycopg://u:p@h/d"


def test_without_a_database_url_the_error_says_so() -> None:
    with pytest.raises(Unavailable, match="DATABASE_URL"):
        engine()


def _as_the_server_sees_it(value: str) -> str:
    with reading() as session:
        statement = text(
            "select query from pg_stat_activity where pid = pg_backend_pid() and :value = :value"
        )
        return session.execute(statement, {"value": value}).scalar_one()


def test_a_statement_says_for_which_request_and_route_it_runs(database: str) -> None:
    tokens = request_id.set("req-42"), origin.set("/api/records/{record_id}")
    try:
        seen = _as_the_server_sees_it("100 % of it")
    finally:
        request_id.reset(tokens[0])
        origin.reset(tokens[1])
    assert seen.endswith(" /*request_id='req-42',route='/api/records/{record_id}'*/")
    assert not _as_the_server_sees_it("x").endswith("*/")


def test_only_the_first_statement_of_a_transaction_differs_by_request(database: str) -> None:
    seen: list[list[str]] = []
    activity = text("select current_query()")
    for name in ("req-00001", "req-00002"):
        tokens = request_id.set(name), origin.set("/api/projects")
        try:
            with reading() as session:
                seen.append([session.execute(activity).scalar_one() for _ in range(3)])
        finally:
            request_id.reset(tokens[0])
            origin.reset(tokens[1])
    assert [name in each[0] for name, each in zip(("req-00001", "req-00002"), seen, strict=True)] == [
        True,
        True,
    ]
    assert seen[0][1:] == seen[1][1:]
    assert seen[0][1].endswith(" /*route='/api/projects'*/")


@pytest.mark.parametrize(
    "hostile",
    [
        "x*/; select 1; --",
        "'; drop table sessions; --",
        "%s %(value)s :value",
        "/* nested */",
        "a\nb\0c",
        "я" * 999,
    ],
)
def test_no_value_ends_the_comment_or_becomes_a_placeholder(database: str, hostile: str) -> None:
    tokens = request_id.set(hostile), origin.set(hostile)
    try:
        comment = sql_comment()
        seen = _as_the_server_sees_it("x")
    finally:
        request_id.reset(tokens[0])
        origin.reset(tokens[1])
    assert seen.endswith(comment)
    assert comment.count("*/") == comment.count("/*") == 1
    assert comment.count("'") == 4
    assert "%" not in comment
    assert len(comment) < 400
