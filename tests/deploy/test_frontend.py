"""The built front end: when it is built again, how it is fitted to a port, what it is served with."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy import frontend


def _sources(root: Path) -> Path:
    for name, content in {
        "tools_app/pages/page.py": "page",
        "tools_app/services/views.py": "views",
        "tools_app/services/answer_views.py": "answers",
        "tools_app/services/search.py": "search",
        "tools_app/api/app.py": "api",
        "assets/theme.css": "css",
        "reflex.lock/package.json": '{"a": 1, "b": 2}',
        "rxconfig.py": "config",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


@pytest.mark.parametrize(
    "changed",
    [
        "tools_app/pages/page.py",
        "tools_app/services/views.py",
        "tools_app/services/answer_views.py",
        "assets/theme.css",
    ],
)
def test_a_change_of_what_it_is_made_from_asks_for_a_new_build(tmp_path: Path, changed: str):
    root = _sources(tmp_path)
    before = frontend.source_key(root)
    (root / changed).write_text("other")
    assert frontend.source_key(root) != before


@pytest.mark.parametrize("changed", ["tools_app/services/search.py", "tools_app/api/app.py"])
def test_a_change_behind_the_pages_does_not(tmp_path: Path, changed: str):
    root = _sources(tmp_path)
    before = frontend.source_key(root)
    (root / changed).write_text("other")
    assert frontend.source_key(root) == before


def test_the_layout_of_a_lock_file_does_not_matter(tmp_path: Path):
    root = _sources(tmp_path)
    before = frontend.source_key(root)
    (root / "reflex.lock/package.json").write_text(json.dumps({"b": 2, "a": 1}, indent=4))
    assert frontend.source_key(root) == before


def _export(home: Path, key: str) -> Path:
    assets = home / key / "build" / "client" / "assets"
    assets.mkdir(parents=True)
    (assets / "reflex-env-x.js").write_text(
        "PING:`http://localhost:3000/ping`,EVENT:`ws://localhost:3000/_event`"
    )
    (assets / "reflex-env-x.js.br").write_bytes(b"compressed")
    (assets / "root-y.js").write_text("unchanged http://localhost:3000/")
    (home / key / "build.json").write_text('{"script_hashes": []}')
    return home / key


def test_fitting_to_a_port_changes_the_one_asset_and_leaves_the_export_alone(tmp_path: Path):
    base = _export(tmp_path, "0123456789abcdef")
    fitted = frontend._fit_to_port(base, 4711)
    assets = fitted / "build" / "client" / "assets"
    assert (
        assets / "reflex-env-x.js"
    ).read_text() == "PING:`http://localhost:4711/ping`,EVENT:`ws://localhost:4711/_event`"
    assert not (assets / "reflex-env-x.js.br").exists(), "a compressed copy would still name the other port"
    assert ":3000" in (base / "build/client/assets/reflex-env-x.js").read_text()
    assert (assets / "root-y.js").samefile(base / "build/client/assets/root-y.js")
    assert frontend._fit_to_port(base, 4711) == fitted


def test_an_export_whose_port_cannot_be_found_is_refused(tmp_path: Path):
    base = _export(tmp_path, "0123456789abcdef")
    (base / "build/client/assets/reflex-env-x.js").unlink()
    with pytest.raises(frontend.FrontendBuildFailed, match="reflex-env"):
        frontend._fit_to_port(base, 4711)


def test_old_exports_are_forgotten_and_the_newest_kept(tmp_path: Path):
    for age, key in enumerate(("a" * 16, "b" * 16, "c" * 16, "d" * 16)):
        path = _export(tmp_path, key)
        os.utime(path, (1_000_000 - age, 1_000_000 - age))
    frontend._prune(tmp_path, keep="d" * 16)
    assert {path.name for path in tmp_path.iterdir()} == {"a" * 16, "b" * 16, "c" * 16, "d" * 16}
    frontend._prune(tmp_path, keep="a" * 16)
    assert {path.name for path in tmp_path.iterdir()} == {"a" * 16, "b" * 16, "c" * 16}


def test_serving_compiles_nothing_and_keeps_state_in_one_process(tmp_path: Path):
    built = frontend.BuiltFrontend(tmp_path, "key", 4711, rebuilt=False, seconds=0.0)
    served = frontend.serving_environment(built)
    assert served["PORT"] == "4711"
    assert served["__REFLEX_SKIP_COMPILE"] == served["__REFLEX_MOUNT_FRONTEND_COMPILED_APP"] == "true"
    assert served["REFLEX_STATE_MANAGER_MODE"] == "memory"
    assert frontend.server_command()[-2:] == ["-m", "deploy.server"]


def test_inline_scripts_are_known_by_their_hash(tmp_path: Path):
    (tmp_path / "index.html").write_text('<script src="/a.js"></script><script>var a=1</script>')
    assert frontend._script_hashes(tmp_path) == ["'sha256-WazVQOu5lmXfSreSrMJd1CsaQ4c00fUQpJfBYCuMSIw='"]


def _exporting(writes: str, *, to_the_end: bool) -> Callable[[Path, Path, Path], None]:
    """An export that rewrites its lock file, as Reflex does on its way, and comes to its end or is interrupted."""

    def export(home: Path, base: Path, project: Path) -> None:
        (project / "reflex.lock/package.json").write_text(writes)
        if not to_the_end:
            raise KeyboardInterrupt
        _export(home, base.name)
        (base / "build.json").write_text("{}")

    return export


def test_an_interrupted_export_leaves_the_lock_files_fit_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    root = _sources(tmp_path / "root")
    before = (root / "reflex.lock/package.json").read_bytes()
    monkeypatch.setattr(frontend, "ROOT", root)
    monkeypatch.setattr(frontend, "_export", _exporting("{}", to_the_end=False))
    with pytest.raises(KeyboardInterrupt):
        frontend.ensure_built(3210, tmp_path / "data")
    assert (root / "reflex.lock/package.json").read_bytes() == before


@pytest.mark.parametrize(
    ("written", "held"),
    [('{"b":2,"a":1}', '{"a": 1, "b": 2}'), ('{"a": 1, "b": 3}', '{"a": 1, "b": 3}')],
    ids=["another layout", "a new package"],
)
def test_a_finished_export_hands_back_what_is_new_in_the_lock_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, held: str
):
    root = _sources(tmp_path / "root")
    monkeypatch.setattr(frontend, "ROOT", root)
    monkeypatch.setattr(frontend, "_export", _exporting(written, to_the_end=True))
    built = frontend.ensure_built(3210, tmp_path / "data")
    assert (root / "reflex.lock/package.json").read_text() == held
    assert built.key == frontend.source_key(root)
