"""Sandbox vendors for the tests that copy them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.sandbox.world.authored import StudioWorld
from tests.jobs.sandbox.harness import write_studio
from tests.jobs.small_vendors import SmallVendors, small_vendors
from tests.jobs.spoiling import Spoiler, spoil_answers
from tests.vendors import Vendors, running_vendors


@pytest.fixture(scope="session")
def still_vendors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendors]:
    """A sandbox that no test changes."""
    with running_vendors(tmp_path_factory.mktemp("still") / "sandbox") as vendors:
        yield vendors


@pytest.fixture
def moving_vendors(tmp_path: Path) -> Iterator[Vendors]:
    """A sandbox of the test's own."""
    with running_vendors(tmp_path / "sandbox") as vendors:
        yield vendors


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> StudioWorld:
    """A small authored world; a module that needs another one has a fixture of this name of its own."""
    return write_studio(tmp_path_factory.mktemp("studio"))


@pytest.fixture
def small(
    database: str, studio: StudioWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SmallVendors]:
    """Vendors in this process that a test changes and disturbs."""
    yield from small_vendors(studio, tmp_path, database, monkeypatch)


@pytest.fixture
def spoiled(small: SmallVendors) -> Iterator[Spoiler]:
    """Changes answers of those vendors on their way."""
    yield from spoil_answers(small)
