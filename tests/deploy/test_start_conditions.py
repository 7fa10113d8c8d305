"""What is in the way of a start is told clearly: Python, permissions, ports, a second start."""

import hashlib
import json
import os
import re
import socket
from pathlib import Path

import pytest

from deploy import bootstrap, down, locking
from deploy.checks import check_data_dir, check_ports
from deploy.console import Console, count
from deploy.embedded import free_port
from deploy.stack import Failed, Stack, StopRequested, answers
from models.infra.settings import Settings
from tests.conftest import ROOT

needs_user = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")


def settings(tmp_path: Path, **values: object) -> Settings:
    return Settings(_env_file=None, data_dir=tmp_path, **values)


def three_free_ports() -> int:
    for _ in range(50):
        base = free_port()
        if base < 65_000 and all(_can_bind(base + offset) for offset in range(3)):
            return base
    raise AssertionError("no three free ports in a row")


def _can_bind(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def test_an_unsupported_python_is_named_with_a_way_out() -> None:
    for version in ((3, 10), (3, 14)):
        with pytest.raises(bootstrap.Refused, match=r"PYTHON=python3\.12"):
            bootstrap.check_python(version)
    for version in ((3, 11), (3, 12), (3, 13)):
        bootstrap.check_python(version)


def test_an_environment_is_installed_again_only_when_its_lock_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap, "STAMP", tmp_path / ".venv" / "installed.json")
    lock = tmp_path / "requirements.lock"
    lock.write_text("a==1\n")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    assert bootstrap.read_stamp() == {}
    bootstrap.STAMP.write_text(json.dumps({"requirements.lock": bootstrap.wanted_stamp("requirements.lock")}))
    assert bootstrap.read_stamp() == {}, "an environment without its interpreter is not installed"
    (tmp_path / ".venv" / "bin" / "python").touch()
    assert bootstrap.ensure("requirements.lock") is False
    lock.write_text("a==2\n")
    assert bootstrap.read_stamp()["requirements.lock"] != bootstrap.wanted_stamp("requirements.lock")
    assert hashlib.sha256(lock.read_bytes()).hexdigest() in bootstrap.wanted_stamp("requirements.lock")


def test_the_development_lock_holds_every_pin_of_the_applications() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^([A-Za-z0-9_.\-\[\]]+==[^ \\;]+)", (ROOT / name).read_text(), re.MULTILINE))

    assert pins("requirements.lock") - pins("requirements-dev.lock") == set()


def test_a_taken_port_is_named_with_its_holder_and_a_way_out(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            Failed, match=rf"Port {port} is taken by process {os.getpid()}[\s\S]*PORT=\d+ make up"
        ):
            check_ports(settings(tmp_path, port=port))
        with pytest.raises(Failed, match="SANDBOX_PORT_BASE="):
            check_ports(settings(tmp_path, port=free_port(), sandbox_port_base=port))


def test_free_ports_are_no_complaint(tmp_path: Path) -> None:
    check_ports(settings(tmp_path, port=free_port(), sandbox_port_base=three_free_ports()))


def test_the_web_may_not_sit_on_the_sandboxs_ports(tmp_path: Path) -> None:
    base = three_free_ports()
    with pytest.raises(Failed, match="sandbox's range"):
        check_ports(settings(tmp_path, port=base + 1, sandbox_port_base=base))


def test_a_data_directory_that_cannot_be_made_is_named_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Failed, match="DATA_DIR=/path make up"):
        check_data_dir(tmp_path / "file" / "data")


@needs_user
def test_a_data_directory_without_write_permission_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(Failed, match="Cannot write"):
            check_data_dir(tmp_path / "data")
    finally:
        tmp_path.chmod(0o700)


def test_the_lock_admits_one_and_names_its_holder(tmp_path: Path) -> None:
    lock = locking.RunLock(tmp_path)
    with pytest.raises(locking.Held) as held:
        locking.RunLock(tmp_path)
    assert held.value.pid == os.getpid()
    assert locking.holder(tmp_path) == os.getpid()
    lock.close()
    assert locking.holder(tmp_path) is None
    locking.RunLock(tmp_path).close()


def test_a_lock_file_left_by_a_dead_run_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / locking.NAME).write_text("999999\n")
    locking.RunLock(tmp_path).close()


def test_down_with_nothing_running_does_nothing(tmp_path: Path) -> None:
    assert down.down(settings(tmp_path / "none")) == 0
    assert down.down(settings(tmp_path)) == 0


def test_reset_forgets_the_demo_and_keeps_the_built_front_end(tmp_path: Path) -> None:
    for name in ("postgres", "queue", "sandbox", "frontend"):
        (tmp_path / name).mkdir()
    (tmp_path / "access.json").write_text("{}")
    assert "postgres" in down.reset(settings(tmp_path))
    assert [entry.name for entry in tmp_path.iterdir()] == ["frontend"]


def test_waiting_ends_when_a_stop_was_asked_for(tmp_path: Path) -> None:
    stack = Stack(settings(tmp_path))
    stack.stopping.set()
    with pytest.raises(StopRequested):
        stack.wait_until(lambda: False, 60, "never")


def test_a_job_that_fails_shows_the_end_of_its_log(tmp_path: Path) -> None:
    import sys

    stack = Stack(settings(tmp_path))
    job = stack.start_job("migrate", [sys.executable, "-c", "raise SystemExit('no such table')"])
    with pytest.raises(Failed, match="no such table"):
        stack.finish_job(job, 30)
    assert stack.stop() == []


def test_a_service_that_keeps_crashing_ends_the_start_with_its_log(tmp_path: Path) -> None:
    import sys

    stack = Stack(settings(tmp_path))
    stack.start_service("web", [sys.executable, "-c", "raise SystemExit('broken')"])
    with pytest.raises(Failed, match=r"web crashed 5 times[\s\S]*broken"):
        stack.wait_until(lambda: False, 60, "never")
    stack.stop()


def test_nobody_answers_where_nobody_listens() -> None:
    assert answers(f"http://127.0.0.1:{free_port()}/") is False


def test_progress_is_one_line_a_step_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Console().step("sync", "starting") as step:
        step.say("100 rows")
        step.say("200 rows")
    [line] = capsys.readouterr().out.splitlines()
    assert "200 rows" in line
    assert count(1, "row", "rows") == "1 row"
    assert count(2000, "row", "rows") == "2,000 rows"
