"""`make eval`: the evaluation on the demo's own data, whether the demo runs at the moment or not.

With DATABASE_URL set, that database is measured. Otherwise the demo's: the server that `make up` runs is used as it is;
when nothing runs, the embedded servers are started for the time of the evaluation.
"""

import subprocess
import sys

from deploy.embedded import EmbeddedServers, ServerUrls
from deploy.locking import holder
from deploy.processes import ProcessRegistry
from models.infra.settings import Settings, environment, get_settings


def main() -> int:
    """Run `retrieval.evaluation` with the arguments given; its exit status."""
    settings = get_settings()
    if settings.database_url:
        return _evaluate({})
    if not (settings.data_dir / "postgres").exists():
        print(
            "There is no demo to evaluate yet: run `make up` first and let its index grow.", file=sys.stderr
        )
        return 1
    if holder(settings.data_dir) is not None:
        from deploy.postgres import running_url  # noqa: PLC0415 - embedded servers are imported when used

        return _evaluate({"DATABASE_URL": running_url(settings.data_dir.resolve())})
    return _with_servers(settings)


def _with_servers(settings: Settings) -> int:
    servers = EmbeddedServers(settings, ProcessRegistry(settings.data_dir.resolve() / "processes.json"))
    try:
        urls: ServerUrls = servers.start()
        return _evaluate(urls.environment())
    finally:
        servers.stop()


def _evaluate(extra: dict[str, str]) -> int:
    command = [sys.executable, "-m", "retrieval.evaluation", *sys.argv[1:]]
    return subprocess.run(command, env=environment(**extra), check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
