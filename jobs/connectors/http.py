"""HTTP to vendors: timeouts on every call, bounded retries, errors by cause, no more at once than allowed.

Vendors differ in how they say things; what is common (connection errors, timeouts, 5xx, a body that is not
the JSON it claims to be) is decided here, the rest by the ``classify`` function each connector passes in.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import functools
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import tenacity

from jobs.connectors.body import read_whole
from jobs.connectors.breaker import Breaker, circuit_key
from jobs.connectors.deadline import deadline, obey_deadlines
from jobs.connectors.errors import (
    LONGEST_PAUSE,
    CircuitOpen,
    CredentialsInvalid,
    NotInTime,
    RateLimited,
    RequestRefused,
    UnusableAnswer,
    VendorDown,
    VendorError,
)
from jobs.connectors.parsing import json_of, parse
from jobs.connectors.slots import Busy, Slots
from models.infra.clock import utcnow
from models.infra.logging import get_logger

log = get_logger(__name__)

Classify = Callable[[httpx.Response], VendorError | None]
Pace = Callable[[httpx.Response], dt.datetime | None]
"""From an answer's quota headers: until when to send nothing more, None when there is no need to wait."""
Params = Mapping[str, Any] | Callable[[], Mapping[str, Any]]
"""A function is asked at every attempt, in the moment of sending: pauses may lie between them."""

ATTEMPTS = 4
_CLOCKS_APART_AT_MOST = dt.timedelta(days=1)  # a Date that is further off is no clock's
LONGEST_WAIT_S = 75.0  # a little over the minute that Chatwoot's window lasts; longer pauses end the run


class VendorHttp:
    """An HTTP client bound to one vendor account, one per run. Safe to share between the run's threads.

    At most ``parallel`` requests to one origin are under way, whichever client sends them. When the vendor asks one
    caller to wait, all of them do.
    """

    def __init__(
        self,
        connector: str,
        base_url: str,
        headers: Mapping[str, str],
        *,
        timeout_s: float,
        classify: Classify,
        parallel: int = 1,
        pace: Pace | None = None,
        quiet_until: dt.datetime | None = None,
    ) -> None:
        self._classify = classify
        self._pace = pace
        self._timeout_s = timeout_s
        self._slots = Slots(circuit_key(connector, base_url), parallel)
        # A longer one than any vendor may ask for was kept by a clock that was wrong.
        kept = quiet_until is not None and quiet_until <= utcnow() + LONGEST_PAUSE
        self._quiet_until = quiet_until if kept else None
        self._lock = threading.Lock()
        self._breaker = Breaker(circuit_key(connector, base_url))
        self._client = httpx.Client(
            base_url=base_url,
            headers={"user-agent": "control-tower/1", "accept": "application/json", **headers},
            timeout=httpx.Timeout(timeout_s, connect=min(3.0, timeout_s)),
            limits=httpx.Limits(max_connections=parallel, max_keepalive_connections=parallel),
            follow_redirects=False,
            verify=_tls(base_url),
            trust_env=False,  # a proxy of the environment must not see vendor tokens unasked
        )
        obey_deadlines(self._client)
        self.requests_made = 0
        self._ahead = dt.timedelta(0)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def bounds_of(self, moment: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
        """Return a moment of our clock as ours and the vendor's show it, the earlier reading first.

        Records carry the vendor's times: what is asked for begins at the earlier reading and ends at the later one.
        The vendor's clock is known from its last answer's ``Date``; before the first answer it passes for ours.
        """
        theirs = moment + self._ahead
        return min(moment, theirs), max(moment, theirs)

    def get_json(self, path: str, params: Params | None = None, *, tries: int = ATTEMPTS) -> Any:
        """GET and return the parsed JSON body. Raises VendorError; NotThere where ``classify`` says so.

        A vendor that fails is asked ``tries`` times; a pause that it asks for is waited for all the same.
        """
        return self._call("GET", path, params=params, body=None, tries=tries)

    def post_json(self, path: str, body: Any) -> Any:
        """POST a JSON body and return the parsed answer. Raises VendorError. Only for reads: it is retried."""
        return self._call("POST", path, params=None, body=body)

    def _call(
        self, method: str, path: str, *, params: Params | None, body: Any, tries: int = ATTEMPTS
    ) -> Any:
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            wait=_wait_for,
            retry=functools.partial(_is_tried_again, tries),
            before_sleep=lambda state: log.info(
                "vendor_retry",
                path=path,
                attempt=state.attempt_number,
                error=str(state.outcome.exception()) if state.outcome else "",
            ),
            reraise=True,
        )
        return retrying(lambda: self._try(method, path, params, body))

    def _try(self, method: str, path: str, params: Params | None, body: Any) -> Any:
        # What an open circuit refuses need not wait first; what is let through waits before it is, so that nobody holds
        # the probe and sends nothing.
        self._breaker.check()
        try:
            self._keep_quiet(path)
            with self._slots.hold(LONGEST_WAIT_S):
                return self._breaker.call(lambda: self._once(method, path, params, body))
        except Busy as error:
            raise RateLimited(f"{method} {path}: not asked, too many are under way", utcnow()) from error
        except RateLimited as error:
            self._be_quiet(error.retry_at)
            raise

    def _once(self, method: str, path: str, params: Params | None, body: Any) -> Any:
        response = self._send(method, path, params, body)
        self._compare_clocks(response)
        if self._pace is not None:
            self._be_quiet(self._pace(response))
        special = self._classify(response)
        if special is not None:
            raise special
        _raise_for_status(response, f"{method} {path}")
        try:
            return parse(response.content)
        except ValueError as error:
            # A cut connection behind a proxy looks like this; the next try usually brings the rest.
            raise UnusableAnswer(f"{method} {path}: body is not JSON ({error})") from error

    def _send(self, method: str, path: str, params: Params | None, body: Any) -> httpx.Response:
        with self._lock:
            self.requests_made += 1
        query = params() if callable(params) else params
        try:
            with (
                deadline(self._timeout_s),
                self._client.stream(method, path, params=query, json=body) as response,
            ):
                return read_whole(response, f"{method} {path}")
        except httpx.TimeoutException as error:
            raise NotInTime(f"{method} {path}: no answer in time") from error
        except httpx.DecodingError as error:
            raise UnusableAnswer(f"{method} {path}: body cannot be decoded ({error})") from error
        except httpx.TransportError as error:
            raise VendorDown(f"{method} {path}: {type(error).__name__}: {error}") from error

    def _compare_clocks(self, response: httpx.Response) -> None:
        theirs = _told_time(response)
        if theirs is not None:
            ahead = theirs - utcnow()
            self._ahead = max(-_CLOCKS_APART_AT_MOST, min(_CLOCKS_APART_AT_MOST, ahead))

    def _be_quiet(self, until: dt.datetime | None) -> None:
        if until is None:
            return
        until = min(until, utcnow() + LONGEST_PAUSE)
        with self._lock:
            self._quiet_until = max(until, self._quiet_until or until)

    def _keep_quiet(self, path: str) -> None:
        """Wait as long as the vendor asked for. Raises RateLimited when that is longer than a run waits."""
        with self._lock:
            until = self._quiet_until
        pause_s = (until - utcnow()).total_seconds() if until else 0.0
        if until is None or pause_s <= 0:
            return
        if pause_s > LONGEST_WAIT_S:
            raise RateLimited(f"{path}: not asked, the quota is used up", until)
        log.info("vendor_quota_wait", path=path, seconds=round(pause_s, 2))
        time.sleep(pause_s)


def _tls(base_url: str) -> ssl.SSLContext:
    """Return what checks the vendor's certificate; reading the authorities takes long and is done once."""
    return (
        _authorities() if base_url.lower().startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    )


@functools.cache
def _authorities() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


class NotThere(RequestRefused):
    """The vendor has no such record (any more), in words of its own: a bare 404 may be a proxy's."""


def _raise_for_status(response: httpx.Response, what: str) -> None:
    status = response.status_code
    if status < 300:
        return
    if status < 400:
        # Not followed: the token would go where nobody said that it may.
        raise RequestRefused(
            f"{what}: HTTP {status}: the vendor has moved to {_moved_to(response)}; correct the address"
        )
    message = f"{what}: HTTP {status}: {_error_text(response)}"
    if status in (401, 403):
        raise CredentialsInvalid(message)
    if status == 429:
        raise RateLimited(message, retry_after(response) or utcnow() + dt.timedelta(seconds=5))
    if status == 404 or status >= 500:
        # 404 in no words of the vendor's: a proxy that finds nobody behind it.
        raise VendorDown(message)
    raise RequestRefused(message)


def _moved_to(response: httpx.Response) -> str:
    try:
        url = httpx.URL(response.headers.get("location", ""))
    except httpx.InvalidURL:
        return "an unreadable address"
    return f"{url.scheme}://{url.netloc.decode()}" if url.host else "another address"


def _error_text(response: httpx.Response) -> str:
    body = json_of(response)
    if body is None:
        return response.text[:200].strip()
    if isinstance(body, dict):
        for key in ("error", "message"):
            if isinstance(body.get(key), str):
                return str(body[key])[:300]
    return str(body)[:300]


def retry_after(response: httpx.Response) -> dt.datetime | None:
    """Return when ``Retry-After`` allows the next try: seconds or an HTTP date; None when absent or unreadable.

    A date is the vendor's: how far off it is, the answer's ``Date`` says. At most LONGEST_PAUSE from now.
    """
    raw = response.headers.get("retry-after", "").strip()
    now = utcnow()
    if raw.isascii() and raw.isdigit():
        pause_s = float(raw)  # infinite beyond the range of a float
    else:
        named = _http_date(raw)
        if named is None:
            return None
        pause_s = (named - (_told_time(response) or now)).total_seconds()
    return now + dt.timedelta(seconds=max(0.1, min(pause_s, LONGEST_PAUSE.total_seconds())))


def _told_time(response: httpx.Response) -> dt.datetime | None:
    """Return the vendor's time as an answer shows it; None for one out of a cache, which has an age."""
    return None if "age" in response.headers else _http_date(response.headers.get("date", ""))


def _http_date(raw: str) -> dt.datetime | None:
    """Return the time that a header names, None when it is unreadable."""
    try:
        parsed = email.utils.parsedate_to_datetime(raw)
    except (ValueError, OverflowError):  # the latter for a year without end
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=dt.UTC)


def _pause_s(error: BaseException | None) -> float | None:
    if isinstance(error, RateLimited):
        return max(0.1, (error.retry_at - utcnow()).total_seconds())
    return None


def _worth_a_retry(error: BaseException) -> bool:
    if not isinstance(error, VendorError) or not error.retryable or isinstance(error, CircuitOpen):
        return False
    pause = _pause_s(error)
    return pause is None or pause <= LONGEST_WAIT_S


def _is_tried_again(tries: int, state: tenacity.RetryCallState) -> bool:
    error = state.outcome.exception() if state.outcome else None
    if error is None or (isinstance(error, VendorDown) and state.attempt_number >= tries):
        return False
    return _worth_a_retry(error)


_backoff = tenacity.wait_exponential_jitter(multiplier=0.3, max=8.0, jitter=0.3)


def _wait_for(state: tenacity.RetryCallState) -> float:
    pause = _pause_s(state.outcome.exception() if state.outcome else None)
    return pause if pause is not None else _backoff(state)
