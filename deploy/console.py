"""What `make up` prints: one line a step, rewritten in place on a terminal, and repeated now and then elsewhere."""

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import TextIO

_WIDTH = 13
_REPEAT_S = 10.0


class Step:
    """A running step; `say` changes what its line tells."""

    def __init__(self, console: "Console", name: str) -> None:
        self._console = console
        self._name = name
        self._text = ""
        self._started = time.monotonic()
        self._printed_at = self._started

    def say(self, text: str) -> None:
        """Show `text` beside the step and the seconds so far."""
        self._text = text
        now = time.monotonic()
        if self._console.live:
            self._console.rewrite(self._line())
        elif now - self._printed_at >= _REPEAT_S:
            self._printed_at = now
            self._console.line(self._line())

    def done(self) -> None:
        """Leave the last text standing with the time the step took."""
        self._console.rewrite("")
        self._console.line(self._line())

    def _line(self) -> str:
        return f"  {self._name:<{_WIDTH}}  {self._text}  {time.monotonic() - self._started:.1f} s"


class Console:
    """The output of one run."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self.live = self._out.isatty()

    def line(self, text: str = "") -> None:
        """Print a line."""
        print(text, file=self._out, flush=True)

    def rewrite(self, text: str) -> None:
        """Replace the current line on a terminal; nothing elsewhere."""
        if self.live:
            self._out.write(f"\r\x1b[2K{text}")
            self._out.flush()

    @contextmanager
    def step(self, name: str, text: str = "") -> Generator[Step]:
        """A step whose line is closed with its time when the block ends well."""
        step = Step(self, name)
        if text and self.live:
            step.say(text)
        yield step
        step.done()


def count(number: int, one: str, many: str) -> str:
    """`1 file`, `2,000 files`."""
    return f"{number:,} {one if number == 1 else many}"
