"""What the compose file says about users, published ports, resource limits and health checks, without a container."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import yaml

Found = tuple[str, bool, str]

_ROOT = re.compile(r"^(root|0)(:.*)?$")
_STORE = re.compile(r"postgres|pgvector|redis|valkey", re.IGNORECASE)


def check_compose(path: Path | None) -> Iterator[Found]:
    """(item, ok, what) of each service; None says that nothing runs in containers."""
    if path is None:
        yield "0.3", True, "no containers: run every process as a user of its own that is not root"
        return
    try:
        read = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        yield (
            "0.3",
            False,
            f"there is no {path.name} here; where nothing runs in containers: python -m deploy.preflight --no-compose",
        )
        return
    except yaml.YAMLError as fault:
        yield "0.3", False, f"{path.name} cannot be read: {getattr(fault, 'problem', fault)}"
        return
    services = cast("dict[str, dict[str, Any]]", (read or {}).get("services") or {})
    if not services:
        yield "0.3", False, f"{path.name} names no services"
    for name, service in sorted(services.items()):
        yield from _service(name, service or {}, path.parent)


def _service(name: str, service: Mapping[str, Any], folder: Path) -> Iterator[Found]:
    user = str(service.get("user") or _user_of_image(service, folder) or "")
    ok = bool(user) and not _ROOT.match(user)
    yield "0.3", ok, f"{name} runs as {user}" if ok else f"{name} runs as root: give it a `user:`"
    if _STORE.search(f"{name} {service.get('image', '')}"):
        published = bool(service.get("ports")) or service.get("network_mode") == "host"
        yield (
            "0.4",
            not published,
            f"{name} publishes a port: remove `ports:`" if published else f"{name} publishes no port",
        )
    limits = ((service.get("deploy") or {}).get("resources") or {}).get("limits") or {}
    missing = [
        what
        for what, held in (
            ("cpus", limits.get("cpus") or service.get("cpus")),
            ("memory", limits.get("memory") or service.get("mem_limit")),
        )
        if not held
    ]
    yield (
        "0.6",
        not missing,
        f"{name} has no limit of {' and '.join(missing)}: set deploy.resources.limits"
        if missing
        else f"{name} has limits",
    )
    yield "0.7", *_health(name, service)


def _health(name: str, service: Mapping[str, Any]) -> tuple[bool, str]:
    if str(service.get("restart", "")) == "no":
        return True, f"{name} runs once"
    check = service.get("healthcheck") or {}
    test = check.get("test")
    words = test if isinstance(test, str) else " ".join(str(part) for part in test or [])
    if not words or check.get("disable") or words.strip() == "NONE":
        return False, f"{name} has no healthcheck"
    if name == "web" and "/health" not in words:
        return False, f"the healthcheck of {name} does not ask /health"
    return True, f"{name} is checked"


def _user_of_image(service: Mapping[str, Any], folder: Path) -> str:
    """The last USER of the Dockerfile a service is built from; empty for a ready-made image, which may be root's."""
    build = service.get("build")
    if not build:
        return ""
    named = cast("Mapping[str, Any]", build if isinstance(build, Mapping) else {"context": build})
    dockerfile = folder / str(named.get("context", ".")) / str(named.get("dockerfile", "Dockerfile"))
    try:
        lines = dockerfile.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    users = [
        line.split(None, 1)[1].strip() for line in lines if re.match(r"\s*USER\s+\S", line, re.IGNORECASE)
    ]
    return users[-1] if users else ""
