"""The catalogues say the same things in every language, and code asks for nothing that they do not say."""

import re
import string
from pathlib import Path

import pytest

from tools_app.components.evidence_card import VENDOR_OF
from tools_app.i18n.catalogue import (
    DEFAULT_LOCALE,
    LOCALES,
    Entry,
    catalogue,
    plural_categories,
    text,
    text_or,
)
from tools_app.i18n.locale_state import negotiate

CODE = Path(__file__).resolve().parents[3] / "tools_app"
# Keys written out in view functions and States: t("…"), text(locale, "…", sync_button's label.
ASKED = re.compile(
    r'(?:\bt\(|\btext\((?:access\.)?locale, |\btext\(DEFAULT_LOCALE, |label=)"([a-z_0-9]+(?:\.[a-z_0-9]+)+)"'
)


def _placeholders(entry: Entry) -> set[str]:
    forms = [entry] if isinstance(entry, str) else list(entry.values())
    return {name for form in forms for _, name, _, _ in string.Formatter().parse(form) if name}


@pytest.mark.parametrize("locale", LOCALES)
def test_every_language_has_the_same_keys(locale: str):
    assert set(catalogue(locale)) == set(catalogue(DEFAULT_LOCALE))


@pytest.mark.parametrize("locale", LOCALES)
def test_plural_texts_have_every_form_of_their_language(locale: str):
    for key, entry in catalogue(locale).items():
        if not isinstance(entry, str):
            assert set(entry) == plural_categories(locale), key


@pytest.mark.parametrize("locale", LOCALES)
def test_texts_ask_for_the_same_values_in_every_language(locale: str):
    for key, entry in catalogue(locale).items():
        # One of a thing may be said without its number ("one row").
        optional = {"count_text"}
        assert _placeholders(entry) - optional == _placeholders(catalogue(DEFAULT_LOCALE)[key]) - optional, (
            key
        )


def test_russian_texts_are_not_left_in_english():
    same = {
        key
        for key, entry in catalogue("ru").items()
        if isinstance(entry, str) and entry == catalogue("en")[key] and re.search(r"[a-z]{3}", entry)
    }
    names = {
        key
        for key in same
        if re.search(r"[A-Z]", str(catalogue("ru")[key])) or "{" in str(catalogue("ru")[key])
    }
    assert same == names


def test_code_asks_only_for_texts_that_exist():
    asked = {key for path in CODE.rglob("*.py") for key in ASKED.findall(path.read_text(encoding="utf-8"))}
    assert len(asked) > 60
    assert asked - set(catalogue(DEFAULT_LOCALE)) == set()


def test_every_source_type_has_a_name():
    assert {f"source_type.{code}" for code in VENDOR_OF} <= set(catalogue("en"))


@pytest.mark.parametrize(
    ("count", "words"),
    [(1, "1 ошибка"), (3, "3 ошибки"), (5, "5 ошибок"), (21, "21 ошибка"), (112, "112 ошибок")],
)
def test_russian_counts_take_the_right_form(count: int, words: str):
    assert text("ru", "trust.errors", count=count) == words


def test_a_code_the_catalogues_do_not_know_is_shown_as_it_is():
    assert text_or("ru", "status.brand-new", "brand-new") == "brand-new"


def test_a_missing_text_is_an_error_and_no_key_is_shown():
    with pytest.raises(KeyError):
        text("en", "no.such.text")


@pytest.mark.parametrize(
    ("chosen", "accepted", "locale"),
    [
        ("ru", "en-GB,en", "ru"),
        ("", "ru-RU,ru;q=0.9,en;q=0.8", "ru"),
        ("", "de-DE,de;q=0.9,en;q=0.8", "en"),
        ("xx", "fr", "en"),
        ("", "", "en"),
    ],
)
def test_a_choice_beats_the_browser_and_the_browser_beats_the_default(
    chosen: str, accepted: str, locale: str
):
    assert negotiate(chosen, accepted) == locale
