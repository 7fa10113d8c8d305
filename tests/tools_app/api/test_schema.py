"""The running API is asked everything its OpenAPI document allows, and much that it does not.

Every endpoint of the document is walked, so a new one is asked without anybody adding it here. What comes back must be
what the document promises: no 5xx, no status, type or body it does not describe, no invalid input taken for valid.
The questions are the same in every run (derandomised), bounded, and asked of a database of the test's own.
"""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import checks
from schemathesis.generation import GenerationMode

from tests.tools_app.conftest import PASSWORD, USER
from tests.tools_app.world import World
from tools_app.services import auth, devices

EXAMPLES = 8
_FAULTS = (
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
)
_REJECTS = checks.negative_data_rejection
# Answers that never end are asked without a session only: `test_events` reads the streams.
ENDLESS = {("GET", "/api/events/stream")}
# They end sessions, the walk's own too, which would turn its rest into 401s: they come last, each with its own session.
ENDS_SESSIONS = {("POST", "/api/auth/logout"), ("DELETE", "/api/auth/sessions")}
# They answer without a session; /metrics because the test's address is a private one.
PUBLIC = {
    ("GET", "/health"),
    ("GET", "/metrics"),
    ("POST", "/api/auth/login"),
    ("POST", "/api/webhooks/{connector}/{binding}"),
}

Ask = Callable[[Any], requests.Response]


@pytest.fixture
def operations(anonymous: httpx.Client) -> list[Any]:
    """Every operation of the document that the running API publishes."""
    schema = schemathesis.openapi.from_dict(anonymous.get("/api/openapi.json").json())
    # Who asks is the test's matter: generated cookies and keys would make everything a 401.
    schema.config.generation.update(with_security_parameters=False)
    return [each.ok() for each in schema.get_all_operations()]


@pytest.fixture
def wire(base_url: str) -> Iterator[Callable[..., Ask]]:
    """Makes functions that send a case over one connection, with headers of their own."""
    opened: list[requests.Session] = []

    def make(**headers: str) -> Ask:
        session = requests.Session()
        opened.append(session)
        return lambda case: case.call(base_url=base_url, session=session, headers=headers, timeout=60)

    yield make
    for each in opened:
        each.close()


def walk(operation: Any, mode: GenerationMode, examples: int, check: Callable[[Any], None]) -> None:
    """Run `check` on cases of an operation; the same ones in every run. What has no case of a mode is left out."""

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        # No shrinking: a failure is told at once, with the request that made it.
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        check(case)

    ask()


def of(operation: Any) -> tuple[str, str]:
    return operation.method.upper(), operation.path


def can_be_wrong(operation: Any) -> bool:
    """Whether there is anything in a request that could be invalid."""
    return bool(operation.query or operation.body or operation.path_parameters)


def is_whole(case: Any, answer: Any) -> bool:
    """Whether every query parameter of a case was on the wire."""
    sent = parse_qs(urlsplit(answer.request.url).query, keep_blank_values=True)
    return set(case.query or {}) <= set(sent)


def log_in(device: str | None = None) -> tuple[dict[str, str], str]:
    """Headers of a new session, and the device to show next time: the walk itself uses up the login's attempts."""
    cookies = "" if device is None else f"{devices.cookie_name()}={device}"
    made = auth.login(USER, PASSWORD, auth.Browser("192.0.2.1", cookies=cookies))
    headers = {"cookie": f"{auth.cookie_name()}={made.token}", "x-csrf-token": made.session.csrf_token}
    return headers, made.device or device or ""


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["valid", "invalid"])
@pytest.mark.timeout(900)
def test_with_a_session_every_answer_is_one_the_document_promises(
    operations: list[Any],
    wire: Callable[..., Ask],
    base_url: str,
    worlds: dict[str, World],
    mode: GenerationMode,
) -> None:
    wanted = [*_FAULTS, _REJECTS] if mode is GenerationMode.NEGATIVE else list(_FAULTS)
    headers, device = log_in()
    ask = wire(**headers)
    asked: set[tuple[str, str]] = set()
    for operation in sorted(operations, key=lambda each: of(each) in ENDS_SESSIONS):
        if of(operation) in ENDLESS or (mode is GenerationMode.NEGATIVE and not can_be_wrong(operation)):
            continue
        own = of(operation) in ENDS_SESSIONS
        if own and not asked & ENDS_SESSIONS:
            # The session of the walk lived through it: the answers were not all 401.
            assert httpx.get(f"{base_url}/api/auth/me", headers=headers).status_code == 200

        def check(case: Any, ask: Ask = ask, own: bool = own) -> None:
            answer = wire(**log_in(device)[0])(case) if own else ask(case)
            # An empty list or object is sent as nothing: what was wrong with it never left.
            checked = [each for each in wanted if each is not _REJECTS or is_whole(case, answer)]
            case.validate_response(answer, checks=checked)

        walk(operation, mode, 2 if own else EXAMPLES, check)
        asked.add(of(operation))
    assert asked >= ENDS_SESSIONS
    assert len(asked) >= 10


def test_without_a_session_everything_but_the_public_paths_is_refused(
    operations: list[Any], wire: Callable[..., Ask], worlds: dict[str, World]
) -> None:
    ask, found = wire(), {of(each) for each in operations}
    assert found >= PUBLIC | ENDLESS | ENDS_SESSIONS, "an exception for a path that is gone"
    for operation in operations:

        def check(case: Any, operation: Any = operation) -> None:
            answer = ask(case)
            case.validate_response(answer, checks=list(_FAULTS))
            if of(operation) not in PUBLIC:
                assert answer.status_code in (401, 403), (of(operation), answer.status_code, answer.text)

        walk(operation, GenerationMode.POSITIVE, 3, check)


def test_the_document_names_the_proof_every_path_needs(operations: list[Any]) -> None:
    for operation in operations:
        named = operation.definition.raw.get("security", [])
        if of(operation) in PUBLIC:
            assert named == [], of(operation)
        else:
            proofs = named[0]
            assert "session" in proofs, of(operation)
            assert ("csrf" in proofs) == (operation.method.upper() != "GET"), of(operation)
