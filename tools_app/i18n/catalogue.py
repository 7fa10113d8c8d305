"""The texts of the interface: one YAML catalogue per language, flat dotted keys, plural forms by CLDR category.

Owns loading and choosing a text. A plural text is a mapping of the language's categories (English: one, other;
Russian: one, few, many, other) chosen by the parameter `count`. Numbers and dates are put into texts already
formatted (`formats`). A key that is missing is a defect that tests find: `text` raises KeyError and shows no key.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from babel import Locale

LOCALES = ("en", "ru")
DEFAULT_LOCALE = "en"
_FOLDER = Path(__file__).parent / "catalogues"

Entry = str | Mapping[str, str]


@lru_cache(maxsize=len(LOCALES))
def catalogue(locale: str) -> Mapping[str, Entry]:
    """All texts of `locale` by dotted key. Raises FileNotFoundError for a language that has no catalogue."""
    raw = yaml.safe_load((_FOLDER / f"{locale}.yaml").read_text(encoding="utf-8"))
    return dict(_flatten(raw, "", plural_categories(locale)))


def plural_categories(locale: str) -> frozenset[str]:
    """The CLDR plural categories that a plural text of `locale` must have."""
    return frozenset(Locale.parse(locale).plural_form.tags | {"other"})


def text(locale: str, key: str, /, **params: object) -> str:
    """The text `key` with `params` filled in. A plural text needs `count` (a number); `count_text` is shown for it.

    Raises KeyError for an unknown key or a missing parameter.
    """
    entry = catalogue(locale)[key]
    if not isinstance(entry, str):
        count = params["count"]
        if not isinstance(count, int | float):
            raise KeyError(f"{key} needs a number as count, got {count!r}")
        entry = entry[Locale.parse(locale).plural_form(count)]
        params = {"count_text": count, **params}
    return entry.format_map(params) if "{" in entry else entry


def has_text(key: str) -> bool:
    """Whether the catalogues know `key`: codes that come from outside may be newer than the texts."""
    return key in catalogue(DEFAULT_LOCALE)


def text_or(locale: str, key: str, otherwise: str, /, **params: object) -> str:
    """The text `key`, or `otherwise` for a code that the catalogues do not know (a vendor's own word, say)."""
    return text(locale, key, **params) if has_text(key) else otherwise


def _flatten(node: Mapping[str, Any], prefix: str, categories: frozenset[str]) -> list[tuple[str, Entry]]:
    flat: list[tuple[str, Entry]] = []
    for name, value in node.items():
        key = f"{prefix}{name}"
        if isinstance(value, str) or ("other" in value and set(value) <= categories):
            flat.append((key, value))
        else:
            flat.extend(_flatten(value, f"{key}.", categories))
    return flat
