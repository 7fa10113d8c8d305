"""The exported pages as a browser asks for them: under their own names, and nothing else."""

from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.staticfiles import StaticFiles

from tools_app import static_headers


@pytest.fixture
def exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> httpx.AsyncClient:
    build = tmp_path / "build" / "client"
    build.mkdir(parents=True)
    (build / "jobs.html").write_text("<p>jobs</p>")
    monkeypatch.setattr(static_headers, "get_web_dir", lambda: tmp_path)
    static_headers._policy.cache_clear()
    app = Starlette()
    app.mount("/", StaticFiles(directory=build, html=True))
    transport = httpx.ASGITransport(static_headers.with_static_headers(app))
    return httpx.AsyncClient(transport=transport, base_url="http://tower.example")


async def test_a_page_is_served_under_its_own_name_with_a_policy(exported: httpx.AsyncClient) -> None:
    answer = await exported.get("/jobs")
    assert (answer.status_code, answer.text) == (200, "<p>jobs</p>")
    assert "script-src" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path", ["/nothing", "/" + "a" * 250, "/" + "a" * 300, "/" + "a/" * 3_000, "/%00", "/jobs/%00", "/%ff%fe"]
)
async def test_what_is_no_page_is_404_whatever_its_name(exported: httpx.AsyncClient, path: str) -> None:
    assert (await exported.get(path)).status_code == 404
