"""The smallest views: icons, links, buttons, relative times, inline styles. Colours come from the theme only."""

from __future__ import annotations

from typing import Any, cast

import reflex as rx
from reflex_components_core.el.elements.base import BaseHTML
from reflex_components_core.react_router.dom import ReactRouterLink

BUTTON = (
    "inline-flex items-center justify-center gap-2 rounded-lg px-3 h-9 text-sm font-medium whitespace-nowrap "
    "transition-colors disabled:opacity-60 disabled:cursor-default"
)
PRIMARY = f"{BUTTON} bg-accent text-on-accent hover:brightness-110"
SECONDARY = f"{BUTTON} border border-line-strong bg-surface text-ink hover:bg-sunken"
QUIET = f"{BUTTON} text-ink-2 hover:bg-sunken hover:text-ink"
ICON_BUTTON = "inline-flex size-9 items-center justify-center rounded-lg text-ink-2 transition-colors hover:bg-sunken hover:text-ink"
CARD = "rounded-card border border-line bg-surface shadow-card"
FIELD = (
    "w-full rounded-lg border border-line-strong bg-surface px-3 text-base text-ink placeholder:text-ink-3 "
    "focus:border-accent focus:outline-2 focus:outline-accent focus:outline-offset-0"
)


class RelativeTime(BaseHTML):
    """`<ct-time datetime>`: words like "3 min ago" that the browser keeps current by itself (`assets/tower.js`)."""

    # Reflex names compiled modules after the tag, where a hyphen breaks; the alias is what is rendered.
    tag = "CtTime"
    alias = "ct-time"

    datetime: rx.Var[str]


class Anchor(BaseHTML):
    """`<ct-anchor id>`: a part of a page that an address ending in `#id` leads to, also when it is drawn later than the
    page is opened (`assets/tower.js`).
    """

    tag = "CtAnchor"
    alias = "ct-anchor"


def classes(*parts: Any) -> rx.Var[str]:
    """Class names joined, constant and live ones alike."""
    return rx.Var.create(" ".join(f"{part}" for part in parts))


def address(*parts: Any) -> rx.Var[str]:
    """A link's address joined from constant and live parts."""
    return rx.Var.create("".join(f"{part}" for part in parts))


def choose(value: Any, *cases: tuple[str, str], otherwise: str) -> rx.Var[str]:
    """The text of the first case whose name `value` has."""
    return cast("rx.Var[str]", rx.match(value, *cases, otherwise))


def relative_time(iso: rx.Var[str] | str, class_name: str = "") -> rx.Component:
    """The time since an instant given as ISO text; nothing for an empty text."""
    return RelativeTime.create(datetime=iso, class_name=f"tabular {class_name}")


def icon(name: str, size: int = 16, class_name: rx.Var[str] | str = "") -> rx.Component:
    """A decorative icon; what it means must be said in words beside it."""
    return rx.icon(
        name,
        size=size,
        class_name=classes("shrink-0", class_name),
        aria_hidden="true",
        stroke_width=1.75,
    )


def page_link(*children: Any, to: rx.Var[str] | str, **props: Any) -> rx.Component:
    """A link inside the application: no page load."""
    return ReactRouterLink.create(*children, to=to, **props)


def file_link(*children: Any, to: rx.Var[str] | str, **props: Any) -> rx.Component:
    """A link to a file of ours that the browser keeps: asked for by itself, a page's link would be drawn as a page."""
    return ReactRouterLink.create(
        *children, to=to, reload_document=True, discover="none", download=True, **props
    )


def outside_link(*children: Any, to: rx.Var[str] | str, **props: Any) -> rx.Component:
    """A link to a page of ours that is no page of this application: loaded as a whole, or it would be drawn as unknown."""
    return ReactRouterLink.create(*children, to=to, reload_document=True, discover="none", **props)


def vendor_link(*children: Any, to: rx.Var[str] | str, **props: Any) -> rx.Component:
    """A link to a record at its vendor, in a new tab that learns nothing about this one."""
    return rx.el.a(*children, href=to, target="_blank", rel="noopener noreferrer", **props)


def inline_style(**declarations: Any) -> dict[str, Any]:
    """`custom_attrs` with a style attribute whose values may be live (camelCase names)."""
    return {"style": rx.Var.create(declarations)}
