"""One chip for every status: a tone, a dot and a word, so that colour is never the only sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import reflex as rx

from tools_app.components.elements import choose, classes
from tools_app.i18n.catalogue import text_or

# Status code → tone. Codes of connectors, runs and records share one vocabulary of tones.
_TONES = {
    "ok": "ok",
    "succeeded": "ok",
    "syncing": "info",
    "running": "info",
    "queued": "neutral",
    "skipped": "neutral",
    "never": "neutral",
    "late": "warn",
    "partial": "warn",
    "pending": "warn",
    "retrying": "info",
    "resolved": "ok",
    "dead_letter": "bad",
    "failing": "bad",
    "failed": "bad",
    "working": "ok",
    "attention": "warn",
    "broken": "bad",
    "webhook_signed": "ok",
    "webhook_closed": "neutral",
}


@dataclass(frozen=True, slots=True)
class Chip:
    """A status ready to be shown: `tone` is ok, info, warn, bad or neutral."""

    label: str
    tone: str


def present(code: str, locale: str) -> Chip:
    """The chip of a status code; an unknown code is shown as it is."""
    return Chip(text_or(locale, f"status.{code}", code), _TONES.get(code, "neutral"))


def status_chip(chip: Annotated[Any, Chip], class_name: str = "") -> rx.Component:
    """Draw a chip."""
    return rx.el.span(
        rx.el.span(class_name="size-1.5 rounded-full bg-current", aria_hidden="true"),
        chip.label,
        class_name=classes(
            "inline-flex items-center gap-1.5 rounded-full px-2 py-0.5 text-xs font-medium whitespace-nowrap",
            choose(
                chip.tone,
                ("ok", "bg-ok-soft text-ok"),
                ("info", "bg-info-soft text-info"),
                ("warn", "bg-warn-soft text-warn"),
                ("bad", "bg-bad-soft text-bad"),
                otherwise="bg-sunken text-ink-2",
            ),
            class_name,
        ),
    )
