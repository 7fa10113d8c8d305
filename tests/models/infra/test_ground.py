"""The small facts: ids, clock, scope, errors, logs."""

import datetime as dt
import io
import json
import logging
import sys
import threading
from uuid import UUID

import pytest

from models.infra.clock import frozen, utcnow
from models.infra.errors import AppError, NotFound, TooManyRequests
from models.infra.ids import AccountScopeId, ProjectId, new_id
from models.infra.logging import configure_logging, get_logger, request_id
from models.infra.scope import Scope


def test_ids_are_version_7_and_strictly_increase() -> None:
    ids = [new_id() for _ in range(10_000)]
    assert {(value.version, value.variant) for value in ids} == {(7, "specified in RFC 4122")}
    assert ids == sorted(set(ids))


def test_an_id_carries_the_time_it_was_made() -> None:
    made = dt.datetime.fromtimestamp((new_id().int >> 80) / 1000, dt.UTC)
    assert abs(made - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)


def test_the_clock_can_be_frozen_in_any_zone_and_answers_in_utc() -> None:
    noon = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=3)))
    with frozen(noon):
        assert utcnow() == noon
        assert utcnow().tzinfo is dt.UTC
    assert utcnow() != noon


def test_a_naive_instant_cannot_be_frozen() -> None:
    with pytest.raises(ValueError, match="timezone"), frozen(dt.datetime(2026, 3, 1)):  # noqa: DTZ001
        pass


def test_equal_sets_of_projects_are_equal_scopes_with_one_key() -> None:
    account = AccountScopeId(UUID(int=1))
    one, two = ProjectId(UUID(int=2)), ProjectId(UUID(int=3))
    assert Scope.of(account, [two, one, two]) == Scope.of(account, [one, two])
    assert Scope.of(account, [two, one]).key() == Scope.of(account, [one, two]).key()
    assert Scope.of(account, [one]).key() != Scope.of(account, [two]).key()
    assert Scope.of(account, [one]).key() != Scope.of(AccountScopeId(UUID(int=9)), [one]).key()


def test_errors_carry_code_status_and_details() -> None:
    error = NotFound("no such project", project_id="p")
    assert (error.code, error.status, error.details) == ("not_found", 404, {"project_id": "p"})
    assert TooManyRequests(retry_after=0).retry_after == 1
    assert AppError("x", code="odd", status=418).status == 418


def test_a_log_line_is_json_with_the_agreed_fields_and_masked_secrets() -> None:
    out = io.StringIO()
    root = logging.getLogger()
    before = root.handlers[:]
    try:
        configure_logging("web", out)
        token = request_id.set("req-1")
        get_logger("t").info("hello", rows=3, api_token="s3cret", nested={"password": "p4ss"})
        request_id.reset(token)
        logging.getLogger("lib").warning("library %s", "line")
    finally:
        root.handlers[:] = before
    ours, theirs = (json.loads(line) for line in out.getvalue().splitlines())
    assert {"time", "level", "msg", "pid", "service"} <= set(ours)
    assert (ours["msg"], ours["rows"], ours["request_id"], ours["service"]) == ("hello", 3, "req-1", "web")
    assert "s3cret" not in out.getvalue()
    assert "p4ss" not in out.getvalue()
    assert (theirs["msg"], theirs["level"], theirs["request_id"]) == ("library line", "warning", "")


def test_warnings_and_what_nobody_caught_are_log_lines_too() -> None:
    out = io.StringIO()
    root = logging.getLogger()
    before, hooks = root.handlers[:], (sys.excepthook, threading.excepthook)
    try:
        configure_logging("worker", out)
        # What `captureWarnings` makes of a warning; pytest puts its own hook in its place.
        logging._showwarning("careful", UserWarning, "module.py", 1)  # pyright: ignore[reportAttributeAccessIssue]
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
        sys.excepthook(ValueError, ValueError("lost"), None)
    finally:
        logging.captureWarnings(capture=False)
        root.handlers[:] = before
        sys.excepthook, threading.excepthook = hooks
    warned, in_thread, uncaught = (json.loads(line) for line in out.getvalue().splitlines())
    assert "careful" in warned["msg"]
    assert "ZeroDivisionError" in in_thread["exception"]
    assert (uncaught["level"], uncaught["service"]) == ("critical", "worker")
    assert "lost" in uncaught["exception"]
