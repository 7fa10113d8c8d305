"""A gzip body of two parts: any reader unpacks it to both, and it is sent to those alone who take it."""

import gzip
import zlib
from unittest.mock import patch

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.infra.local_cache import local_cache
from tests.tools_app.world import World
from tools_app.api import gzip_body
from tools_app.api.gzip_body import MINIMUM, accepts_gzip, deflated, gzipped


@given(st.binary(max_size=300), st.binary(max_size=5_000))
def test_both_parts_come_out_again(first: bytes, rest: bytes) -> None:
    packed = gzipped(first, rest, deflated(rest))
    assert gzip.decompress(packed) == first + rest
    # As one member, which is all that a browser reads.
    reader = zlib.decompressobj(zlib.MAX_WBITS | 16)
    assert reader.decompress(packed) == first + rest
    assert (reader.eof, reader.unused_data) == (True, b"")


def test_a_first_part_that_no_stored_block_holds_is_refused() -> None:
    assert gzip.decompress(gzipped(b"x" * 65_535, b"y", deflated(b"y"))).endswith(b"xy")
    with pytest.raises(ValueError, match="too long"):
        gzipped(b"x" * 65_536, b"y", deflated(b"y"))


@pytest.mark.parametrize(
    ("sent", "takes"),
    [
        ("gzip", True), ("br, GZIP;q=0.5", True), ("*", True), ("identity, *;q=0.1", True), ("gzip ; q=1.0", True),
        ("", False), ("identity", False), ("gzip;q=0", False), ("gzip;q=0, *", False), ("br", False), ("gzip;q=x", False),
        ("xgzip", False), ("*;q=0", False), ("gzip;q=1.2.3", False),
    ],
)  # fmt: skip
def test_it_is_known_who_takes_gzip(sent: str, takes: bool) -> None:
    assert accepts_gzip(sent) is takes


@pytest.mark.parametrize("path", ["/api/portfolio/overview", "/api/control-tower"])
def test_a_held_answer_is_the_same_with_and_without_compression(
    worlds: dict[str, World], client: httpx.Client, path: str
) -> None:
    local_cache().trust()
    try:
        plain = [client.get(path, headers={"accept-encoding": "identity"}) for _ in range(3)]
        accepted = {"accept-encoding": "gzip, br"}
        with (
            patch.object(gzip_body, "gzipped", wraps=gzipped) as packed,
            client.stream("GET", path, headers=accepted) as answer,
        ):
            raw, headers = b"".join(answer.iter_raw()), answer.headers
        assert packed.call_count == 1, "it was not held"
        body = gzip.decompress(raw)
        assert len(body) > MINIMUM > 0
        assert len(raw) < len(body) / 2
        assert headers["content-encoding"] == "gzip"
        assert int(headers["content-length"]) == len(raw)
        for each in plain:
            assert "content-encoding" not in each.headers
            assert each.json().keys() == {"request_id", *httpx.Response(200, content=body).json().keys()}
        assert {each.headers["etag"] for each in plain} == {headers["etag"]}
        for each in (plain[-1].headers, headers):
            assert {"cookie", "accept-encoding"} <= {name.strip() for name in each["vary"].lower().split(",")}
    finally:
        local_cache().distrust()
