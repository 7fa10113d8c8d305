"""An exception that no page handler caught: logged, said in the one toast, and no page left waiting for its data."""

from __future__ import annotations

from typing import cast

from reflex.event import EventSpec

from models.infra.errors import AppError
from models.infra.logging import get_logger
from tools_app.pages.shell_state import ShellState
from tools_app.services.faults import as_app_error

log = get_logger(__name__)


# Reflex reads the annotations and insists on this name. Its own handler sends a script, which our policy forbids.
def on_fault(exception: Exception) -> EventSpec:
    """The event that tells the reader what `exception` means."""
    error = as_app_error(exception)
    if error.code == AppError.code:
        log.error("page handler failed", exc_info=exception)
    else:
        log.warning("page handler failed", code=error.code, error=type(exception).__name__)
    return cast("EventSpec", ShellState.show_fault(error.code))
