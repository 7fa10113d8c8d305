"""What `make tune` prints: weights and support model of a profile, chosen on development questions of every set.

The ranking is fitted on the world's questions and, where a collection is at hand, on a sample of its development half as
well: a corpus without clients and threads has to be ranked well by what is left. Support is the world's alone, as only
it has questions without an answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.infra.database import reading
from retrieval.evaluation import calibrate, reliability, tune, world
from retrieval.evaluation.datasets import JudgedCollection, development_questions
from retrieval.evaluation.run import SCOPE_SLUG, CollectionScope, collection_scopes, development_of
from retrieval.evaluation.sets import TASKS
from retrieval.evaluation.tune import Example
from retrieval.profile import Profile, Quality, changed

# Questions of each task: together about as many as the world's, so that neither drowns the other.
_QUESTIONS = 80


def collection_examples(pages: JudgedCollection, profile: Profile) -> list[Example]:
    """Examples of a collection's development half, from the database of the settings."""
    examples: list[Example] = []
    with reading() as session:
        scopes = collection_scopes(session, pages.name)
        for task in TASKS:
            questions = development_of(pages, task, scopes)[:_QUESTIONS]
            examples += tune.collect(session, CollectionScope(scopes), questions, profile)
    return examples


def fit(profile: Profile, others: Sequence[Example] = ()) -> str:
    """The fitted tables of a profile as TOML, from the world in the database of the settings and examples of other sets."""
    questions = development_questions()
    with reading() as session:
        found = world.find_world(session, SCOPE_SLUG, questions)
        examples = [*tune.collect(session, found, questions, profile), *others]
        # Fitting takes minutes, and the database ends a transaction that idles.
        session.rollback()
        weights = tune.fit_ranking(examples)
        estimates = tune.cross_validated(examples)
        ranked = changed(profile, {"ranking.weights": weights})
        model, rates = calibrate.fit(calibrate.collect(session, found, questions, ranked))
    answering = ranked.model_copy(update={"support": model, "quality": Quality()})
    scale = reliability.calibrate(reliability.answer_all(found, questions, answering))
    refused = (
        f"not answerable {rates.not_answerable:.2f}, about another client {rates.elsewhere:.2f},"
        f" answerable {rates.answerable:.2f}"
    )
    return "\n".join(
        [
            f"# recall@10 of the development half, cross-validated by project: {sum(estimates) / len(estimates):.3f}",
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
            "",
            "[quality]",
            f"slope = {scale.slope}",
            f"intercept = {scale.intercept}",
        ]
    )
