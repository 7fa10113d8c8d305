"""A notebook asks, computes with retrieval alone, and answers with its own numbers."""

import ast
import re
import sys
from pathlib import Path

import jupytext
import pytest

from deploy.notebooks import NOTEBOOKS, chosen

PATHS = chosen([])
# Beside the standard library.
ALLOWED = {"models", "retrieval", "numpy"}


def cells(path: Path) -> list:
    return jupytext.read(path).cells


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_there_are_eight_notebooks_in_order() -> None:
    assert [item.name[:2] for item in PATHS] == [f"{number:02d}" for number in range(1, 9)]
    assert [item.name for item in NOTEBOOKS.iterdir() if item.suffix == ".ipynb"] == []


def test_it_imports_retrieval_and_models_only(path: Path) -> None:
    roots: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            roots |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            roots.add((node.module or "").partition(".")[0])
    assert roots - sys.stdlib_module_names - ALLOWED == set()
    assert roots & {"os", "subprocess", "importlib"} == set()


def test_its_first_cell_states_the_question(path: Path) -> None:
    first = cells(path)[0]
    assert first.cell_type == "markdown"
    assert re.match(rf"# {path.name[:2]} · .+\?$", first.source.splitlines()[0])


def test_its_second_cell_holds_the_parameters(path: Path) -> None:
    second = cells(path)[1]
    assert second.metadata["tags"] == ["parameters"]
    assert "REPORTS = " in second.source
    assert "QUESTIONS: int | None = None" in second.source


def test_its_last_cell_is_a_verdict_that_is_computed(path: Path) -> None:
    last = cells(path)[-1]
    tree = ast.parse(last.source)
    call = tree.body[-1]
    assert isinstance(call, ast.Expr)
    assert ast.unparse(call).startswith("lab.verdict(")
    formats = {
        part for node in ast.walk(tree) if isinstance(node, ast.FormattedValue) for part in ast.walk(node)
    }
    words = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in formats
    ]
    # Figures come out of the computation: no sentence brings its own, but for the name of a measure.
    assert [
        word for word in words if re.search(r"\d", word.replace("nDCG@10", "").replace("e5-small", ""))
    ] == []
    assert any(isinstance(node, ast.FormattedValue) for node in ast.walk(call))


def test_it_shows_pictures_under_its_own_number(path: Path) -> None:
    shown = re.findall(r'pictures\.show\(.*"([^"]+)"\)', path.read_text())
    assert shown
    assert all(name.startswith(f"{path.name[:2]}-") for name in shown)


def test_an_unknown_number_is_refused() -> None:
    with pytest.raises(SystemExit, match="99"):
        chosen(["99"])
