"""Stand-ins for tasks, named by the queue tests: what they do is the tests' business, how they are run is ours."""

import os
import time
from pathlib import Path

from jobs import runs


def note(path: str, text: str) -> None:
    """Append a line to a file: the proof that a job ran."""
    with Path(path).open("a") as file:
        file.write(text + "\n")


def slow_run(run_id: str, path: str, seconds: float) -> None:
    """A run that says when it starts and, if it lives that long, when it ends."""

    def work(_run: runs.Run) -> runs.JobOutcome:
        note(path, f"start {os.getpid()}")
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(0.02)
        note(path, "end")
        return runs.JobOutcome(counts={"written": 1})

    runs.execute(run_id, work)
