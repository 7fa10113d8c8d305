"""`make notebooks`: the notebooks with their data ready, in JupyterLab or, with `--run`, from beginning to end.

They work on the demo, whether it runs or not, or with `--small` (and when there is no demo) on two of its clients, which are
copied and indexed in a minute or two. Executed notebooks and their pictures go to `reports/notebooks`. Nothing is
written into the repository unless `--promote` says so.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from deploy.databases import demo_database
from deploy.small_world import small_world
from models.infra.settings import Settings, adopt, environment, get_settings

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
REPORTS = ROOT / "reports" / "notebooks"
# Questions of each half and language in a quick run.
SMALL_QUESTIONS = 8
_CELL_S = 3600
_JUPYTER_SETTINGS = (
    '{"@jupyterlab/docmanager-extension:plugin": {"defaultViewers": {"python": "Jupytext Notebook"}}}'
)


def main(arguments: list[str]) -> int:
    """Open JupyterLab, or run notebooks; 1 when one of them failed."""
    parser = argparse.ArgumentParser(prog="make notebooks", description=__doc__)
    parser.add_argument(
        "--run", nargs="*", metavar="NUMBER", help="run these (01 …) or all, without a browser"
    )
    parser.add_argument("--small", action="store_true", help="on two clients and a sample of the questions")
    parser.add_argument("--questions", type=int, help="at most so many of each half and language")
    parser.add_argument("--reports", type=Path, default=REPORTS, help="where notebooks and pictures go")
    parser.add_argument("--promote", type=Path, help="where notebook 08 writes the profile it promotes")
    given = parser.parse_args(arguments)
    settings = get_settings()
    # The kernels run in the notebooks' folder.
    adopt(DATA_DIR=str(settings.data_dir.resolve()), PYTHONPATH=str(ROOT), LOG_LEVEL="warning")
    small = given.small or not (settings.database_url or (settings.data_dir / "postgres").exists())
    with data(get_settings(), small=small):
        if given.run is None:
            return _open_lab(get_settings())
        parameters: dict[str, Any] = {"REPORTS": str(given.reports.resolve())}
        if given.questions or small:
            parameters["QUESTIONS"] = given.questions or SMALL_QUESTIONS
        if given.promote:
            parameters["PROMOTE_TO"] = str(given.promote.resolve())
        return _run_all(chosen(given.run), parameters, given.reports)


@contextmanager
def data(settings: Settings, *, small: bool) -> Iterator[None]:
    """The settings, and the environment of whatever is started, point to the data that the notebooks work on."""
    if small:
        with small_world(settings.data_dir.resolve() / "notebooks"):
            yield
    else:
        with demo_database(settings):
            yield


def chosen(numbers: Sequence[str]) -> list[Path]:
    """The notebooks in their order, all or those whose names begin with a number. Raises SystemExit for an unknown one."""
    every = sorted(NOTEBOOKS.glob("[0-9]*.py"))
    found = [path for path in every if not numbers or path.name.startswith(tuple(numbers))]
    if unknown := [number for number in numbers if not any(path.name.startswith(number) for path in every)]:
        raise SystemExit(f"no notebook begins with {', '.join(unknown)}")
    return found


def execute(path: Path, parameters: Mapping[str, Any], folder: Path) -> nbformat.NotebookNode:
    """Run a notebook with its parameters replaced and write it, with all output, to a folder.

    Parameters that the notebook does not have are left out. What ran is written even when a cell fails; raises nbclient's
    CellExecutionError then.
    """
    notebook = jupytext.read(path)
    _parametrise(notebook, parameters)
    folder.mkdir(parents=True, exist_ok=True)
    client = NotebookClient(
        notebook, timeout=_CELL_S, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    )
    try:
        client.execute(env=environment())
    finally:
        nbformat.write(notebook, folder / f"{path.stem}.ipynb")
    return notebook


def _parametrise(notebook: nbformat.NotebookNode, parameters: Mapping[str, Any]) -> None:
    """Put the given values behind the cell with the tag ``parameters``, of the names that it sets."""
    place, cell = next(
        (place, cell)
        for place, cell in enumerate(notebook.cells)
        if "parameters" in cell.metadata.get("tags", [])
    )
    names = {line.split("=")[0].split(":")[0].strip() for line in cell.source.splitlines() if "=" in line}
    lines = [f"{name} = {value!r}" for name, value in parameters.items() if name in names]
    notebook.cells.insert(place + 1, nbformat.v4.new_code_cell("\n".join(lines)))


def _run_all(paths: Sequence[Path], parameters: Mapping[str, Any], folder: Path) -> int:
    failed = 0
    for path in paths:
        started = time.monotonic()
        try:
            notebook = execute(path, parameters, folder)
        except CellExecutionError as error:
            failed += 1
            print(f"{path.stem}: failed\n{error}", file=sys.stderr, flush=True)
            continue
        print(f"{path.stem}: {time.monotonic() - started:.0f} s\n  {verdict_of(notebook)}", flush=True)
    return 1 if failed else 0


def verdict_of(notebook: nbformat.NotebookNode) -> str:
    """What the last cell of an executed notebook says; empty when it says nothing."""
    outputs = notebook.cells[-1].get("outputs", [])
    return "\n".join(str(output["data"].get("text/markdown", "")) for output in outputs if "data" in output)


def _open_lab(settings: Settings) -> int:
    folder = settings.data_dir / "jupyter"
    (folder / "labconfig").mkdir(parents=True, exist_ok=True)
    (folder / "labconfig" / "default_setting_overrides.json").write_text(_JUPYTER_SETTINGS)
    command = [sys.executable, "-m", "jupyterlab", f"--notebook-dir={NOTEBOOKS}", "--ServerApp.ip=127.0.0.1"]
    env = environment(JUPYTER_CONFIG_DIR=str(folder), JUPYTER_PREFER_ENV_PATH="1")
    with subprocess.Popen(command, env=env) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            # Jupyter got the same signal and asks its kernels to end.
            return process.wait(30)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
