"""The house rules that no linter knows: sizes, who reads the environment, docstrings, what tracked files may not name."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGES = ("models", "retrieval", "jobs", "tools_app", "deploy")
MAX_LINES = 500
# Standard library only, run before the settings can be imported.
READS_ENVIRONMENT = {"models/infra/settings.py", "deploy/bootstrap.py", "deploy/browser.py"}
# Put together, so that this file does not name what it forbids.
REGISTRIES = re.compile(
    "|".join(
        re.escape(part) for part in ("py" + "pi.org", "python" + "hosted", "npm" + "js.org", "yarn" + "pkg")
    )
)


def tracked() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode != 0:
        pytest.skip("no git checkout")
    return [ROOT / name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


def sources() -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), path


def test_no_source_file_is_longer_than_the_limit() -> None:
    files = [
        *sources(),
        *((path.relative_to(ROOT).as_posix(), path) for path in sorted((ROOT / "tests").rglob("*.py"))),
    ]
    long = {name: lines for name, path in files if (lines := len(path.read_text().splitlines())) > MAX_LINES}
    assert long == {}


def test_every_module_says_what_it_owns() -> None:
    silent = [
        name
        for name, path in sources()
        if (text := path.read_text()).strip() and ast.get_docstring(ast.parse(text)) is None
    ]
    assert silent == []


def test_the_environment_is_read_in_one_place() -> None:
    pattern = re.compile(r"\bos\.(environ|getenv)\b|\bfrom os import .*\b(environ|getenv)\b")
    readers = {
        name
        for name, path in sources()
        if any(pattern.search(line) for line in path.read_text().splitlines())
    }
    assert readers - READS_ENVIRONMENT == set()


def test_now_has_one_source() -> None:
    pattern = re.compile(r"\bdatetime\.(now|utcnow|today)\(|\bdt\.datetime\.(now|utcnow)\(|\bdate\.today\(")
    # The sandbox has a clock of its own; rq-scheduler's naive time is made beside it.
    allowed = {"models/infra/clock.py", "jobs/schedule.py"}
    users = {
        name
        for name, path in sources()
        if not name.startswith("jobs/sandbox/") and pattern.search(path.read_text())
    }
    assert users - allowed == set()


def test_every_tests_folder_is_a_package() -> None:
    folders = {path.parent for path in (ROOT / "tests").rglob("test_*.py")}
    assert [str(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


def test_no_tracked_file_names_a_registry() -> None:
    naming = []
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        if found := REGISTRIES.search(text):
            naming.append(f"{path.relative_to(ROOT)}: {found.group()}")
    assert naming == []


def test_lock_files_hold_hashes_and_no_addresses() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text()
        assert "://" not in text
        pins = re.findall(r"^[A-Za-z0-9_.\-\[\]]+==", text, re.MULTILINE)
        assert len(
            re.findall(r"^[A-Za-z0-9_.\-\[\]]+==[^\n]*\\\n    --hash=sha256:", text, re.MULTILINE)
        ) == len(pins)


def test_every_lint_exception_in_the_configuration_has_a_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    block = text[text.index("ignore = [") : text.index("[tool.ruff.lint.per-file-ignores]")]
    silent = [line for line in block.splitlines()[1:] if '"' in line and "#" not in line]
    assert silent == []


def test_the_make_targets_are_described() -> None:
    text = (ROOT / "Makefile").read_text()
    described = set(re.findall(r"^([a-z-]+):.*##", text, re.MULTILINE))
    wanted = {
        "up",
        "down",
        "reset",
        "test",
        "test-slow",
        "lint",
        "lock",
        "eval",
        "bench",
        "tick",
        "fmt",
        "types",
        "help",
    }
    assert wanted <= described


def test_every_dependency_says_what_it_is_for() -> None:
    told = (ROOT / "docs" / "dependencies.md").read_text().lower()
    for source in ("requirements.in", "requirements-dev.in"):
        for line in (ROOT / source).read_text().splitlines():
            name = re.split(r"[=<>\[ ]", line.strip())[0].lower()
            assert not name or name.startswith(("#", "-")) or name in told, name
