"""Promotes a profile: writes it and the scores it was measured at, where the product looks for them.

The profile's own file is written when the folder does not hold these parameters already, then ``promoted.toml`` names it.
Both are replaced whole, the name last, so that a reader never sees a promotion without its profile.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from retrieval.evaluation.comparison import Comparison, K
from retrieval.profile import PROFILES, PROMOTED, Profile, Promotion, Score, digest

_HEAD = """\
# Which profile answers, and what it was measured at. Written by notebooks/08_promotion.py; not meant to be edited:
# `digest` is the fingerprint of the parameters that were measured.
"""


def scores_of(measured: Comparison, system: str) -> list[Score]:
    """What a system reached on every part of a set."""
    return [
        Score(
            set=row.set,
            part=row.part,
            measure=measure,
            mean=round(value.mean, 4),
            low=round(value.low, 4),
            high=round(value.high, 4),
            questions=value.count,
        )
        for row in measured.rows
        if row.system == system
        for measure, value in (
            (f"ndcg@{K}", row.ndcg),
            (f"recall@{K}", row.recall),
            ("mrr", row.reciprocal_rank),
        )
    ]


def promote(profile: Profile, scores: Sequence[Score], measured_on: date, folder: Path) -> list[Path]:
    """Make a profile the one that answers for whoever reads this folder; the files written.

    Raises ValueError without scores, and when a packaged profile of that name has other parameters.
    """
    if not scores:
        raise ValueError("a profile is promoted with the scores it was measured at")
    packaged = PROFILES / f"{profile.name}.toml"
    if packaged.is_file() and digest(_read(packaged)) != digest(profile):
        raise ValueError(
            f"{profile.name} is the name of a packaged profile with other parameters: give it its own"
        )
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    own = folder / f"{profile.name}.toml"
    held = own if own.is_file() else packaged
    if not held.is_file() or digest(_read(held)) != digest(profile):
        _replace(own, as_toml(profile.model_dump(mode="json")))
        written.append(own)
    promotion = Promotion(
        profile=profile.name, digest=digest(profile), measured_on=measured_on, scores=tuple(scores)
    )
    _replace(folder / PROMOTED, _HEAD + as_toml(promotion.model_dump()))
    return [*written, folder / PROMOTED]


def as_toml(values: Mapping[str, Any]) -> str:
    """Numbers, words, dates, tables of these and lists of tables as TOML, in the given order, values before tables."""
    return "\n".join(_lines(values, "")).lstrip("\n") + "\n"


def _lines(values: Mapping[str, Any], path: str) -> list[str]:
    lines = [f"{key} = {_value(value)}" for key, value in values.items() if not _is_table(value)]
    for key, value in values.items():
        if not _is_table(value):
            continue
        name = f"{path}{key}"
        for table in (value,) if isinstance(value, Mapping) else value:
            head = f"[{name}]" if isinstance(value, Mapping) else f"[[{name}]]"
            lines += ["", head, *_lines(table, f"{name}.")]
    return lines


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping) or (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and all(isinstance(item, Mapping) for item in value)
    )


def _value(value: Any) -> str:
    # TOML's basic strings and numbers are written like JSON's; its dates like ISO 8601's.
    return value.isoformat() if isinstance(value, date) else json.dumps(value, ensure_ascii=False)


def _read(path: Path) -> Profile:
    return Profile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))


def _replace(path: Path, content: str) -> None:
    part = path.with_suffix(".part")
    part.write_text(content, encoding="utf-8")
    part.replace(path)
