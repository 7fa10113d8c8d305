"""Toasts: what just happened, said once, gone by itself. One place for every error a handler meets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

import reflex as rx

from tools_app.components.elements import icon

# How long a toast is shown; `assets/theme.css` fades it out at this age.
SHOWN = timedelta(seconds=6)


@dataclass(frozen=True, slots=True)
class Toast:
    """A message; `tone` is ok, info or bad, `id` tells repeated messages apart, `until` is when it is over."""

    id: str
    message: str
    tone: str
    until: datetime


def toaster(toasts: Annotated[Any, list[Toast]]) -> rx.Component:
    """The live region that shows toasts; each fades by itself after six seconds (`assets/theme.css`)."""
    return rx.el.div(
        rx.foreach(toasts, _toast),
        class_name="pointer-events-none fixed inset-x-4 bottom-20 z-50 flex flex-col items-end gap-2 md:bottom-6",
        role="status",
        aria_live="polite",
    )


def _toast(toast: Annotated[Any, Toast]) -> rx.Component:
    return rx.el.div(
        rx.match(
            toast.tone,
            ("ok", icon("circle-check", 16, "text-ok mt-0.5")),
            ("bad", icon("circle-alert", 16, "text-bad mt-0.5")),
            icon("info", 16, "text-info mt-0.5"),
        ),
        rx.el.p(toast.message),
        key=toast.id,
        class_name="toast pointer-events-auto flex max-w-sm gap-2.5 rounded-lg border border-line bg-raised px-3.5 py-2.5 text-sm text-ink shadow-pop",
    )
