"""`make eval`: asks the gold questions of the running demo and writes the report to reports/."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from models.infra.database import reading
from models.infra.scope import Scope
from retrieval import pipeline
from retrieval.evaluation import report, world
from retrieval.evaluation.datasets import all_questions
from retrieval.profile import load_profile
from retrieval.schemas import Mode

SCOPE_SLUG = "meridian"
REPORTS = Path("reports")
MODES: tuple[Mode, ...] = ("hybrid", "vector", "lexical")


def main(arguments: list[str]) -> int:
    """Measure the chosen modes; 0 when they were measured, 1 when the demo's data is not there or not indexed."""
    parser = argparse.ArgumentParser(prog="make eval")
    parser.add_argument("--mode", choices=MODES, action="append", help="default: all of them")
    parser.add_argument("--partial", action="store_true", help="measure although vectors are still growing")
    chosen = parser.parse_args(arguments)
    questions = all_questions()
    profile = load_profile()
    try:
        with reading() as session:
            found = world.find_world(session, SCOPE_SLUG, questions)
            state = pipeline.status(session, Scope.of(found.account_scope_id, found.projects.values()))
            print(f"index: {state}")
            for mode in chosen.mode or MODES:
                outcomes = world.ask_all(session, found, questions, profile, mode)
                summary = report.summarise(outcomes, profile=profile.name, mode=mode)
                text = report.as_markdown(summary, report.missed(outcomes) if mode == "hybrid" else ())
                REPORTS.mkdir(exist_ok=True)
                (REPORTS / f"world-{mode}.md").write_text(text, encoding="utf-8")
                (REPORTS / f"world-{mode}.json").write_text(
                    json.dumps(summary.as_json(), indent=1), encoding="utf-8"
                )
                print(text.partition("## Development")[0])
    except world.WorldMissing as error:
        print(error, file=sys.stderr)
        return 1
    print(f"written to {REPORTS}/")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
