"""The language of a page: a cookie, else what the browser asks for, else the configured default."""

from __future__ import annotations

from typing import cast

import reflex as rx

from models.infra.settings import get_settings
from tools_app.i18n.catalogue import DEFAULT_LOCALE, LOCALES, text

COOKIE = "ct_locale"


class LocaleState(rx.State):
    """Holds the reader's choice; the browser writes the cookie and loads the page anew (`assets/tower.js`)."""

    chosen: str = rx.Cookie("", name=COOKIE, path="/", same_site="lax")

    @rx.var
    def locale(self) -> str:
        """The language of this page."""
        return negotiate(self.chosen, self.router.headers.accept_language)


def negotiate(chosen: str, accepted: str) -> str:
    """The best of our languages for a choice (may be empty) and an Accept-Language header (may be empty)."""
    if chosen in LOCALES:
        return chosen
    # Order in the header is order of preference for every browser in use; weights only repeat it.
    for part in accepted.split(","):
        language = part.split(";")[0].strip().lower().split("-")[0]
        if language in LOCALES:
            return language
    # Prerendered pages are compiled without a visitor.
    return get_settings().default_locale if accepted else DEFAULT_LOCALE


def t(key: str, /, **params: object) -> rx.Var[str]:
    """The text `key` in the reader's language, for view functions: all languages are compiled in, State picks.

    Parameters must be plain values known when the page is compiled; texts with live values are made in States.
    """
    others = [(locale, text(locale, key, **params)) for locale in LOCALES if locale != DEFAULT_LOCALE]
    return cast("rx.Var[str]", rx.match(LocaleState.locale, *others, text(DEFAULT_LOCALE, key, **params)))


def page_title(section: str) -> rx.Var[str]:
    """What the browser's tab says on a page of `section`, in the reader's language."""
    others = [(locale, _title(locale, section)) for locale in LOCALES if locale != DEFAULT_LOCALE]
    return cast("rx.Var[str]", rx.match(LocaleState.locale, *others, _title(DEFAULT_LOCALE, section)))


def _title(locale: str, section: str) -> str:
    name, words = text(locale, "app.name"), text(locale, f"nav.{section}.title")
    return name if words == name else f"{words} · {name}"
