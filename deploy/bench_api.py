"""`make bench-api`: how fast the API answers on the benchmark's shape, with how many statements and how much CPU.

Seeds the shape (BENCH_SHAPE) at S and M into a Postgres of its own, starts the application in one process, asks at 1, 10
and 50 clients, then the same repeated reads with the cache off and on. Writes reports/bench-api.{md,json}. `--only` takes
names of cases (comma separated), `--scale` s or m, `--keep` a folder whose seeded databases are used again. Ends by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deploy.bench_api_cases import CASES, Case, Context, before_and_after, run_case
from deploy.bench_api_report import write_report
from deploy.bench_api_seed import ShapeMissing, load_shape
from deploy.bench_api_server import application, data_servers, embedding_stub, prepared
from deploy.embedded import ServerUrls
from models.infra.settings import adopt, get_settings

CLIENTS = (1, 10, 50)
_DEADLINE_S = 14 * 60
SCALES = {"s": 1, "m": 10}


def main() -> int:
    """Measure what the command line says; 2 without a shape, 1 when a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", default="", help=f"of {', '.join(each.name for each in CASES)}, before_after"
    )
    parser.add_argument("--scale", choices=[*SCALES, "both"], default="both")
    parser.add_argument("--keep", default="", help="keep the seeded databases in this folder")
    parser.add_argument(
        "--seconds", type=float, default=2.0, help="how long each case is asked at each number of clients"
    )
    given = parser.parse_args()
    only = {each.strip() for each in given.only.split(",") if each.strip()}
    unknown = only - {each.name for each in CASES} - {"before_after"}
    if unknown:
        parser.error(f"no case is called {', '.join(sorted(unknown))}")
    try:
        shape = load_shape(get_settings().bench_shape)
    except ShapeMissing as fault:
        print(fault, file=sys.stderr)
        return 2
    scales = list(SCALES) if given.scale == "both" else [given.scale]
    until = time.monotonic() + _DEADLINE_S
    measured: dict[str, Any] = {}
    with _folder(given.keep) as folder, data_servers(folder) as urls, embedding_stub() as embeddings:
        for scale in scales:
            began = time.monotonic()
            database = prepared(urls, f"bench_{scale}", shape, SCALES[scale])
            print(f"{scale.upper()}: seeded in {time.monotonic() - began:.0f} s", flush=True)
            measured[scale] = _measure(urls, database, embeddings, folder, only, given.seconds, until)
    broken = write_report(Path("reports"), measured)
    for line in broken:
        print(f"BROKEN: {line}")
    return 1 if broken else 0


@contextmanager
def _folder(keep: str) -> Iterator[Path]:
    """The folder of a run: one that stays, or one that goes with it."""
    if keep:
        path = Path(keep).resolve()
        path.mkdir(parents=True, exist_ok=True)
        yield path
    else:
        with tempfile.TemporaryDirectory(prefix="control-tower-bench-") as directory:
            yield Path(directory)


def _measure(
    urls: ServerUrls,
    database: str,
    embeddings: str,
    folder: Path,
    only: set[str],
    seconds: float,
    until: float,
) -> dict[str, Any]:
    # The seeding process tells the caches itself, as a job would.
    adopt(DATABASE_URL=database, REDIS_URL=urls.redis_url, CACHE_REDIS_URL=urls.cache_redis_url)
    chosen = [each for each in CASES if not only or each.name in only]
    found: dict[str, Any] = {"cases": {}}
    with application(urls, database, embeddings, folder, cached=True) as app:
        context = Context.of(app, database)
        found["ready_s"], found["idle_mb"] = round(app.ready_s, 2), round(app.memory_mb(), 1)
        asyncio.run(_cases(context, chosen, seconds, until, found["cases"]))
        found["peak_mb"] = round(app.memory_mb(), 1)
        if not only or "before_after" in only:
            found["cache_bytes"] = asyncio.run(context.cache_bytes())
            found["on"] = asyncio.run(before_and_after(context))
    if not only or "before_after" in only:
        with application(urls, database, embeddings, folder, cached=False) as app:
            found["off"] = asyncio.run(before_and_after(Context.of(app, database)))
    return found


async def _cases(
    context: Context, chosen: list[Case], seconds: float, until: float, into: dict[str, Any]
) -> None:
    for case in chosen:
        if not await context.has(case):
            continue
        for clients in case.clients or CLIENTS:
            if time.monotonic() > until:
                print("the time is over; the rest is left out", file=sys.stderr)
                return
            found = await run_case(context, case, clients, seconds)
            into.setdefault(case.name, {})[str(clients)] = found
            print(
                f"  {case.name:24} {clients:3} clients {found['per_second']:9.1f} req/s  p50 {found['p50_ms']:8.2f}"
                f"  p95 {found['p95_ms']:8.2f}  p99 {found['p99_ms']:8.2f} ms  {found['refused'] or ''}",
                flush=True,
            )


if __name__ == "__main__":
    raise SystemExit(main())
