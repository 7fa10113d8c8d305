"""`make tick` finds the running demo by itself, whatever ports it runs on."""

from pathlib import Path

import httpx
import psutil
import pytest

from deploy.processes import ProcessRecord, ProcessRegistry
from deploy.stack import REGISTRY
from deploy.tick import main, running_port
from models.infra.settings import override_settings
from tests.vendors import running_vendors

GONE = 2**22 + 1  # above the largest pid of Linux


def remember(data_dir: Path, pid: int, created: float) -> None:
    data_dir.mkdir(parents=True, exist_ok=True)
    ProcessRegistry(data_dir / REGISTRY).add(ProcessRecord("sandbox", pid, created))


def test_the_running_demos_world_moves_although_the_settings_name_other_ports(tmp_path: Path) -> None:
    with running_vendors(tmp_path / "sandbox") as vendors:
        remember(tmp_path, vendors.pid, psutil.Process(vendors.pid).create_time())
        assert running_port(tmp_path) == vendors.port_base
        with override_settings(data_dir=tmp_path, sandbox_port_base=1):
            assert main() == 0
        state = httpx.get(f"{vendors.origin('chatwoot')}/_sandbox/state", timeout=10).json()
        assert state["ticks"] == 1


def test_a_demo_that_is_gone_is_not_ticked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remember(tmp_path, GONE, 0.0)
    assert running_port(tmp_path) is None
    with override_settings(data_dir=tmp_path, sandbox_port_base=1):
        assert main() == 1
    assert "no tick on port 1" in capsys.readouterr().err
