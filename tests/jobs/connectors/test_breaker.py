"""The breaker: five failures within a minute open it for every worker; one probe decides when it closes."""

import datetime as dt
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator

import httpx
import pytest

from jobs.connectors import breaker
from jobs.connectors.breaker import Breaker, Limits, circuit_key, read_circuit
from jobs.connectors.errors import CircuitOpen, CredentialsInvalid, RateLimited, UnusableAnswer, VendorDown
from jobs.connectors.http import NotThere, VendorHttp
from jobs.connectors.slots import Busy
from models.infra.clock import utcnow
from models.infra.settings import environment, get_settings, override_settings
from tests.conftest import ROOT

QUICK = Limits(failures=5, window_s=60.0, reset_s=0.2)


@pytest.fixture(autouse=True)
def _own_memory() -> None:
    breaker.forget_local()


@pytest.fixture(params=["in redis", "without redis"])
def key(request: pytest.FixtureRequest) -> Iterator[str]:
    """A breaker of its own, with its state in Redis and in the process."""
    if request.param == "in redis":
        request.getfixturevalue("redis")
        yield f"test:{time.time_ns()}"
    else:
        with override_settings(redis_url="redis://127.0.0.1:1/0"):
            yield f"test:{time.time_ns()}"


def down() -> None:
    raise VendorDown("no answer in time")


def trip(guard: Breaker, failures: int = 5) -> None:
    for _ in range(failures):
        with pytest.raises(VendorDown):
            guard.call(down)


def test_the_fifth_failure_opens_it_and_then_nothing_is_sent(key: str) -> None:
    guard, sent = Breaker(key), []
    trip(guard, 4)
    guard.call(lambda: sent.append("still closed"))
    trip(guard, 1)
    with pytest.raises(CircuitOpen, match="5 times within 60 s"):
        guard.call(lambda: sent.append("open"))
    assert sent == ["still closed"]
    assert read_circuit(key).opened_at is not None


def test_failures_older_than_the_window_do_not_count(key: str) -> None:
    guard = Breaker(key, Limits(failures=2, window_s=0.1))
    trip(guard, 1)
    time.sleep(0.15)
    trip(guard, 1)
    assert read_circuit(key).opened_at is None


@pytest.mark.parametrize(
    "error", [CredentialsInvalid("401"), NotThere("404"), UnusableAnswer("half of it"), ValueError("ours")]
)
def test_an_answer_of_the_vendor_is_no_failure(key: str, error: Exception) -> None:
    guard = Breaker(key)

    def answer() -> None:
        raise error

    for _ in range(10):
        with pytest.raises(type(error)):
            guard.call(answer)
    assert read_circuit(key).opened_at is None


def test_a_probe_that_succeeds_closes_it(key: str) -> None:
    guard = Breaker(key, QUICK)
    trip(guard)
    time.sleep(0.25)
    assert guard.call(lambda: "up") == "up"
    assert read_circuit(key).opened_at is None
    trip(guard, 4)
    assert read_circuit(key).opened_at is None  # the failures before are forgotten


def test_a_probe_that_fails_opens_it_again(key: str) -> None:
    guard = Breaker(key, QUICK)
    trip(guard)
    opened_at = read_circuit(key).opened_at
    time.sleep(0.25)
    trip(guard, 1)
    again = read_circuit(key).opened_at
    assert opened_at is not None
    assert again is not None
    assert again > opened_at
    with pytest.raises(CircuitOpen):
        guard.call(lambda: None)


def test_only_one_of_many_threads_probes(key: str) -> None:
    trip(Breaker(key, QUICK))
    time.sleep(0.25)
    sent: list[int] = []
    refused: list[int] = []
    probing = threading.Event()

    def probe(number: int) -> None:
        def work() -> None:
            sent.append(number)
            probing.wait(5)

        try:
            Breaker(key, QUICK).call(work)
        except CircuitOpen:
            refused.append(number)
            if len(refused) == 7:
                probing.set()

    threads = [threading.Thread(target=probe, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (len(sent), len(refused)) == (1, 7)


def test_calls_run_side_by_side_while_it_is_closed(key: str) -> None:
    guard, together = Breaker(key), threading.Barrier(3, timeout=10)
    threads = [threading.Thread(target=lambda: guard.call(together.wait)) for _ in range(2)]
    for thread in threads:
        thread.start()
    together.wait()
    for thread in threads:
        thread.join(10)


def test_another_process_sees_it_open(redis: object) -> None:
    name = f"test:{time.time_ns()}"
    trip(Breaker(name))
    code = (
        "from jobs.connectors.breaker import Breaker\n"
        "from jobs.connectors.errors import CircuitOpen\n"
        f"try: Breaker({name!r}).call(lambda: print('sent'))\n"
        "except CircuitOpen: print('refused')\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment(PYTHONPATH=str(ROOT), REDIS_URL=get_settings().redis_url),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert answer.stdout.strip().endswith("refused")


def test_redis_that_goes_away_leaves_the_process_its_own_count(redis: object) -> None:
    name = f"test:{time.time_ns()}"
    guard = Breaker(name)
    trip(guard, 4)
    with override_settings(redis_url="redis://127.0.0.1:1/0"):
        trip(guard)
        with pytest.raises(CircuitOpen):
            guard.call(lambda: None)
    breaker.forget_local()
    assert guard.call(lambda: "seen") == "seen"


def test_a_connector_and_an_origin_make_a_circuit() -> None:
    assert circuit_key("linear", "https://api.linear.app/graphql") == "linear:https://api.linear.app"
    assert circuit_key("chatwoot", "http://desk.example:3000/x/y?z") == "chatwoot:http://desk.example:3000"


@pytest.mark.usefixtures("redis")
@pytest.mark.parametrize(
    "spelling",
    [
        "https://desk.example/",
        "HTTPS://Desk.Example",
        "https://desk.example:443/app",
        "https://desk.example.",
        "https://DESK.example.:443/",
        "https://someone:secret@desk.example",
    ],
)
def test_an_origin_has_one_circuit_and_one_set_of_slots_however_it_is_spelled(spelling: str) -> None:
    assert circuit_key("chatwoot", spelling) == "chatwoot:https://desk.example"
    first, second = (
        VendorHttp("chatwoot", url, {}, timeout_s=1, parallel=1, classify=lambda _: None)
        for url in ("https://desk.example", spelling)
    )
    try:
        with first._slots.hold(0.5), pytest.raises(Busy), second._slots.hold(0.0):
            pass
    finally:
        first.close()
        second.close()


VENDOR = "http://vendor.example"
KEY = circuit_key("attio", VENDOR)


@pytest.fixture
def client(redis: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], VendorHttp]]:
    """Makes clients of a vendor that is well again: its circuit is open, and a probe is due. They are quiet so long (s)."""
    breaker.BreakerStorage(KEY, Limits()).opened_at = utcnow() - dt.timedelta(seconds=breaker.RESET_S + 1)
    made: list[VendorHttp] = []

    def make(quiet_s: float) -> VendorHttp:
        until = utcnow() + dt.timedelta(seconds=quiet_s) if quiet_s else None
        each = VendorHttp(
            "attio", VENDOR, {}, timeout_s=5, parallel=4, classify=lambda _: None, quiet_until=until
        )
        each._client = httpx.Client(
            base_url=VENDOR, transport=httpx.MockTransport(lambda _: httpx.Response(200, json={}))
        )
        made.append(each)
        return each

    yield make
    for each in made:
        each.close()


def test_whoever_has_to_be_quiet_first_leaves_the_probe_to_others(
    client: Callable[[float], VendorHttp], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, go = threading.Event(), threading.Event()

    def sleep(_seconds: float) -> None:
        waiting.set()
        go.wait(30)

    monkeypatch.setattr("jobs.connectors.http.time", types.SimpleNamespace(sleep=sleep))
    answers: list[object] = []
    quiet, other = client(60), client(0)
    thread = threading.Thread(target=lambda: answers.append(quiet.get_json("/x")))
    thread.start()
    assert waiting.wait(30)
    assert other.get_json("/x") == {}
    assert read_circuit(KEY).opened_at is None
    go.set()
    thread.join(30)
    assert answers == [{}]


def test_a_quota_that_is_used_up_is_no_sign_that_the_vendor_is_well(
    client: Callable[[float], VendorHttp],
) -> None:
    with pytest.raises(RateLimited, match="not asked"):
        client(3_600).get_json("/x")
    assert read_circuit(KEY).opened_at is not None
    assert client(0).get_json("/x") == {}


def test_what_an_open_circuit_refuses_does_not_wait_for_its_quota(
    client: Callable[[float], VendorHttp], monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("jobs.connectors.http.time", types.SimpleNamespace(sleep=slept.append))
    breaker.BreakerStorage(KEY, Limits()).opened_at = utcnow()
    with pytest.raises(CircuitOpen):
        client(60).get_json("/x")
    assert slept == []
