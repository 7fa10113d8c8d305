"""How answers travel: ETags with 304, gzip, one JSON writer."""

import gzip

import httpx
import pytest

from tests.tools_app.commerce import add
from tests.tools_app.world import World
from tools_app.api.etags import is_named

HEAVY = (
    "/api/crm/accounts",
    "/api/crm/opportunities",
    "/api/crm/overview",
    "/api/offers",
    "/api/outbound",
    "/api/audit",
)


@pytest.mark.parametrize(
    ("header", "named"),
    [
        ('W/"a"', True),
        ('"a"', True),
        ('"b", W/"a"', True),
        ("*", True),
        ('"b"', False),
        ("", False),
        ("a", False),
    ],
)
def test_a_tag_is_compared_weakly(header: str, named: bool) -> None:
    assert is_named(header, 'W/"a"') is named


def test_an_answer_that_the_client_has_is_304_until_something_changes(client: httpx.Client) -> None:
    for path in HEAVY:
        first = client.get(f"{path}?project_id=alpha")
        again = client.get(f"{path}?project_id=alpha", headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content, again.headers["etag"]) == (
            304,
            b"",
            first.headers["etag"],
        ), path
        assert "no-cache" in again.headers["cache-control"]
        assert "private" in again.headers["cache-control"]
    seen = client.get("/api/crm/accounts?project_id=alpha").headers["etag"]
    add(client, "/crm/accounts", "account", name="Lumen")
    changed = client.get("/api/crm/accounts?project_id=alpha", headers={"if-none-match": seen})
    assert (changed.status_code, len(changed.json()["items"])) == (200, 1)


def test_no_session_no_304(client: httpx.Client, anonymous: httpx.Client) -> None:
    tag = client.get("/api/crm/accounts").headers["etag"]
    assert anonymous.get("/api/crm/accounts", headers={"if-none-match": tag}).status_code == 401


def test_long_json_is_compressed_for_who_can_read_it_and_short_is_not(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    for number in range(5):
        add(client, "/crm/accounts", "account", name=f"Account {number} " + "x" * 200)

    def raw(path: str, encoding: str) -> tuple[httpx.Headers, bytes]:
        with client.stream("GET", path, headers={"accept-encoding": encoding}) as answer:
            return answer.headers, b"".join(answer.iter_raw())

    headers, body = raw("/api/crm/accounts", "gzip")
    assert headers["content-encoding"] == "gzip"
    assert "accept-encoding" in headers["vary"].lower()
    assert "cookie" in headers["vary"].lower()
    plain_headers, plain = raw("/api/crm/accounts", "identity")
    assert "content-encoding" not in plain_headers
    assert len(body) < len(plain) / 2
    assert gzip.decompress(body).startswith(b"{")
    assert headers["etag"] == plain_headers["etag"]
    # What holds the CSRF token is never compressed.
    assert "content-encoding" not in raw("/api/auth/me", "gzip")[0]
