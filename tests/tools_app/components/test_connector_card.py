"""The bar of a running sync: as full as the vendor lets us know, never fuller than full."""

import pytest

from tools_app.components.connector_card import progress_share
from tools_app.services.views import RunProgress


@pytest.mark.parametrize(
    ("rows", "total", "width"), [(30, 120, "25%"), (130, 120, "100%"), (30, 0, ""), (0, 120, "0%")]
)
def test_the_bar_is_as_full_as_the_vendor_lets_us_know(rows: int, total: int, width: str) -> None:
    assert progress_share(RunProgress("run", "messages", 1, rows, total=total)) == width
