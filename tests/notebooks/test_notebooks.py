"""Every notebook runs from beginning to end on a small world of its own, and says something."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from deploy.notebooks import chosen, verdict_of
from models.infra.settings import environment
from retrieval.profile import PROFILES
from tests.conftest import ROOT

PATHS = chosen([])
# The small world is made once for all of them; minutes on a loaded machine.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


def profiles() -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in PROFILES.iterdir()}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notebooks")
    before = profiles()
    run = subprocess.run(
        [sys.executable, "-m", "deploy.notebooks", "--run", "--small", "--reports", str(folder / "reports")],
        cwd=ROOT,
        env=environment(
            APP_ENV="test",
            PYTHONPATH=str(ROOT),
            DATA_DIR=str(folder / "data"),
            DATABASE_URL="",
            REDIS_URL="",
            CACHE_REDIS_URL="",
        ),
        capture_output=True,
        text=True,
        timeout=1400,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr[-6000:]
    assert profiles() == before
    return folder / "reports"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_it_ends_with_a_verdict_and_its_pictures(path: Path, reports: Path) -> None:
    notebook = nbformat.read(reports / f"{path.stem}.ipynb", as_version=4)
    ran = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source]
    assert all(cell.execution_count for cell in ran)
    assert [output for cell in ran for output in cell.outputs if output.output_type == "error"] == []
    verdict = verdict_of(notebook)
    assert verdict.startswith("**Verdict.**")
    assert re.search(r"\d", verdict)
    for name in re.findall(r'pictures\.show\(.*"([^"]+)"\)', path.read_text()):
        picture = (reports / f"{name}.png").read_bytes()
        assert picture.startswith(b"\x89PNG")
        assert len(picture) > 8_000


def test_the_votes_of_the_small_world_are_replayed(reports: Path) -> None:
    verdict = verdict_of(nbformat.read(reports / "07_feedback.ipynb", as_version=4))
    found = re.search(r"(\d+) thumbs-down, (\d+) completed", verdict)
    assert found
    assert int(found[1]) > int(found[2]) > 0
