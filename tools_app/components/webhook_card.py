"""Webhooks: where each vendor delivers to, whether a secret is set and how to set one, what came in. Never the secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import reflex as rx

from tools_app.components.elements import CARD, FIELD, QUIET, SECONDARY, icon, relative_time
from tools_app.components.status_chip import Chip, status_chip
from tools_app.components.status_chip import present as present_chip
from tools_app.i18n import formats
from tools_app.i18n.catalogue import text, text_or
from tools_app.i18n.locale_state import t
from tools_app.services.webhook_overview import WebhookRow
from tools_app.services.webhooks import SECRET_LENGTH


@dataclass(frozen=True, slots=True)
class Webhook:
    """A connection's webhook ready to be shown. `why` are the refusals by reason, empty where there were none."""

    id: str
    connector: str
    name: str
    url: str
    chip: Chip
    has_secret: bool
    counts: str
    why: str
    since_iso: str


def present(row: WebhookRow, locale: str) -> Webhook:
    """A webhook in the reader's language."""
    counted = {name: getattr(row, name) for name in ("accepted", "duplicate", "ignored", "refused")}
    why = [
        f"{text_or(locale, f'webhooks.refusal.{name}', name)} {formats.number(locale, count)}"
        for name, count in sorted(row.refusals.items())
    ]
    return Webhook(
        id=row.connection_id,
        connector=row.connector,
        name=text_or(locale, f"connector.{row.connector}", row.connector),
        url=row.url,
        chip=present_chip("webhook_signed" if row.has_secret else "webhook_closed", locale),
        has_secret=row.has_secret,
        counts=" · ".join(
            text(locale, f"webhooks.{name}", value=formats.number(locale, count))
            for name, count in counted.items()
            # Without a delivery of the kind only the two that matter are said.
            if count or name in ("accepted", "refused")
        ),
        why=", ".join(why),
        since_iso=row.counted_since.isoformat(),
    )


def webhook_card(rows: Annotated[Any, list[Webhook]], save: Any, remove: Any) -> rx.Component:
    """Draw the webhooks; `save` is the event of a form with `connector`, `connection` and `secret`, `remove` takes
    connector and connection. Nothing where nothing is connected.
    """
    return rx.cond(
        rows.length() > 0,
        rx.el.section(
            rx.el.h2(t("webhooks.title"), class_name="px-4 pt-4 text-sm font-semibold"),
            rx.el.p(t("webhooks.about"), class_name="max-w-prose px-4 pt-1 pb-2 text-xs text-ink-2"),
            rx.el.ul(
                rx.foreach(rows, lambda row: _row(row, save, remove)), class_name="divide-y divide-line"
            ),
            class_name=CARD,
            aria_label=t("webhooks.title"),
        ),
    )


def _row(row: Annotated[Any, Webhook], save: Any, remove: Any) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.div(
                rx.el.span(row.name, class_name="font-medium text-ink"),
                status_chip(row.chip),
                class_name="flex flex-wrap items-center gap-x-3 gap-y-1",
            ),
            rx.el.code(
                row.url,
                class_name="mt-1 block font-mono text-xs break-all text-ink-2 select-all",
                title=t("webhooks.url"),
                dir="ltr",
            ),
            rx.el.p(
                row.counts,
                rx.cond(row.why != "", rx.el.span(" (", row.why, ")")),
                rx.el.span(
                    " · ", t("webhooks.since"), " ", relative_time(row.since_iso), class_name="text-ink-3"
                ),
                class_name="tabular mt-1 text-xs text-ink-2",
                data_deliveries=True,
            ),
            class_name="min-w-0 flex-1 basis-80",
        ),
        rx.el.details(
            rx.el.summary(
                icon("key-round", 15),
                rx.cond(row.has_secret, t("webhooks.rotate"), t("webhooks.set")),
                class_name=f"{SECONDARY} cursor-pointer list-none [&::-webkit-details-marker]:hidden",
            ),
            _form(row, save, remove),
            class_name="max-sm:basis-full",
        ),
        class_name="flex flex-wrap items-start gap-x-4 gap-y-2 px-4 py-3 text-sm",
        data_webhook=row.connector,
    )


def _form(row: Annotated[Any, Webhook], save: Any, remove: Any) -> rx.Component:
    low, high = SECRET_LENGTH
    return rx.el.form(
        rx.el.input(type="hidden", name="connector", value=row.connector, read_only=True),
        rx.el.input(type="hidden", name="connection", value=row.id, read_only=True),
        rx.el.label(
            rx.el.span(t("webhooks.secret"), class_name="text-xs text-ink-2"),
            rx.el.input(
                type="password",
                name="secret",
                required=True,
                min_length=low,
                max_length=high,
                auto_complete="off",
                class_name=f"{FIELD} mt-1 h-9",
            ),
            class_name="block",
        ),
        rx.el.p(t("webhooks.hint", low=low, high=high), class_name="mt-1 text-xs text-ink-3"),
        rx.el.div(
            rx.el.button(t("webhooks.save"), type="submit", class_name=SECONDARY),
            rx.cond(
                row.has_secret,
                rx.el.button(
                    t("webhooks.remove"),
                    type="button",
                    class_name=f"{QUIET} text-bad",
                    on_click=remove(row.connector, row.id),
                ),
            ),
            class_name="mt-2 flex items-center gap-2",
        ),
        on_submit=save,
        reset_on_submit=True,
        class_name="mt-2 w-full sm:w-80",
    )
