"""/login : name and password. The browser posts them itself (`assets/tower.js`); no State ever sees a password."""

from __future__ import annotations

from typing import Literal

import reflex as rx

from tools_app.components.elements import CARD, FIELD, PRIMARY, icon
from tools_app.i18n.locale_state import LocaleState, t
from tools_app.pages.frame import locale_switch, theme_toggle

ROUTE = "/login"
# Codes of refused logins that have words of their own; anything else is "unavailable".
_THROTTLED = "too_many_requests"
_ERRORS = ("wrong_credentials", _THROTTLED, "unavailable")


def page() -> rx.Component:
    """The login."""
    return rx.el.div(
        rx.el.div(locale_switch(), theme_toggle(), class_name="absolute end-4 top-4 flex gap-1"),
        rx.el.main(
            rx.el.img(src="/favicon.svg", alt="", class_name="size-11"),
            rx.el.h1(t("app.name"), class_name="mt-4 text-2xl font-semibold tracking-tight"),
            rx.el.p(t("login.subtitle"), class_name="mt-1 text-sm text-ink-2"),
            _form(),
            class_name="w-full max-w-sm",
        ),
        class_name="relative flex min-h-dvh items-center justify-center bg-canvas p-4 text-ink",
        data_locale_root=LocaleState.locale,
    )


def _form() -> rx.Component:
    return rx.el.form(
        _field("username", "text", "login.username", "username"),
        _field("password", "password", "login.password", "current-password"),
        *[
            rx.el.p(
                icon("circle-alert", 15, "mt-0.5"),
                rx.el.span(
                    t(f"login.error.{code}"), *([" ", rx.el.b(data_wait=True)] if code == _THROTTLED else [])
                ),
                class_name="flex gap-2 rounded-lg bg-bad-soft px-3 py-2 text-sm text-bad [&[hidden]]:hidden",
                role="alert",
                hidden=True,
                data_error=code,
            )
            for code in _ERRORS
        ],
        rx.el.button(
            t("login.submit"), type="submit", class_name=f"{PRIMARY} !h-10 w-full aria-busy:opacity-60"
        ),
        # Without scripts the browser would send the form itself: by POST, so that no password lands in a URL.
        method="post",
        action="/api/auth/login",
        class_name=f"{CARD} mt-6 space-y-4 p-5",
        data_login=True,
    )


def _field(name: str, kind: Literal["text", "password"], label: str, complete: str) -> rx.Component:
    return rx.el.div(
        rx.el.label(t(label), html_for=name, class_name="mb-1.5 block text-sm font-medium"),
        rx.el.input(
            id=name,
            name=name,
            type=kind,
            auto_complete=complete,
            required=True,
            class_name=f"{FIELD} h-10 aria-invalid:border-bad",
        ),
    )
