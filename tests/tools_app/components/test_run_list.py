"""A run says what it moved or found, and why it failed, in words."""

import pytest

from tools_app.components.run_list import present
from tools_app.services.views import RunRow


def line(locale: str = "en", **values: object):
    row = {
        "run_id": "r",
        "job": "sync",
        "subject": "linear",
        "status": "succeeded",
        "started_at": None,
        "duration_s": 1.0,
    }
    return present(RunRow(**{**row, **values}), locale)  # pyright: ignore[reportArgumentType]


def test_a_comparison_says_what_differs() -> None:
    assert line(job="reconcile", missing=3, stale=1).counts == "3 missing · 1 stale"
    assert line(job="reconcile").counts == "nothing differs"
    assert line("ru", job="reconcile", unknown=2, failed=2).counts == "неизвестно 2 · с ошибкой 2"


def test_a_sync_without_changes_and_a_retry_say_so() -> None:
    assert line().counts == "nothing changed"
    assert line(job="retry", resolved=2).counts == "2 mended"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("vendor_unknown", "The vendor could not be read in full."),
        ("connector_credentials", "The vendor refused the access token."),
        ("connector_vendor_down", "The vendor does not answer."),
        ("abandoned", "Its worker was lost too often."),
        ("brand_new", "brand_new"),
    ],
)
def test_why_a_run_failed_is_said_in_words(code: str, words: str) -> None:
    assert line(status="failed", error_code=code).error.startswith(words)
