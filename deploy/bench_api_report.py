"""The report of the API benchmark: a table beside the promises, what the cache saves, and which promises are broken."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Promised at M of one process: the case, at so many clients, this figure, its bound.
PROMISES: tuple[tuple[str, str, str, float], ...] = (
    ("portfolio_10_cold", "1", "p50_ms", 190),
    ("portfolio_10_cold", "1", "p95_ms", 200),
    ("portfolio_10_warm", "1", "p95_ms", 50),
    ("portfolio_10_warm", "10", "per_second", 1000),
    ("control_tower_cold", "1", "p50_ms", 8),
    ("control_tower_warm", "10", "per_second", 2200),
    ("lightrag_cached", "10", "per_second", 1600),
    ("jobs_status", "1", "p50_ms", 10),
    ("contacts_search", "1", "p50_ms", 3),
)
# The system this one replaces, as the shape's README states it: case → (S, M), p50 / p95 ms at one client, req/s at ten.
BEFORE: Mapping[str, tuple[str, str]] = {
    "portfolio_10_cold": ("143 / 171", "966 / 1181"),
    "portfolio_1_cold": ("72 / 84", "374 / 451"),
    "portfolio_10_warm": ("1.9 / 5.4, 540 req/s", "2.3 / 6.0, 497 req/s"),
    "control_tower_cold": ("8 / 12", "28 / 34"),
    "control_tower_warm": ("0.6 / 1.1, 3,014 req/s", "0.7 / 1.1, 2,209 req/s"),
    "portfolio_messages": ("2.4 / 3.4, 724 req/s", "6.2 / 9.2, 372 req/s"),
    "lightrag_uncached": ("37 / 48, 36 req/s", "136 / 151, 28 req/s"),
    "lightrag_cached": ("0.9 / 2.0, 1,625 req/s", "1.2 / 3.1, 1,078 req/s"),
    "connectors_state": ("0.6 / 0.8, 3,077 req/s", "0.6 / 0.8, 2,674 req/s"),
    "contacts": ("1.4 / 2.2", "1.4 / 2.1"),
    "contacts_search": ("1.6 / 2.0", "5.4 / 7.0"),
    "conversations": ("1.4 / 1.8", "1.8 / 2.2"),
    "messages": ("2.2 / 3.1", "2.2 / 4.3"),
    "jobs_status": ("25 / 31, 72 req/s", "249 / 291, 5 req/s"),
    "identity_suggestions": ("38 / 53", "204 / 223"),
}
_GROWTH = 1.5
_CACHE_BYTES = 5 * 1024 * 1024
# Statements and CPU of a repeated read must fall by this share at least.
_SAVED = 0.70


def write_report(folder: Path, measured: Mapping[str, Any]) -> list[str]:
    """Write bench-api.md and bench-api.json; the broken promises, in words."""
    folder.mkdir(exist_ok=True)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    (folder / "bench-api.json").write_text(json.dumps({"machine": machine, "measured": measured}, indent=1))
    broken = broken_promises(measured)
    lines = ["# API benchmark", "", f"{machine}; load average {os.getloadavg()[0]:.1f} at the end.", ""]
    for scale, found in measured.items():
        lines += _table(scale, found)
    lines += ["", "## Broken promises", "", *([f"- {each}" for each in broken] or ["None."])]
    text = "\n".join(lines) + "\n"
    (folder / "bench-api.md").write_text(text)
    return broken


def broken_promises(measured: Mapping[str, Any]) -> list[str]:
    """What was promised and measured otherwise. What was not measured is not judged."""
    broken: list[str] = []
    cases: Mapping[str, Any] = measured.get("m", {}).get("cases", {})
    for case, clients, figure, bound in PROMISES:
        value = cases.get(case, {}).get(clients, {}).get(figure)
        if value is None:
            continue
        if (value < bound) if figure == "per_second" else (value > bound):
            broken.append(f"{case} at {clients} clients: {figure} is {value}, promised {bound}")
    small: Mapping[str, Any] = measured.get("s", {}).get("cases", {})
    for case, at_m in cases.items():
        at_s = small.get(case, {}).get("1")
        if at_s is None or "1" not in at_m:
            continue
        grown = at_m["1"]["p50_ms"] / max(at_s["p50_ms"], 1e-9)
        if grown > _GROWTH:
            broken.append(f"{case} grows {grown:.2f} times from S to M, promised {_GROWTH}")
    for scale, found in measured.items():
        if found.get("cache_bytes", 0) > _CACHE_BYTES:
            broken.append(f"the cache of ten projects takes {found['cache_bytes']} bytes at {scale.upper()}")
        for case, off in found.get("off", {}).items():
            on = found["on"][case]
            broken.extend(
                f"{case} at {scale.upper()}: {name} {off[name]} without and {on[name]} with the cache"
                for name in ("statements", "app_cpu_ms")
                if off[name] and 1 - on[name] / off[name] < _SAVED
            )
    return broken


def _table(scale: str, found: Mapping[str, Any]) -> list[str]:
    lines = [
        f"## {scale.upper()}",
        "",
        f"Ready in {found['ready_s']} s; {found['idle_mb']} MB idle, {found['peak_mb']} MB after the run.",
        "",
        "| case | clients | req/s | p50 ms | p95 ms | p99 ms | refused | the system before |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for case, by_clients in found["cases"].items():
        for clients, figures in by_clients.items():
            before = BEFORE.get(case, ("", ""))[0 if scale == "s" else 1] if clients == "1" else ""
            refused = ", ".join(f"{count} × {status}" for status, count in figures["refused"].items())
            lines.append(
                f"| {case} | {clients} | {figures['per_second']:,} | {figures['p50_ms']} | {figures['p95_ms']} |"
                f" {figures['p99_ms']} | {refused} | {before} |"
            )
    if "off" in found:
        lines += [
            "",
            "Repeated reads, cache off → on, each read:",
            "",
            "| case | statements | database ms | app CPU ms |",
            "|---|---|---|---|",
        ]
        for case, off in found["off"].items():
            on = found["on"][case]
            cells = (f"{off[name]} → {on[name]}" for name in ("statements", "database_ms", "app_cpu_ms"))
            lines.append(f"| {case} | {' | '.join(cells)} |")
        lines += ["", f"Cache of ten projects: {found['cache_bytes'] / 1024:.0f} KiB."]
    return [*lines, ""]
