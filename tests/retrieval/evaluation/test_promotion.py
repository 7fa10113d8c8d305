"""A promoted profile answers without a change of code, and bears the scores it was measured at."""

import datetime as dt
import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from models.infra.database import reading, transaction
from models.tables.retrieval import QueryRun
from retrieval import pipeline
from retrieval.evaluation.promotion import _HEAD, as_toml, promote
from retrieval.profile import (
    PROFILES,
    PROMOTED,
    Profile,
    Score,
    changed,
    digest,
    load_profile,
    own_profiles,
    read_promotion,
)
from retrieval.schemas import Query
from tests.retrieval.corpus import make_corpus
from tests.tools_app.world import make_world

TODAY = dt.date(2026, 11, 28)
SCORES = [Score(set="world", part="all", measure="ndcg@10", mean=0.8, low=0.75, high=0.85, questions=100)]


def own(name: str = "ours", **changes: object) -> Profile:
    return changed(load_profile("default"), changes or {"fusion.rrf_k": 7.0}).model_copy(
        update={"name": name}
    )


def test_the_promoted_profile_of_the_repository_is_the_one_that_was_measured() -> None:
    promotion = read_promotion()
    assert promotion.digest == digest(load_profile()), (
        "the profile was changed: measure and promote it (notebook 08)"
    )
    assert (PROFILES / PROMOTED).read_text() == _HEAD + as_toml(promotion.model_dump())
    parts = {score.part for score in promotion.scores if score.measure == "ndcg@10"}
    assert {"all", "en", "ru", "held out", "held out, en", "held out, ru"} <= parts
    assert all(0 < score.low <= score.mean <= score.high <= 1 for score in promotion.scores)


def test_a_profile_survives_being_written(tmp_path: Path) -> None:
    profile = own()
    assert Profile.model_validate(tomllib.loads(as_toml(profile.model_dump(mode="json")))) == profile


def test_what_an_installation_promotes_is_loaded_from_the_next_call_on() -> None:
    assert load_profile().name == "default"
    written = promote(own(), SCORES, TODAY, own_profiles())
    assert [path.name for path in written] == ["ours.toml", PROMOTED]
    assert load_profile() == own()
    assert read_promotion().scores == tuple(SCORES)
    promote(own(**{"fusion.rrf_k": 9.0}), SCORES, TODAY, own_profiles())
    assert load_profile().fusion.rrf_k == 9.0


def test_promoting_the_packaged_profile_writes_no_copy_of_it(tmp_path: Path) -> None:
    written = promote(load_profile("default"), SCORES, TODAY, tmp_path)
    assert [path.name for path in written] == [PROMOTED]


def test_a_packaged_name_is_not_given_to_other_parameters(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="default is the name of a packaged profile"):
        promote(own("default"), SCORES, TODAY, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_promoted_without_scores(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="scores"):
        promote(own(), [], TODAY, tmp_path)


def test_a_name_is_never_a_path(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="name"):
        changed(own("../ours"), {"fusion.rrf_k": 1.0})
    own_profiles().mkdir(parents=True)
    (own_profiles() / PROMOTED).write_text('profile = "../ours"\ndigest = ""\nmeasured_on = 2026-11-28\n')
    with pytest.raises(ValidationError, match="profile"):
        load_profile()


def test_a_profile_in_a_file_of_another_name_is_refused() -> None:
    own_profiles().mkdir(parents=True)
    (own_profiles() / "theirs.toml").write_text(as_toml(own().model_dump(mode="json")))
    with pytest.raises(ValueError, match="bears its name"):
        load_profile("theirs")


def test_a_question_is_answered_by_the_promoted_profile(database: str) -> None:
    with transaction() as session:
        world = make_world(session, "studio")
        make_corpus(world.places["alpha"])
    promote(own(), SCORES, TODAY, own_profiles())
    run_id = pipeline.ask(transaction, Query(text="loyalty card", scope=world.of("alpha"))).query_run_id
    with reading() as session:
        assert session.get_one(QueryRun, run_id).profile == "ours"
