"""`make down` and `make reset`: stop what runs in this data directory, and forget the demo.

Only processes that a `make up` of this directory started are touched.
"""

import shutil
import signal
import sys
from pathlib import Path

import psutil

from deploy.locking import holder
from deploy.privileges import copy_location
from deploy.processes import ProcessRegistry, stop_record
from deploy.stack import REGISTRY
from models.infra.settings import Settings, get_settings

_WAIT_S = 60.0
# The built front end belongs to the sources, not to the demo: rebuilding it would take a minute for nothing.
_KEPT = ("frontend",)


def down(settings: Settings) -> int:
    """Stop the running `make up`, if any, and what a killed one left; how many processes were stopped."""
    stopped = 0
    if not settings.data_dir.exists():
        return 0
    pid = holder(settings.data_dir)
    if pid:
        try:
            supervisor = psutil.Process(pid)
            supervisor.send_signal(signal.SIGTERM)
            supervisor.wait(_WAIT_S)
        except psutil.NoSuchProcess:
            pass
        except psutil.TimeoutExpired:
            psutil.Process(pid).kill()
        stopped += 1
    registry = ProcessRegistry(settings.data_dir / REGISTRY)
    for record in reversed(registry.leftovers()):
        print(f"stopping {record.name} (process {record.pid})")
        # Postgres takes SIGINT as "now, but cleanly"; SIGTERM would wait for its clients.
        stop_record(record, stop_signal=signal.SIGINT if record.name == "postgres" else signal.SIGTERM)
        stopped += 1
    registry.leftovers()
    return stopped


def reset(settings: Settings) -> list[str]:
    """Stop everything and delete what the demo stored; the names of what was deleted."""
    down(settings)
    data_dir = settings.data_dir.resolve()
    shutil.rmtree(copy_location(data_dir / "postgres" / "cluster"), ignore_errors=True)
    removed: list[str] = []
    for entry in sorted(data_dir.iterdir()) if data_dir.exists() else []:
        if entry.name in _KEPT:
            continue
        _delete(entry)
        removed.append(entry.name)
    return removed


def _delete(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink()


def main(arguments: list[str]) -> int:
    """`python -m deploy.down [reset]`."""
    settings = get_settings()
    try:
        if arguments == ["reset"]:
            reset(settings)
            print("The demo is forgotten. `make up` starts a new one.")
            if settings.database_url:
                print("DATABASE_URL is set: that database was left alone.")
        else:
            stopped = down(settings)
            print("Stopped." if stopped else "Nothing was running.")
    except OSError as error:
        print(f"{error.filename or settings.data_dir}: {error.strerror or error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
