"""`make up`: from nothing to a running Control Tower with a synced demo, in the foreground.

Order: data servers, migrations, sandbox vendors, demo account, workers and scheduler, first sync (through the queue),
front end (built while the sync runs), web. Ctrl-C or SIGTERM stops all of it and nothing else.
"""

import os
import sys
import time
from pathlib import Path

from deploy.account import DemoAccess, mark_printed, prepare_access
from deploy.checks import check_data_dir, check_ports, stop_leftovers
from deploy.console import Console, Step, count
from deploy.demo import DemoAccount, ensure_demo
from deploy.first_sync import FirstSync
from deploy.locking import Held, RunLock
from deploy.processes import Child
from deploy.sandbox import sandbox_command, sandbox_vendors, wait_for_sandbox
from deploy.signals import ParentMake, stop_on_signals, take_terminal
from deploy.stack import Failed, Stack, StopRequested
from models.infra.database import close_database, transaction
from models.infra.logging import configure_logging
from models.infra.redis import close_clients
from models.infra.settings import Settings, adopt, get_settings

# The queues of each worker. One serves the schedule and recovery alone: no sync, however long, makes them wait. As many
# sync as there are vendors: they are copied side by side.
WORKERS = (("control",), ("sync", "index"), ("sync",), ("sync",))
_SYNC_LIMIT_S = 600.0
_INDEX_LIMIT_S = 300.0
_BUILD_LIMIT_S = 600.0
# How often the progress of queued work is read.
_LOOK_S = 0.4
_BUILD = (
    "import sys; from deploy.frontend import ensure_built; "
    "print('rebuilt' if ensure_built(int(sys.argv[1])).rebuilt else 'unchanged')"
)


def main() -> int:
    """Run until a signal; 0 after an orderly stop, 1 with a message when something is in the way."""
    console = Console()
    settings = adopt(APP_ENV=os_environment_name())
    started = time.monotonic()
    try:
        check_data_dir(settings.data_dir)
        settings = adopt(DATA_DIR=str(settings.data_dir.resolve()))
        lock = RunLock(settings.data_dir)
    except Held as held:
        print(
            f"Control Tower is already running here (process {held.pid}). Stop it with Ctrl-C there, or: make down"
        )
        return 1
    except Failed as error:
        print(error)
        return 1
    stack = Stack(settings)
    take_terminal()
    stop_on_signals(stack.stopping)
    code = 0
    try:
        _run(console, stack, settings, started)
    except StopRequested:
        pass
    except Failed as error:
        console.rewrite("")
        console.line(f"\n{error}")
        code = 1
    finally:
        console.rewrite("")
        console.line("Stopping …")
        close_database()
        close_clients()
        killed = stack.stop()
        if killed:
            console.line(f"  had to be killed: {', '.join(killed)}")
        lock.close()
        console.line("Stopped.")
    return code


def os_environment_name() -> str:
    """`demo`, unless APP_ENV says otherwise."""
    configured = get_settings().app_env
    return "demo" if configured == "development" else configured


def _run(console: Console, stack: Stack, settings: Settings, started: float) -> None:
    console.line("Control Tower")
    # Leftovers hold the ports that are checked next.
    stop_leftovers(console, stack)
    check_ports(settings)
    # A process of its own, so that a stop during the build leaves nothing behind; it needs none of the others.
    build = stack.start_job("front-end", [sys.executable, "-c", _BUILD, str(settings.port)])
    with console.step("data servers", "starting") as step:
        urls = stack.start_servers()
        embedded = not settings.database_url
        step.say("Postgres and two Valkey servers, embedded" if embedded else "configured ones")
    adopt(**urls.environment())
    try:
        access = prepare_access(get_settings())
    except ValueError as error:
        raise Failed(str(error)) from error
    adopt(**access.environment())
    # Log lines of the supervisor's own work go to a file: the terminal shows progress.
    _log_to(stack.log_of("up"))
    with console.step("database", "migrating") as step:
        stack.finish_job(
            stack.start_job("migrate", [sys.executable, "-m", "alembic", "upgrade", "head"]), 600
        )
        step.say("schema is current")
    with console.step("sandbox", "starting Chatwoot, Linear and Attio") as step:
        stack.start_service("sandbox", sandbox_command(settings, stack.data_dir))
        sandbox_state = stack.data_dir / "sandbox" / "state.json"
        wait_for_sandbox(stack, settings, sandbox_state)
        base = settings.sandbox_port_base
        step.say(f"Chatwoot, Linear and Attio on ports {base}–{base + 2}")
    _recover()
    with console.step("account", "creating") as step:
        account = _ensure_account(settings, sandbox_state)
        step.say(
            f"{count(account.projects, 'project', 'projects')}, {count(account.connections, 'connection', 'connections')}"
        )
    first = FirstSync(account.account_scope_id)
    with console.step("workers", "starting") as step:
        stack.start_workers(*WORKERS)
        (first.request if first.missing else first.request_all)()
        step.say(f"{count(len(WORKERS), 'worker', 'workers')} and the scheduler")
    _start_web(console, stack, settings, build)
    if first.missing:
        _wait_for_first_sync(console, stack, first)
    chunks, embedded_chunks = first.chunks()
    if embedded_chunks < chunks:
        console.line(
            f"  {'vectors':<13}  {embedded_chunks:,} of {chunks:,}; the rest grows in the background, newest first"
        )
    console.line(f"  {'ready after':<13}  {time.monotonic() - started:.0f} s")
    console.line(_ready_line(settings, access))
    mark_printed(get_settings())
    _stand_by(stack)


def _recover() -> None:
    # Nothing of ours runs yet: whatever says it does, died with the last run.
    from jobs.recovery import recover  # noqa: PLC0415  # the queue's modules are needed from here on only

    recover(settled_s=0)


def _ensure_account(settings: Settings, state_file: Path) -> DemoAccount:
    with transaction() as session:
        return ensure_demo(session, sandbox_vendors(settings, state_file))


def _start_web(console: Console, stack: Stack, settings: Settings, build: Child) -> None:
    from deploy import frontend  # noqa: PLC0415

    with console.step("front end", "checking") as step:
        _watch_build(stack, build, step)
        built = frontend.ensure_built(settings.port, stack.data_dir)
        rebuilt = stack.log_of("front-end").read_text().rstrip().endswith("rebuilt")
        step.say("built" if rebuilt else "unchanged, not built again")
    with console.step("web", "starting") as step:
        stack.start_web(frontend.server_command(), frontend.serving_environment(built))
        stack.wait_for_http("web", f"http://{_local(settings.host)}:{settings.port}/health", 60)
        step.say("UI, websocket and API on one port")


def _watch_build(stack: Stack, job: Child, step: Step) -> None:
    began = time.monotonic()

    def ended() -> bool:
        if time.monotonic() - began > 2:
            step.say("building (once; later starts reuse it)")
        return not job.is_running()

    stack.wait_until(ended, _BUILD_LIMIT_S, "the front end was not built")
    stack.finish_job(job, 5)


def _wait_for_first_sync(console: Console, stack: Stack, first: FirstSync) -> None:
    failed: dict[str, str] = {}
    with console.step("first sync", "waiting for a worker") as step:
        last_look = 0.0

        def synced() -> bool:
            nonlocal last_look
            if time.monotonic() - last_look < _LOOK_S:
                return False
            last_look = time.monotonic()
            state = first.state()
            failed.update(state.failed)
            step.say(", ".join(state.parts))
            return state.complete

        stack.wait_until(synced, _SYNC_LIMIT_S, "the first sync did not end")
    for name, why in failed.items():
        # The product stays up when a vendor is down; the page of the connectors says more, and the schedule retries.
        console.line(f"  {'warning':<13}  the first sync of {name} failed: {why}")
    with console.step("index", "chunks") as step:
        since = first.request_index()
        looked_at = [0.0]

        def searchable() -> bool:
            if time.monotonic() - looked_at[0] < _LOOK_S:
                return False
            looked_at[0] = time.monotonic()
            if failure := first.index_failure(since):
                raise Failed(f"indexing failed: {failure}")
            step.say(f"{count(first.chunks()[0], 'chunk', 'chunks')}, found by words")
            return first.lexical_complete(since)

        stack.wait_until(searchable, _INDEX_LIMIT_S, "indexing did not come to an end")


def _stand_by(stack: Stack) -> None:
    parent = ParentMake()
    while not stack.stopping.wait(0.5):
        stack.watch()
        if parent.is_waiting_to_die():
            return


def _ready_line(settings: Settings, access: DemoAccess) -> str:
    url = settings.public_url or f"http://{_local(settings.host)}:{settings.port}"
    return f"Control Tower is ready: {url}  user: {access.username}  password: {access.password_note}"


def _local(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "", "::") else host  # noqa: S104  # compared, not bound


def _log_to(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = path.open("a")  # stays open as long as the process
    configure_logging("up", stream)


if __name__ == "__main__":
    # The password must show while the output goes to a pipe or a file, too.
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    os.umask(0o022)
    sys.exit(main())
