"""A profile holds every parameter and refuses what it does not know."""

import re
from typing import get_args

import pytest
from pydantic import ValidationError

from retrieval.embedding import LOCAL_MODEL_KEY
from retrieval.profile import SupportFeature, changed, load_profile


def test_the_default_profile_loads_under_its_name() -> None:
    assert load_profile().name == "default"


def test_a_weight_for_a_feature_that_does_not_exist_is_refused_by_its_name() -> None:
    with pytest.raises(ValidationError, match=r"ranking\.weights\.similarty"):
        changed(load_profile(), {"ranking.weights": {"similarty": 1.0}})


def test_a_support_weight_for_a_feature_that_does_not_exist_is_refused_by_its_name() -> None:
    with pytest.raises(ValidationError, match=r"support\.weights\.luck"):
        changed(load_profile(), {"support.weights": {"luck": 1.0}})


def test_the_default_profile_judges_whether_evidence_supports_an_answer() -> None:
    support = load_profile().support
    assert set(support.weights) == set(get_args(SupportFeature))
    assert 0 < support.threshold < 1
    assert support.model == LOCAL_MODEL_KEY


def test_an_unknown_profile_is_not_found() -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.toml"):
        load_profile("nowhere")


def test_an_unknown_parameter_is_refused_by_its_name() -> None:
    with pytest.raises(ValidationError, match=r"fusion\.vector_wieght\n.*not permitted"):
        changed(load_profile(), {"fusion.vector_wieght": 1.0})


@pytest.mark.parametrize("dotted", ["fusoin.vector_weight", "name.first", "fusion", "", "answer."])
def test_a_parameter_of_no_section_is_refused_by_its_name(dotted: str) -> None:
    with pytest.raises(ValueError, match=f"no parameter '{re.escape(dotted)}'"):
        changed(load_profile(), {dotted: 1.0})


def test_a_value_out_of_range_is_refused_by_its_name() -> None:
    with pytest.raises(ValidationError, match=r"fusion\.min_coverage"):
        changed(load_profile(), {"fusion.min_coverage": 1.5})


def test_an_unknown_way_of_fusion_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"fusion\.method"):
        changed(load_profile(), {"fusion.method": "magic"})


def test_a_change_makes_a_copy_and_leaves_the_profile_as_it_was() -> None:
    profile = load_profile()
    before = profile.model_dump()
    assert changed(profile, {"answer.sentences": 9}).answer.sentences == 9
    assert profile.model_dump() == before


def test_a_profile_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_profile().name = "other"


def test_a_writer_is_given_twice_as_much_within_the_limit() -> None:
    shape = changed(load_profile(), {"answer.sentences": 3, "answer.evidence": 8}).answer.for_writer()
    assert (shape.sentences, shape.evidence) == (6, 12)
