"""A local HTTP server that stands for an OpenAI-compatible endpoint; what it answers is decided per request."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Asked:
    """One request as the server saw it."""

    path: str
    authorization: str | None
    body: dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """What to answer: a status and the raw body."""

    status: int
    content: bytes
    content_type: str = "application/json"

    @classmethod
    def of(cls, value: Any) -> "Reply":
        """A good answer with this JSON."""
        return cls(200, json.dumps(value).encode())


Answering = Callable[[Asked], Reply]


@dataclass
class Endpoint:
    """A running server: its base URL and the requests it has seen, in order."""

    base_url: str
    asked: list[Asked] = field(default_factory=list)


@contextlib.contextmanager
def serving(answering: Answering) -> Iterator[Endpoint]:
    """Serve on a free loopback port while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            asked = Asked(self.path, self.headers.get("Authorization"), json.loads(self.rfile.read(length)))
            endpoint.asked.append(asked)
            reply = answering(asked)
            # A client whose time is over has closed its side already.
            with contextlib.suppress(ConnectionError):
                self.send_response(reply.status)
                self.send_header("Content-Type", reply.content_type)
                self.send_header("Content-Length", str(len(reply.content)))
                self.end_headers()
                self.wfile.write(reply.content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's signature
            """Say nothing: the test's output is its own."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    endpoint = Endpoint(f"http://127.0.0.1:{server.server_address[1]}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
