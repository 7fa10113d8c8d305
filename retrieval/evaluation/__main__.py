"""`make eval`: asks the gold questions of the running demo and writes the report to reports/.

`make tune` (``--fit``) chooses the ranking's weights and the support model on the development half and prints them as the
tables of a profile.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from sqlmodel import Session

from models.infra.database import reading
from models.infra.scope import Scope
from retrieval import pipeline
from retrieval.evaluation import calibrate, report, tune, world
from retrieval.evaluation.datasets import GoldQuestion, all_questions, development_questions
from retrieval.profile import Profile, changed, load_profile
from retrieval.schemas import Mode

SCOPE_SLUG = "meridian"
REPORTS = Path("reports")
MODES: tuple[Mode, ...] = ("hybrid", "vector", "lexical")


def main(arguments: list[str]) -> int:
    """Measure the chosen modes; 0 when they were measured, 1 when the demo's data is not there or not indexed."""
    parser = argparse.ArgumentParser(prog="make eval")
    parser.add_argument("--mode", choices=MODES, action="append", help="default: all of them")
    parser.add_argument("--partial", action="store_true", help="measure although vectors are still growing")
    parser.add_argument(
        "--fit", action="store_true", help="choose weights on development questions instead; prints them"
    )
    chosen = parser.parse_args(arguments)
    questions = development_questions() if chosen.fit else all_questions()
    profile = load_profile()
    try:
        with reading() as session:
            if chosen.fit:
                print(_fitted(session, world.find_world(session, SCOPE_SLUG, questions), questions, profile))
                return 0
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


def _fitted(
    session: Session, found: world.WorldScope, questions: Sequence[GoldQuestion], profile: Profile
) -> str:
    examples = tune.collect(session, found, questions, profile)
    # Fitting takes minutes, and the database ends a transaction that idles.
    session.rollback()
    weights = tune.fit_ranking(examples)
    across = sum(values := tune.cross_validated(examples)) / len(values)
    ranked = changed(profile, {"ranking.weights": weights})
    model, rates = calibrate.fit(calibrate.collect(session, found, questions, ranked))
    refused = (
        f"not answerable {rates.not_answerable:.2f}, about another client {rates.elsewhere:.2f},"
        f" answerable {rates.answerable:.2f}"
    )
    return "\n".join(
        [
            f"# recall@10 of the development half, cross-validated by project: {across:.3f}",
            "[ranking.weights]",
            *(f"{name} = {weight}" for name, weight in weights.items()),
            "",
            f"# refused, cross-validated by project: {refused}",
            "[support]",
            f"bias = {model.bias}",
            f"threshold = {model.threshold}",
            f'model = "{model.model}"',
            "",
            "[support.weights]",
            *(f"{name} = {weight}" for name, weight in model.weights.items()),
        ]
    )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
