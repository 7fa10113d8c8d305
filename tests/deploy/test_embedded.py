"""The embedded servers on real processes: created once, started again, healed after every kind of bad end."""

import os
import signal
import stat
from collections.abc import Generator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis as redis_client

from deploy.embedded import EmbeddedServers, RememberedPorts, ServerUrls, free_port
from deploy.postgres import EmbeddedPostgres
from deploy.privileges import Runner, choose_runner, copy_location, namespaces_work
from deploy.processes import ProcessRegistry
from models.infra.settings import Settings

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to give up privileges")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def servers_here(data_dir: Path) -> Generator[EmbeddedServers]:
    made = make(data_dir)
    yield made
    made.stop()


def make(data_dir: Path, **urls: str) -> EmbeddedServers:
    data_dir.mkdir(exist_ok=True)
    given = {"database_url": "", "redis_url": "", "cache_redis_url": "", **urls}
    settings = Settings(_env_file=None, data_dir=data_dir, **given)
    return EmbeddedServers(settings, ProcessRegistry(data_dir / "processes.json"), durable=False)


def query(urls: ServerUrls, statement: str) -> object:
    with psycopg.connect(urls.database_url.replace("+psycopg", ""), autocommit=True) as connection:
        row = connection.execute(statement.encode()).fetchone()
        return row[0] if row else None


def run_once(urls: ServerUrls, statement: str) -> None:
    with psycopg.connect(urls.database_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(statement.encode())


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_second_start_keeps_data_port_and_password(data_dir: Path) -> None:
    first = make(data_dir)
    urls = first.start()
    run_once(urls, "create table kept as select 7 as n")
    queue = redis_client.Redis.from_url(urls.redis_url)
    queue.set("kept", "yes")
    queue.close()
    first.stop()
    second = make(data_dir)
    again = second.start()
    try:
        assert again.database_url == urls.database_url
        assert query(again, "select n from kept") == 7
        with redis_client.Redis.from_url(again.redis_url) as client:
            assert client.get("kept") == b"yes"
    finally:
        second.stop()


def test_the_extensions_the_product_needs_are_there(servers_here: EmbeddedServers) -> None:
    urls = servers_here.start()
    for name in ("vector", "pg_trgm"):
        run_once(urls, f"create extension {name}")
    assert query(urls, "select '[1,2]'::vector <-> '[1,4]'::vector") == 2.0


def test_the_servers_listen_on_loopback_alone_and_want_a_password(servers_here: EmbeddedServers) -> None:
    urls = servers_here.start()
    addresses = {
        connection.laddr[0]
        for child in servers_here.children()
        for connection in psutil.Process(child.record.pid).net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses == {"127.0.0.1"}
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(urls.database_url.replace("+psycopg", "").replace("@", "wrong@"), connect_timeout=3)
    host, port = "127.0.0.1", int(urls.redis_url.rpartition(":")[2].partition("/")[0])
    with redis_client.Redis(host=host, port=port) as client, pytest.raises(redis_client.AuthenticationError):
        client.ping()


def test_queue_and_cache_are_set_up_for_what_they_hold(servers_here: EmbeddedServers) -> None:
    urls = servers_here.start()
    with redis_client.Redis.from_url(urls.redis_url, decode_responses=True) as queue:
        assert queue.config_get("appendonly")["appendonly"] == "yes"
        assert queue.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
    with redis_client.Redis.from_url(urls.cache_redis_url, decode_responses=True) as cache:
        assert cache.config_get("maxmemory-policy")["maxmemory-policy"] == "allkeys-lru"
        assert int(cache.config_get("maxmemory")["maxmemory"]) == 128 * 1024 * 1024


def test_no_secret_shows_in_a_command_line_or_a_readable_file(
    servers_here: EmbeddedServers, data_dir: Path
) -> None:
    urls = servers_here.start()
    password = urls.database_url.split(":")[2].partition("@")[0]
    secret = urls.redis_url.split(":")[2].partition("@")[0]
    for child in servers_here.children():
        line = " ".join(psutil.Process(child.record.pid).cmdline())
        assert password not in line
        assert secret not in line
    assert mode_of(data_dir / "postgres" / "password") == 0o600
    assert mode_of(data_dir / "queue" / "valkey.conf") == 0o600
    assert not list((data_dir / "postgres").glob("pwfile*"))


def test_a_killed_server_with_a_stale_pid_file_starts_again(data_dir: Path) -> None:
    first = make(data_dir)
    first.start()
    for child in first.children():
        os.kill(child.record.pid, signal.SIGKILL)
        child.process.wait(10)
    second = make(data_dir)
    try:
        assert query(second.start(), "select 1") == 1
    finally:
        second.stop()
        first.stop()


def test_a_pid_file_that_names_a_stranger_is_dropped_and_the_stranger_lives(data_dir: Path) -> None:
    first = make(data_dir)
    first.start()
    first.stop()
    pid_file = data_dir / "postgres" / "cluster" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n")
    second = make(data_dir)
    try:
        assert query(second.start(), "select 1") == 1
    finally:
        second.stop()


def test_a_server_left_behind_is_replaced(data_dir: Path) -> None:
    abandoned = make(data_dir)
    abandoned.start()
    [left] = [child for child in abandoned.children() if child.name == "postgres"]
    second = make(data_dir)
    try:
        assert query(second.start(), "select 1") == 1
        assert not left.is_running()
    finally:
        second.stop()
        abandoned.stop()


def test_a_half_made_cluster_is_made_again(data_dir: Path) -> None:
    part = data_dir / "postgres" / "cluster.part"
    part.mkdir(parents=True)
    (part / "PG_VERSION").write_text("18")
    made = make(data_dir)
    try:
        assert query(made.start(), "select 1") == 1
        assert not part.exists()
    finally:
        made.stop()


def test_a_remembered_port_that_is_taken_is_replaced(data_dir: Path) -> None:
    import socket

    data_dir.mkdir()
    ports = RememberedPorts(data_dir / "ports.json")
    port = ports.get("postgres")
    assert ports.get("postgres") == port
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        assert ports.get("postgres") != port
    assert ports.get("queue") != ports.get("postgres")


def test_a_damaged_port_file_is_no_obstacle(data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "ports.json").write_text("{half")
    assert RememberedPorts(data_dir / "ports.json").get("postgres") > 0


def test_with_all_urls_configured_nothing_is_started(data_dir: Path) -> None:
    made = make(
        data_dir, database_url="postgresql://h/d", redis_url="redis://h/0", cache_redis_url="redis://c/0"
    )
    assert made.start() == ServerUrls("postgresql://h/d", "redis://h/0", "redis://c/0")
    assert made.children() == []


def test_with_some_urls_configured_only_the_rest_is_started(data_dir: Path) -> None:
    made = make(data_dir, database_url="postgresql://h/d", redis_url="redis://h/0")
    try:
        urls = made.start()
        assert [child.name for child in made.children()] == ["valkey-cache"]
        assert urls.redis_url == "redis://h/0"
    finally:
        made.stop()


def test_stopping_leaves_no_process(data_dir: Path) -> None:
    made = make(data_dir)
    made.start()
    pids = [child.record.pid for child in made.children()]
    made.stop()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert not (data_dir / "processes.json").exists()


@needs_root
def test_root_gives_up_its_privileges_where_the_directory_can_be_reached(tmp_path: Path) -> None:
    programs, open_dir = tmp_path / "programs", tmp_path / "open"
    for folder in (programs / "bin", open_dir):
        folder.mkdir(parents=True)
    (programs / "bin" / "postgres").touch(mode=0o755)
    for part in (tmp_path, *tmp_path.parents):
        if part.stat().st_uid == 0 and part != Path("/") and "pytest" in str(part):
            part.chmod(0o755)
    runner = choose_runner(programs, open_dir / "cluster")
    assert runner.uid not in (None, 0)
    assert runner.prefix == ()


@needs_root
def test_below_a_private_directory_root_uses_a_user_namespace(tmp_path: Path) -> None:
    if not namespaces_work():
        pytest.skip("this machine allows no user namespaces")
    private = tmp_path / "home"
    private.mkdir(mode=0o700)
    made = make(private / "data")
    try:
        assert query(made.start(), "select 1") == 1
        [server] = [child for child in made.children() if child.name == "postgres"]
        status = Path(f"/proc/{server.record.pid}/status").read_text()
        effective = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff"))
        assert int(effective, 16) == 0
    finally:
        made.stop()


@needs_root
@pytest.mark.slow
def test_without_namespaces_programs_and_data_are_copied_to_a_reachable_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = tmp_path / "home"
    private.mkdir(mode=0o700)
    monkeypatch.setattr("deploy.privileges.namespaces_work", lambda: False)
    registry = ProcessRegistry(private / "processes.json")
    server = EmbeddedPostgres(private / "postgres", private / "postgres.log", registry, durable=False)
    copy = copy_location(private / "postgres" / "cluster")
    try:
        server.start(free_port())
        assert (copy / "data" / "PG_VERSION").exists()
        assert mode_of(copy / "data") == 0o700
        server.stop()
        server.start(free_port())
    finally:
        server.stop()
        server.forget()
    assert not copy.exists()


def test_without_root_nothing_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    runner = choose_runner(tmp_path / "programs", tmp_path / "cluster")
    assert runner == Runner((), None, None, tmp_path / "programs", tmp_path / "cluster")
