"""What speaks for two records being the same, how much, and how confident that makes us. Pure.

Each feature has a weight for each kind of pair: the probability that the pair is right when nothing else is known. Features
that fired are combined as independent evidence (noisy or, Pearl 1988): 1 - (1 - w1)(1 - w2)…. More evidence never
lowers the confidence, and no order of features or records changes it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from jobs.identity.traits import NameForms, Traits, similarity

# Names with at least this similarity are similar.
SIMILAR_FROM = 0.55
# A confidence is stored with three digits.
_DIGIT = Decimal("0.001")

# Kind of a pair: left kind, right kind.
SIDES: Mapping[str, tuple[str, str]] = {
    "contact_person": ("contact", "person"),
    "contact_company": ("contact", "company"),
    "project_company": ("project", "company"),
    "account_company": ("account", "company"),
}
WEIGHTS: Mapping[str, Mapping[str, float]] = {
    "contact_person": {
        "same_email": 0.9, "same_phone": 0.8, "same_name": 0.6, "similar_name": 0.35, "same_company": 0.4,
        "same_project": 0.1,
    },
    "contact_company": {
        "email_domain": 0.85, "company_name": 0.7, "similar_company_name": 0.45, "same_project": 0.15,
    },
    "project_company": {"same_name": 0.8, "similar_name": 0.45, "same_project": 0.15},
    "account_company": {"same_domain": 0.9, "same_name": 0.7, "similar_name": 0.45, "same_project": 0.1},
}  # fmt: skip
_KIND_OF: Mapping[tuple[str, str], str] = {sides: kind for kind, sides in SIDES.items()}


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature that fired: its code, its weight, and what is written on either side."""

    code: str
    weight: float
    left: str = ""
    right: str = ""

    def plain(self) -> dict[str, str | float]:
        """The feature as plain JSON."""
        return {"code": self.code, "weight": self.weight, "left": self.left, "right": self.right}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two records compared: the kind of pair, which one is left, and the features by falling weight."""

    kind: str
    left: Traits
    right: Traits
    features: tuple[Feature, ...]

    @property
    def confidence(self) -> Decimal:
        """How confident the features make us, 0..1."""
        return confidence(each.weight for each in self.features)


def compare(one: Traits, other: Traits) -> Comparison | None:
    """Compare two records of one account scope, whichever comes first; None for kinds that are never the same."""
    left, right = one, other
    kind = _KIND_OF.get((left.kind, right.kind))
    if kind is None:
        left, right = other, one
        kind = _KIND_OF.get((left.kind, right.kind))
    if kind is None:
        return None
    found = _person_pair(left, right) if kind == "contact_person" else _company_pair(kind, left, right)
    if left.project_id == right.project_id and left.is_routed and right.is_routed:
        found["same_project"] = ("", "")
    weights = WEIGHTS[kind]
    features = (Feature(code, weights[code], *shown) for code, shown in found.items())
    return Comparison(kind, left, right, tuple(sorted(features, key=lambda each: (-each.weight, each.code))))


def confidence(weights: Iterable[float]) -> Decimal:
    """The weights combined, 0..1; none give 0."""
    doubt = math.prod(1.0 - weight for weight in sorted(weights))
    return Decimal(1.0 - doubt).quantize(_DIGIT)


_Found = dict[str, tuple[str, str]]


def _person_pair(left: Traits, right: Traits) -> _Found:
    found: _Found = {}
    _common(found, "same_email", left.emails, right.emails)
    _common(found, "same_phone", left.phones, right.phones)
    # One word alone, a first name, tells nobody apart.
    _names(found, "same_name", "similar_name", _full(left.names), _full(right.names))
    if not _common(found, "same_company", left.domains, right.domains):
        _names(found, "same_company", "", left.companies, right.companies)
    return found


def _company_pair(kind: str, left: Traits, right: Traits) -> _Found:
    found: _Found = {}
    if kind == "contact_company":
        _common(found, "email_domain", left.domains, right.domains)
        _names(found, "company_name", "similar_company_name", left.companies, right.names)
        return found
    if kind == "account_company":
        _common(found, "same_domain", left.domains, right.domains)
    _names(found, "same_name", "similar_name", left.names, right.names)
    return found


def _full(names: Iterable[NameForms]) -> tuple[NameForms, ...]:
    return tuple(each for each in names if len(each.keys) > 1)


def _common(found: _Found, code: str, left: Mapping[str, str], right: Mapping[str, str]) -> bool:
    shared = min(left.keys() & right.keys(), default=None)
    if shared is None:
        return False
    found[code] = (left[shared], right[shared])
    return True


def _names(
    found: _Found, same: str, similar: str, left: Iterable[NameForms], right: Iterable[NameForms]
) -> None:
    """Note the best pair of names: the same (same words, or the same when written together), else similar ones."""
    best: tuple[float, str, str] | None = None
    for one in left:
        for other in right:
            is_same = one.joined == other.joined or (bool(one.keys) and one.keys == other.keys)
            share = 2.0 if is_same else similarity(one, other)
            # The smallest names of the best share: any order of names gives the same ones.
            if best is None or (-share, one.written, other.written) < (-best[0], *best[1:]):
                best = (share, one.written, other.written)
    if best is None:
        return
    share, written, other_written = best
    if share > 1.0:
        found[same] = (written, other_written)
    elif similar and share >= SIMILAR_FROM:
        found[similar] = (written, other_written)
