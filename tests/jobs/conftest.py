"""Sandbox vendors for the tests that copy them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

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
