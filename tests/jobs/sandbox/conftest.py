"""The small studio in process, and the whole demo world built once."""

from pathlib import Path

import pytest

from jobs.sandbox.tenant import Tenant
from jobs.sandbox.world.authored import StudioWorld
from jobs.sandbox.world.gold import gold_tenant
from jobs.sandbox.world.loader import load_studio
from tests.jobs.sandbox.harness import Lab, open_lab


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """The small studio under a clock of its own."""
    return open_lab(tmp_path)


@pytest.fixture(scope="session")
def world() -> StudioWorld:
    """The authored demo world."""
    return load_studio()


@pytest.fixture(scope="session")
def demo() -> Tenant:
    """The demo world at the vendors, at the anchor of the data sets."""
    return gold_tenant()
