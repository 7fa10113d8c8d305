"""A worker that is asked to stop while its database takes connections and answers nothing."""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from jobs import recovery
from tests.jobs.test_runs import row_of
from tests.jobs.test_worker import lines, push_slow_run, until, worker_process

pytestmark = pytest.mark.slow


class Line:
    """A line to a server that can be frozen: it stays open, and nothing passes."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._passes = threading.Event()
        self._passes.set()
        self._held: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def freeze(self) -> None:
        self._passes.clear()

    def cut(self) -> None:
        """End every connection, as the network does in the end."""
        self._listener.close()
        for each in self._held:
            with contextlib.suppress(OSError):  # the other end was first
                each.shutdown(socket.SHUT_RDWR)
        self._passes.set()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return  # the line was cut
            server = socket.create_connection(self._target)
            self._held += [caller, server]
            for source, sink in ((caller, server), (server, caller)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65_536):
                self._passes.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return  # one of both ends is gone


@pytest.fixture
def line(process_env: dict[str, str]) -> Iterator[Line]:
    url = make_url(process_env["DATABASE_URL"])
    made = Line(url.host or "127.0.0.1", url.port or 5432)
    yield made
    made.cut()


def test_it_ends_all_the_same_and_its_run_is_taken_up_without_counting_a_loss(
    process_env: dict[str, str], line: Line, tmp_path: Path
) -> None:
    url = make_url(process_env["DATABASE_URL"]).set(host="127.0.0.1", port=line.port)
    path = tmp_path / "log"
    run_id = push_slow_run(path, seconds=600)
    with worker_process(
        {**process_env, "DATABASE_URL": url.render_as_string(hide_password=False)}, "sync"
    ) as process:
        until(lambda: len(lines(path)) == 1)
        child = int(lines(path)[0].split()[1])
        line.freeze()
        process.terminate()
        assert process.wait(60) == 0
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)
    assert row_of(run_id).status == "running"
    line.cut()
    until(lambda: recovery.recover(settled_s=0).requeued == 1)
    assert (row_of(run_id).status, row_of(run_id).counts) == ("queued", {})
