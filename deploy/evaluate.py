"""`make eval`: measures retrieval on the judged sets, whether the demo runs at the moment or not; `make tune` fits it.

The world's gold questions and the votes of users are asked of the demo's own data: the server that `make up` runs is used
as it is, and when nothing runs the embedded servers are started for the time of the evaluation. With DATABASE_URL set, that
database is measured. Public collections are indexed into a Postgres of their own below `DATA_DIR/evaluation`, which stays:
a text that was embedded once is not embedded again.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.databases import NoDemo, demo_database, migrate, pointed_to, scratch_postgres
from jobs.indexing import index_pending
from models.infra.clock import utcnow
from models.infra.database import transaction
from models.infra.settings import Settings, get_settings
from retrieval.evaluation import collection, comparison, fitting, run
from retrieval.evaluation.comparison import Comparison
from retrieval.evaluation.datasets import JudgedCollection, load_collection
from retrieval.evaluation.sets import TASKS, Task
from retrieval.evaluation.world import WorldMissing
from retrieval.profile import load_profile

REPORTS = Path("reports")
SETS_DIR = Path(__file__).resolve().parent.parent.parent / "shared" / "evalsets"
COLLECTION = "office-help"
SETS: tuple[str, ...] = ("world", "feedback", *(f"{COLLECTION}-{task}" for task in TASKS))
_INDEX_S = 3600.0


@dataclass(frozen=True, slots=True)
class _Public:
    """Where the public collections are, and how much of them is wanted."""

    folder: Path
    pages: int | None

    def load(self) -> JudgedCollection:
        """The collection. Raises FileNotFoundError with what to do."""
        path = self.folder / COLLECTION
        if not path.is_dir():
            raise FileNotFoundError(
                f"there is no collection at {path} (SETS_DIR names the folder that holds {COLLECTION}/)"
            )
        whole = load_collection(path)
        return whole if self.pages is None else whole.first(self.pages)


def main(arguments: list[str]) -> int:
    """Measure the sets asked for, print the table and write the report; 1 when the demo's data is missing or not indexed."""
    parser = argparse.ArgumentParser(prog="make eval", description=__doc__)
    parser.add_argument("--set", action="append", choices=SETS, help="default: all of them")
    parser.add_argument("--sets-dir", type=Path, default=SETS_DIR, help="where the public collections are")
    parser.add_argument(
        "--questions", type=int, help="at most so many a set and language (the same every time)"
    )
    parser.add_argument(
        "--pages", type=int, help="only the first pages of a public collection: quick, and easier"
    )
    parser.add_argument(
        "--mode", action="append", default=[], help="default: every mode, fusion and the predecessor"
    )
    parser.add_argument("--partial", action="store_true", help="measure although vectors are still growing")
    parser.add_argument("--fit", action="store_true", help="choose weights on development questions instead")
    given = parser.parse_args(arguments)
    settings = get_settings()
    wanted: tuple[str, ...] = tuple(given.set or SETS)
    try:
        if given.fit:
            print(_fit(settings, _Public(given.sets_dir, given.pages)))
            return 0
        choice = run.Choice(load_profile(), given.questions, tuple(given.mode))
        compared, skipped = _measure(
            settings, wanted, _Public(given.sets_dir, given.pages), choice, given.partial
        )
    except (WorldMissing, run.IndexIncomplete, NoDemo) as error:
        print(error, file=sys.stderr)
        return 1
    head = _head(choice)
    written = run.write_report(compared, skipped, head, REPORTS)
    print(f"{head}\n")
    print("\n".join(line for item in compared for line in comparison.verdicts(item)), end="\n\n")
    print(comparison.as_table(compared), end="\n\n")
    for name, reason in skipped.items():
        print(f"{name} left out: {reason}")
    print("written: " + ", ".join(str(path) for path in written))
    return 0


def _measure(
    settings: Settings, wanted: tuple[str, ...], public: _Public, choice: run.Choice, partial: bool
) -> tuple[list[Comparison], dict[str, str]]:
    compared: list[Comparison] = []
    skipped: dict[str, str] = {}
    if {"world", "feedback"} & set(wanted):
        with demo_database(settings):
            if "world" in wanted:
                found, details = run.measure_world(choice, partial=partial)
                compared.append(found)
                REPORTS.mkdir(exist_ok=True)
                (REPORTS / "world-hybrid.md").write_text(details, encoding="utf-8")
            if "feedback" in wanted:
                votes, told = run.measure_feedback(choice)
                if votes is None:
                    skipped["feedback"] = told
                else:
                    compared.append(votes)
    tasks: list[Task] = [task for task in TASKS if f"{COLLECTION}-{task}" in wanted]
    if tasks:
        try:
            pages = public.load()
        except FileNotFoundError as error:
            return compared, skipped | {f"{COLLECTION}-{task}": str(error) for task in tasks}
        with _collection_database(settings, pages):
            compared += [run.measure_collection(pages, task, choice) for task in tasks]
    return compared, skipped


def _fit(settings: Settings, public: _Public) -> str:
    profile = load_profile()
    examples: list[fitting.Example] = []
    try:
        pages = public.load()
    except FileNotFoundError as error:
        print(f"# without {COLLECTION}: {error}", file=sys.stderr)
    else:
        with _collection_database(settings, pages):
            examples = fitting.collection_examples(pages, profile)
    with demo_database(settings):
        return fitting.fit(profile, examples)


@contextmanager
def _collection_database(settings: Settings, pages: JudgedCollection) -> Iterator[None]:
    """The settings point to a database of the evaluation's own that holds the collection, indexed."""
    data_dir = settings.data_dir.resolve() / "evaluation"
    data_dir.mkdir(parents=True, exist_ok=True)
    with scratch_postgres(data_dir) as url, pointed_to(url):
        migrate(url)
        prepare(pages)
        yield


def prepare(pages: JudgedCollection) -> None:
    """Import and index every part of a collection into the database of the settings; what is there is left alone."""
    for part in collection.PARTS:
        with transaction() as session:
            scope = collection.import_part(session, pages, part)
        result = index_pending(scope.account_scope_id, budget_s=_INDEX_S)
        if result.embedded:
            print(
                f"  {pages.name}, {part}: {result.embedded} texts embedded in {result.embed_s:.0f} s,"
                f" {result.reused} were known",
                file=sys.stderr,
            )


def _head(choice: run.Choice) -> str:
    questions = "all" if choice.questions is None else f"at most {choice.questions} a set and language"
    load = os.getloadavg()[0]
    return (
        f"Profile `{choice.profile.name}`, {utcnow():%Y-%m-%d}, {os.cpu_count()} cores ({platform.machine()}), load {load:.1f},"
        f" questions: {questions}. Public collections: held-out half only."
    )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
