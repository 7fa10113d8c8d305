"""How the supervisor hears that it should stop: SIGINT, SIGTERM, SIGHUP, or a `make` that was told and waits for us."""

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType


def stop_on_signals(stopping: threading.Event) -> None:
    """Set `stopping` at the first signal; end at once at the third, for whoever really means it."""
    received: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        stopping.set()
        if len(received) >= 3:
            os._exit(1)

    # Explicitly, also where a shell started us in the background with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handle)


def take_terminal() -> None:
    """Become the terminal's foreground group, so that Ctrl-C reaches us and not the `make` around us.

    GNU make dies of the signal after its recipe ended well, and would report a failure for an orderly stop.
    """
    if not sys.stdin.isatty() or not _under_make():
        return
    terminal = sys.stdin.fileno()
    if os.tcgetpgrp(terminal) != os.getpgrp():
        return
    os.setpgid(0, 0)
    # A background group that sets the foreground group is stopped by SIGTTOU unless it ignores it.
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    os.tcsetpgrp(terminal, os.getpgrp())
    signal.signal(signal.SIGTTOU, before)


class ParentMake:
    """The `make` that runs us. A SIGINT for it alone makes it wait for us silently: this notices it."""

    def __init__(self) -> None:
        self._status = Path(f"/proc/{os.getppid()}/status")
        self._watch = _under_make() and self._catches_sigint()

    def is_waiting_to_die(self) -> bool:
        """Whether it was interrupted: its handler resets itself before it waits for its recipes."""
        return self._watch and not self._catches_sigint()

    def _catches_sigint(self) -> bool:
        try:
            lines = self._status.read_text().splitlines()
        except OSError:
            return False
        caught = next((line.split()[1] for line in lines if line.startswith("SigCgt:")), "0")
        return bool(int(caught, 16) >> (signal.SIGINT - 1) & 1)


def _under_make() -> bool:
    try:
        return Path(f"/proc/{os.getppid()}/comm").read_text().strip() in ("make", "gmake")
    except OSError:
        return False
