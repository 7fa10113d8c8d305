import datetime as dt
from collections.abc import Generator

import pytest

from models.infra.clock import frozen
from models.infra.errors import TooManyRequests
from models.infra.settings import override_settings
from tools_app.services import login_throttle
from tools_app.services.login_throttle import LocalAttempts, count_attempt, forget_attempts

START = dt.datetime(2026, 3, 18, 10, tzinfo=dt.UTC)


def at(seconds: float) -> dt.datetime:
    return START + dt.timedelta(seconds=seconds)


@pytest.fixture(params=["redis", "without redis"])
def store(request: pytest.FixtureRequest, redis: object, monkeypatch: pytest.MonkeyPatch) -> Generator[str]:
    monkeypatch.setattr(login_throttle, "_local", LocalAttempts())
    if request.param == "redis":
        yield request.param
    else:
        with override_settings(redis_url=""):
            yield request.param


def test_the_sixth_attempt_of_an_address_within_five_minutes_has_to_wait(store: str) -> None:
    for number in range(5):
        with frozen(at(number * 10)):
            count_attempt("192.0.2.1", f"name-{number}")
    with frozen(at(60)), pytest.raises(TooManyRequests) as refused:
        count_attempt("192.0.2.1", "another")
    assert refused.value.retry_after == 5 * 60 - 60
    with frozen(at(60)):
        count_attempt("192.0.2.2", "another")
    with frozen(at(5 * 60 + 1)):
        count_attempt("192.0.2.1", "another")


def test_the_eleventh_attempt_on_an_account_within_fifteen_minutes_has_to_wait(store: str) -> None:
    for number in range(10):
        with frozen(at(number)):
            count_attempt(f"192.0.2.{number}", "owner")
    with frozen(at(20)), pytest.raises(TooManyRequests) as refused:
        count_attempt("192.0.2.77", "owner")
    assert refused.value.retry_after == 15 * 60 - 20


def test_a_refused_attempt_does_not_prolong_the_wait(store: str) -> None:
    for _ in range(5):
        with frozen(START):
            count_attempt("192.0.2.1", "owner")
    for second in range(1, 200):
        with frozen(at(second)), pytest.raises(TooManyRequests):
            count_attempt("192.0.2.1", "owner")
    with frozen(at(5 * 60 + 1)):
        count_attempt("192.0.2.1", "owner")


def test_a_successful_login_forgets_the_attempts(store: str) -> None:
    for _ in range(20):
        with frozen(START):
            count_attempt("192.0.2.1", "owner")
            forget_attempts("192.0.2.1", "owner")


def test_the_table_without_redis_stays_small() -> None:
    local = LocalAttempts(max_keys=100)
    for number in range(1000):
        local.attempt(str(number), login_throttle.PER_ADDRESS, 0.0)
    assert len(local._times) <= 100
