"""Parameters of retrieval as one frozen value, read from ``profiles/*.toml``; unknown names are refused.

Which profile answers is said by ``promoted.toml``, which the notebook on promotion writes with the scores it measured
(``evaluation.promotion``). Files of the installation (``DATA_DIR/profiles``) win over the packaged ones.
"""

from __future__ import annotations

import hashlib
import tomllib
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from models.infra.settings import get_settings
from retrieval.schemas import Frozen

PROFILES = Path(__file__).parent / "profiles"
PROMOTED = "promoted.toml"
# A name is a file's name, never a path.
NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"

# What the ranking weighs, in the order in which ``ranking.features`` gives it; ``restated`` is computed from its result.
Feature = Literal[
    "similarity", "similarity_squared", "similarity_rank", "coverage", "coverage_root", "coverage_rank", "both",
    "project", "thread", "thread_similarity", "thread_coverage", "date", "number", "person", "promise", "promise_by_us",
    "commitment",
    "state", "freshness", "length", "same_language",
    "kind_issue", "kind_comment", "kind_deal", "kind_note", "kind_company", "linked", "restated",
]  # fmt: skip

# What the support model looks at, see ``support.features``.
SupportFeature = Literal[
    "lead", "similarity", "coverage", "missing_kind", "unknown", "rarity", "length", "promised",
]  # fmt: skip


class Candidates(Frozen):
    """How many chunks each stage takes; ``linked`` from the graph in hybrid search, ``neighbourhood`` in local and mix.

    ``reranked``: how many of the best a reranker looks at, where one is configured.
    """

    vector: int = Field(ge=1, le=1000)
    lexical: int = Field(ge=1, le=1000)
    linked: int = Field(default=0, ge=0, le=1000)
    neighbourhood: int = Field(default=300, ge=1, le=1000)
    reranked: int = Field(default=30, ge=2, le=200)


class Fusion(Frozen):
    """How the lists become one: ``method``, and ``uniform`` where the candidates are of one kind and none shares a thread."""

    method: Literal["linear", "weighted", "rrf"]
    uniform: Literal["linear", "weighted", "rrf"]
    vector_weight: float = Field(ge=0)
    lexical_weight: float = Field(ge=0)
    rrf_k: float = Field(ge=0)
    min_coverage: float = Field(ge=0, le=1)


class Lexical(Frozen):
    """What a matching word is worth by where it stands, 0..1, and how length counts.

    A table of more than ``exact_rows`` chunks is searched from its rarest words (`lexical_large`): they may lead to about
    ``visited`` rows, of which the best ``checked`` are looked at for the common words too.
    """

    body: float = Field(ge=0, le=1)
    title: float = Field(ge=0, le=1)
    header: float = Field(ge=0, le=1)
    context: float = Field(ge=0, le=1)
    length: float = Field(ge=0, le=1)
    neighbours: int = Field(ge=0, le=100)
    least_similarity: float = Field(ge=0, lt=1)
    exact_rows: int = Field(ge=0)
    visited: int = Field(ge=100)
    checked: int = Field(ge=10)


class Ranking(Frozen):
    """The linear model that orders the candidates: one weight per feature; what is not named counts 0."""

    weights: dict[Feature, float]


class AnswerShape(Frozen):
    """How much the extractive answer quotes."""

    sentences: int = Field(ge=1, le=12)
    evidence: int = Field(ge=1, le=12)

    def for_writer(self) -> AnswerShape:
        """How much a language model is given to write from: more than is quoted, as it selects by itself."""
        return AnswerShape(sentences=min(2 * self.sentences, 12), evidence=min(2 * self.evidence, 12))


class Support(Frozen):
    """The logistic model that says whether the evidence supports an answer; see ``support``.

    An answer is given from ``threshold`` on (probability 0..1). The calibration holds for hybrid search with vectors of
    ``model``; another model's rankings are not judged.
    """

    weights: dict[SupportFeature, float] = Field(default_factory=dict)
    bias: float = 0.0
    threshold: float = Field(default=0.0, ge=0, le=1)
    model: str = ""


class Quality(Frozen):
    """How the blend of the quality parts becomes a probability of being right; slope 0: it stays as it is."""

    slope: float = Field(default=0.0, ge=0)
    intercept: float = 0.0


class Profile(Frozen):
    """All parameters."""

    name: str = Field(pattern=NAME)
    candidates: Candidates
    fusion: Fusion
    lexical: Lexical
    ranking: Ranking
    answer: AnswerShape
    support: Support = Support()
    quality: Quality = Quality()


class Score(Frozen):
    """One measure of a promoted profile: the mean over ``questions`` with its 95 % interval, 0..1."""

    set: str
    part: str
    measure: str
    mean: float
    low: float
    high: float
    questions: int


class Promotion(Frozen):
    """Which profile answers, and what it was measured at; ``digest`` tells which parameters those were."""

    profile: str = Field(pattern=NAME)
    digest: str
    measured_on: date
    scores: tuple[Score, ...] = ()


def load_profile(name: str | None = None) -> Profile:
    """The profile of that name; without a name the promoted one. A changed file counts from the next call on.

    Raises FileNotFoundError, ValueError for a file under another name than its own, or pydantic's ValidationError.
    """
    path = _find(f"{name or read_promotion().profile}.toml")
    profile = _profile(path, path.stat().st_mtime_ns)
    if profile.name != path.stem:
        raise ValueError(f"{path} holds the profile {profile.name!r}: a profile's file bears its name")
    return profile


def read_promotion() -> Promotion:
    """What was promoted. Raises FileNotFoundError or pydantic's ValidationError."""
    path = _find(PROMOTED)
    return _promotion(path, path.stat().st_mtime_ns)


def digest(profile: Profile) -> str:
    """A short fingerprint of all parameters, the name left out."""
    return hashlib.sha256(profile.model_dump_json(exclude={"name"}).encode()).hexdigest()[:16]


def own_profiles() -> Path:
    """Where an installation keeps profiles of its own."""
    return get_settings().data_dir.resolve() / "profiles"


def _find(file: str) -> Path:
    own = own_profiles() / file
    return own if own.is_file() else PROFILES / file


@lru_cache(maxsize=8)
def _profile(path: Path, changed_at: int) -> Profile:  # noqa: ARG001  part of the key: a changed file is read again
    return Profile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))


@lru_cache(maxsize=2)
def _promotion(path: Path, changed_at: int) -> Promotion:  # noqa: ARG001  as above
    return Promotion.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))


def changed(profile: Profile, changes: dict[str, Any]) -> Profile:
    """A copy with values changed by dotted name, ``{"fusion.vector_weight": 0.8}``; validated like a file.

    Raises pydantic's ValidationError, and ValueError for a name that is in no section of the profile.
    """
    values = profile.model_dump()
    for dotted, value in changes.items():
        section, _, field = dotted.partition(".")
        if not field or not isinstance(values.get(section), dict):
            raise ValueError(f"the profile has no parameter {dotted!r}: it is in none of its sections")
        values[section][field] = value
    return Profile.model_validate(values)
