import json
import threading
from collections.abc import Iterator

import httpx
import pytest

from models.infra import events, metrics
from models.infra.redis import events_redis
from tests.tools_app.world import World
from tools_app.api import events as api_events


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
        assert all(kind == "heartbeat" for kind, _, _ in stream)
    assert metrics.sse_connections_total._value.get() >= 0


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
        assert [kind for kind, _, _ in frames(response)] == ["connected"]


def test_without_a_session_there_is_no_stream(anonymous: httpx.Client) -> None:
    assert anonymous.get("/api/events/stream").status_code == 401
