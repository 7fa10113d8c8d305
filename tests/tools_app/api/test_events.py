import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest

from models.infra import events, metrics
from models.infra.redis import events_redis
from tests.tools_app.world import World
from tools_app.api import events as api_events
from tools_app.api.event_response import Slots


def frames(response: httpx.Response) -> Iterator[tuple[str, dict, str]]:
    """Kind, data and id of each event of a stream."""
    kind, data, event_id = "", "", ""
    for line in response.iter_lines():
        if line.startswith("event: "):
            kind = line[7:]
        elif line.startswith("data: "):
            data = line[6:]
        elif line.startswith("id: "):
            event_id = line[4:]
        elif not line:
            yield kind, json.loads(data), event_id
            kind, data, event_id = "", "", ""


def completed(world: World, name: str, project: str | None = None) -> dict:
    return {
        "job": name, "run_id": name, "account_scope_id": str(world.scope),
        "project_id": None if project is None else str(world.places[project].project),
    }  # fmt: skip


def test_a_stream_resumes_after_the_last_event_and_shows_only_the_sessions_scope(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    one, two = worlds["one"], worlds["two"]
    first = events.publish("job_completed", completed(one, "before"))
    events.publish("job_completed", completed(two, "foreign scope"))
    events.publish(
        "job_completed", {**completed(one, "foreign project"), "project_id": str(two.places["alpha"].project)}
    )
    events.publish("job_completed", completed(one, "after", "beta"))
    with client.stream("GET", "/api/events/stream", headers={"last-event-id": first}) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        stream = frames(response)
        assert next(stream)[0] == "connected"
        kind, data, event_id = next(stream)
    assert (kind, data["job"]) == ("job_completed", "after")
    assert event_id > first


def test_an_event_reaches_an_open_stream(client: httpx.Client, worlds: dict[str, World]) -> None:
    with client.stream("GET", "/api/events/stream") as response:
        stream = frames(response)
        assert next(stream)[0] == "connected"
        stop = threading.Event()

        def publish() -> None:
            # Until it arrives: the subscription begins a moment after the connection does.
            while not stop.wait(0.2):
                events.publish("job_progress", completed(worlds["one"], "live"))

        publisher = threading.Thread(target=publish, daemon=True)
        publisher.start()
        try:
            assert next(stream)[1]["job"] == "live"
        finally:
            stop.set()
            publisher.join()


def test_a_stream_ends_soon_after_its_session_does(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_events, "HEARTBEAT_S", 0.3)
    with client.stream("GET", "/api/events/stream") as response:
        stream = frames(response)
        assert next(stream)[0] == "connected"
        assert next(stream)[0] == "heartbeat"
        with httpx.Client(base_url=client.base_url, cookies=client.cookies) as other:
            assert other.post(
                "/api/auth/logout", headers={"x-csrf-token": client.headers["x-csrf-token"]}
            ).is_success
        rest = [(kind, data) for kind, data, _ in stream]
    assert rest[-1] == ("closing", {"reason": "session_ended"})
    assert {kind for kind, _ in rest[:-1]} <= {"heartbeat"}


def test_a_busy_stream_looks_after_its_session_too(
    client: httpx.Client, worlds: dict[str, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_events, "HEARTBEAT_S", 0.5)
    stop = threading.Event()

    def publish() -> None:
        while not stop.wait(0.02):
            events.publish("job_progress", completed(worlds["one"], "busy"))

    publisher = threading.Thread(target=publish, daemon=True)
    publisher.start()
    try:
        with client.stream("GET", "/api/events/stream") as response:
            kinds = []
            for kind, _, _ in frames(response):
                kinds.append(kind)
                if kind == "heartbeat":
                    break
    finally:
        stop.set()
        publisher.join()
    assert "job_progress" in kinds


def test_the_first_event_is_where_a_cut_off_client_resumes(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    events.publish("job_completed", completed(worlds["one"], "earlier"))
    with client.stream("GET", "/api/events/stream") as response:
        kind, data, position = next(frames(response))
    assert (kind, data) == ("connected", {"resumed": False, "gap": False})
    events.publish("job_completed", completed(worlds["one"], "meanwhile"))
    with client.stream("GET", "/api/events/stream", headers={"last-event-id": position}) as response:
        stream = frames(response)
        assert next(stream)[1] == {"resumed": True, "gap": False}
        assert next(stream)[1]["job"] == "meanwhile"


def test_a_client_that_was_away_too_long_is_told_of_the_gap(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    first = events.publish("job_completed", completed(worlds["one"], "dropped"))
    events.publish("job_completed", completed(worlds["one"], "dropped too"))
    events.publish("job_completed", completed(worlds["one"], "kept"))
    events_redis().xtrim(events.STREAM, maxlen=1, approximate=False)
    for last_id in (first, f"{2**60}-0"):
        with client.stream("GET", "/api/events/stream", headers={"last-event-id": last_id}) as response:
            assert next(frames(response))[1] == {"resumed": True, "gap": True}


@pytest.mark.parametrize("kind", ["job_progress", "job_completed", "completeness_drop", "identity_preview"])
def test_every_kind_of_event_for_people_is_passed_on(
    client: httpx.Client, worlds: dict[str, World], kind: str
) -> None:
    before = events.publish("job_completed", completed(worlds["one"], "before"))
    events.publish("between_processes", completed(worlds["one"], "internal"))
    events.publish(kind, completed(worlds["one"], "shown"))
    with client.stream("GET", "/api/events/stream", headers={"last-event-id": before}) as response:
        stream = frames(response)
        next(stream)
        got, data, _ = next(stream)
    assert (got, data["job"]) == (kind, "shown")


def test_a_session_has_a_limited_number_of_streams(
    client: httpx.Client, login: Callable[..., httpx.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_events, "slots", Slots(per_session=2, in_all=3))
    before = metrics.sse_connections_total._value.get()
    other = login()
    with ExitStack() as stack:
        for each in (client, client, other):
            stack.enter_context(each.stream("GET", "/api/events/stream"))
        assert metrics.sse_connections_total._value.get() == before + 3
        refused = client.get("/api/events/stream")
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_streams")
        assert int(refused.headers["retry-after"]) > 0
        full = other.get("/api/events/stream")
        assert (full.status_code, full.json()["error"]["code"]) == (503, "streams_full")
    # Given back when the clients are gone.
    for _ in range(100):
        if metrics.sse_connections_total._value.get() == before:
            break
        time.sleep(0.1)
    assert metrics.sse_connections_total._value.get() == before


def test_a_malformed_last_event_id_is_400(client: httpx.Client) -> None:
    assert client.get("/api/events/stream", headers={"last-event-id": "$; drop"}).status_code == 400


@pytest.mark.parametrize("text", [f"{2**64}-0", f"0-{2**64}", f"{2**64 - 1}-{2**64 - 1}", f"{10**20 - 1}-0"])
def test_a_last_event_id_that_nothing_can_follow_is_400(client: httpx.Client, text: str) -> None:
    answer = client.get("/api/events/stream", headers={"last-event-id": text})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_event_id"


def test_a_stream_that_redis_refuses_ends_so_that_the_client_connects_again(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_BACKOFF_S", (0.01,))
    events_redis().set(events.STREAM, "not a stream")
    with client.stream("GET", "/api/events/stream") as response:
        assert [(kind, data) for kind, data, _ in frames(response)] == [
            ("connected", {"resumed": False, "gap": True}),
            ("closing", {"reason": "refused"}),
        ]


def test_without_a_session_there_is_no_stream(anonymous: httpx.Client) -> None:
    assert anonymous.get("/api/events/stream").status_code == 401
