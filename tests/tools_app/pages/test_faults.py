"""What nobody caught is said in the one toast, and the page stops waiting."""

import asyncio
from typing import Any

import pytest
import reflex as rx
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tools_app.pages.faults import on_fault
from tools_app.pages.shell_state import ShellState
from tools_app.tools_app import app

NOTHING = Exception("from the driver")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (DataError("select", {}, NOTHING), "That was not understood."),
        (OperationalError("select", {}, NOTHING), "Something this needs is away"),
        (PoolTimeout(), "Something this needs is away"),
        (ZeroDivisionError(), "That did not work."),
    ],
)
def test_a_fault_becomes_one_toast_and_the_reason_in_place_of_the_data(fault: Exception, words: str):
    event = on_fault(fault)
    [(_, given)] = event.args
    code: Any = given
    root: Any = rx.State(_reflex_internal_init=True)  # pyright: ignore[reportCallIssue]
    shell = root.substates[ShellState.get_name()]
    asyncio.run(event.handler.fn(shell, code._var_value))
    assert shell.problem.startswith(words)
    assert [(each.message, each.tone) for each in shell.toasts] == [(shell.problem, "bad")]


def test_the_app_uses_it_instead_of_a_script():
    assert app.backend_exception_handler is on_fault
