"""Makes `.venv` from a lock file, and again only when the lock or the Python changed. Needs nothing but Python.

    python3 deploy/bootstrap.py requirements.lock

A stamp inside the environment says what was completely installed: an environment whose installation was interrupted
has none, and is completed.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "installed.json"
OLDEST, NEWEST = (3, 11), (3, 13)
# The development lock holds every pin of the application's.
_TRIES = 3
_INCLUDES = {"requirements-dev.lock": ("requirements-dev.lock", "requirements.lock")}


class Refused(Exception):
    """The environment cannot be made; the message says what to do."""


def ensure(lock_name: str) -> bool:
    """Make `.venv` hold what `lock_name` pins; whether anything had to be done. Raises Refused."""
    check_python(sys.version_info[:2])
    if read_stamp().get(lock_name) == wanted_stamp(lock_name):
        return False
    started = time.monotonic()
    _make_venv()
    lock = ROOT / lock_name
    pins = sum(
        1 for line in lock.read_text().splitlines() if "==" in line and not line.startswith((" ", "#"))
    )
    print(f"  environment    installing {pins} packages of {lock_name} (about a minute)", flush=True)
    STAMP.unlink(missing_ok=True)
    command = [
        str(VENV / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
        "--require-hashes",
        # The lock is the whole set, so nothing is left to resolve. A resolving pip (23.2, which Python 3.11 ships)
        # looks at the newest release of a package that is asked for with an extra, and stops at its missing hash.
        "--no-deps",
        "--prefer-binary",
        "--requirement",
        str(lock),
    ]
    environment = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")
    }
    # A registry that hiccups on one page looks to pip like a package without versions: what is
    # already fetched is cached, so a second try costs little.
    for attempt in range(1, _TRIES + 1):
        result = subprocess.run(command, env=environment, check=False)
        if result.returncode == 0:
            break
        if attempt < _TRIES:
            print(f"  environment    trying again ({attempt + 1} of {_TRIES})", flush=True)
            time.sleep(2 * attempt)
    else:
        raise Refused("the packages could not be installed; pip's message is above. Running again continues.")
    held = {name: wanted_stamp(name) for name in _INCLUDES.get(lock_name, (lock_name,))}
    part = STAMP.with_suffix(".part")
    part.write_text(json.dumps(held, indent=1))
    part.replace(STAMP)
    print(f"  environment    ready, {time.monotonic() - started:.0f} s", flush=True)
    return True


def check_python(version: tuple[int, ...]) -> None:
    """Raise Refused for a Python that the product is not tested on."""
    if not OLDEST <= tuple(version) <= NEWEST:
        found = ".".join(str(part) for part in version)
        raise Refused(
            f"Python {found} is not supported: 3.11, 3.12 or 3.13 is needed. "
            "With another one installed: make up PYTHON=python3.12"
        )


def wanted_stamp(lock_name: str) -> str:
    """What the stamp says when `lock_name` is installed by this Python: its hash and the version."""
    digest = hashlib.sha256((ROOT / lock_name).read_bytes()).hexdigest()
    return f"{digest} {sys.version_info[0]}.{sys.version_info[1]}"


def read_stamp() -> dict[str, str]:
    """The stamp, empty when there is none or the environment lost its interpreter."""
    if not (VENV / "bin" / "python").exists():
        return {}
    try:
        return json.loads(STAMP.read_text())
    except (FileNotFoundError, ValueError):
        return {}


def _make_venv() -> None:
    if _works():
        return
    if not os.access(ROOT, os.W_OK):
        raise Refused(f"no permission to write to {ROOT}; the environment is made there (.venv)")
    # What an interrupted run or another Python left.
    shutil.rmtree(VENV, ignore_errors=True)
    made = subprocess.run(
        [sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True, check=False
    )
    if made.returncode != 0 or not _works():
        shutil.rmtree(VENV, ignore_errors=True)
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise Refused(
            f"a virtual environment could not be made. On Debian and Ubuntu the package python{version}-venv is "
            f"needed: apt install python{version}-venv\n{made.stdout[-800:]}{made.stderr[-800:]}"
        )


def _works() -> bool:
    python = VENV / "bin" / "python"
    if not python.exists():
        return False
    probe = "import sys, pip; print('%d.%d' % sys.version_info[:2])"
    found = subprocess.run([str(python), "-c", probe], capture_output=True, text=True, check=False)
    return found.returncode == 0 and found.stdout.strip() == f"{sys.version_info[0]}.{sys.version_info[1]}"


def main(arguments: list[str]) -> int:
    """Ensure the named lock is installed; 0, or 1 with a message."""
    try:
        ensure(arguments[0] if arguments else "requirements.lock")
    except Refused as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; running again continues", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
