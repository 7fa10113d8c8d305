"""An evidence card: the record that supports an answer, its own words, who and when, and the way to the vendor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import reflex as rx

from tools_app.components.elements import CARD, icon, inline_style, relative_time, vendor_link
from tools_app.i18n import formats
from tools_app.i18n.catalogue import text, text_or
from tools_app.i18n.locale_state import t
from tools_app.services.answer_views import EvidenceCard

# Which vendor holds a record of this type, for the words of the link.
VENDOR_OF = {
    "message": "chatwoot",
    "conversation": "chatwoot",
    "contact": "chatwoot",
    "inbox": "chatwoot",
    "issue": "linear",
    "comment": "linear",
    "cycle": "linear",
    "state": "linear",
    "linear_project": "linear",
    "deal": "attio",
    "note": "attio",
    "task": "attio",
    "company": "attio",
    "person": "attio",
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """Evidence ready to be shown. The snippet is cut in three so that the cited words can be marked."""

    n: str
    anchor: str
    kind: str
    source_type: str
    project: str
    title: str
    before: str
    quote: str
    after: str
    author: str
    day: str
    created_iso: str
    url: str
    open_label: str
    score: str
    width: str


def present(card: EvidenceCard, locale: str, top_score: float) -> Evidence:
    """A card in the reader's language; its score is drawn against the best one of the answer."""
    before, quote, after = _around(card.snippet, card.quote)
    vendor = VENDOR_OF.get(card.source_type, "")
    return Evidence(
        n=str(card.n) if card.n else "",
        anchor=f"evidence-{card.n}" if card.n else f"evidence-{card.id.replace(':', '-')}",
        kind=text_or(locale, f"source_type.{card.source_type}", card.source_type),
        source_type=card.source_type,
        project=card.project_name,
        title=card.title,
        before=before,
        quote=quote,
        after=after,
        author=card.author,
        day=formats.full_day(locale, card.created_at) if card.created_at else "",
        created_iso=card.created_at.isoformat() if card.created_at else "",
        url=card.url,
        open_label=text(locale, "evidence.open", vendor=text_or(locale, f"connector.{vendor}", vendor)),
        score=f"{card.score:.2f}",
        width=f"{100 * card.score / top_score:.0f}%" if top_score > 0 else "0%",
    )


def _around(snippet: str, quote: str) -> tuple[str, str, str]:
    if not quote:
        return snippet, "", ""
    at = snippet.find(quote)
    if at < 0:
        # The quote stands further down in a long record: it is what the reader came for.
        return "… ", quote, " …"
    return snippet[:at], quote, snippet[at + len(quote) :]


def evidence_card(card: Annotated[Any, Evidence]) -> rx.Component:
    """Draw a card. It can be jumped to and takes the focus then."""
    return rx.el.article(
        rx.el.header(
            rx.cond(
                card.n != "",
                rx.el.span(
                    card.n,
                    class_name="tabular flex size-5 shrink-0 items-center justify-center rounded-md bg-accent text-2xs font-semibold text-on-accent",
                ),
            ),
            rx.el.span(
                _kind_icon(card.source_type),
                card.kind,
                class_name="flex items-center gap-1.5 font-medium text-ink-2",
            ),
            rx.el.span(card.project, class_name="truncate text-ink-3"),
            rx.el.span(
                rx.el.span(
                    rx.el.span(
                        class_name="block h-full rounded-full bg-s1",
                        custom_attrs=inline_style(width=card.width),
                    ),
                    class_name="h-1 w-12 overflow-hidden rounded-full bg-sunken",
                    aria_hidden="true",
                ),
                rx.el.span(card.score, class_name="tabular"),
                title=t("evidence.score"),
                class_name="ms-auto flex shrink-0 items-center gap-2 text-ink-3",
            ),
            class_name="flex items-center gap-2 text-xs",
        ),
        rx.el.h3(card.title, class_name="mt-2 text-sm font-semibold text-ink"),
        rx.el.p(
            card.before,
            rx.cond(
                card.quote != "",
                rx.el.mark(card.quote, class_name="rounded-sm bg-accent-soft px-0.5 text-ink"),
            ),
            card.after,
            class_name="mt-1 line-clamp-6 text-sm whitespace-pre-line text-ink-2 [overflow-wrap:anywhere]",
        ),
        rx.el.footer(
            rx.cond(card.author != "", rx.el.span(card.author, class_name="font-medium text-ink-2")),
            rx.cond(
                card.created_iso != "",
                rx.el.span(card.day, " · ", relative_time(card.created_iso), class_name="text-ink-3"),
            ),
            rx.cond(
                card.url != "",
                vendor_link(
                    card.open_label,
                    icon("external-link", 13),
                    to=card.url,
                    class_name="ms-auto flex items-center gap-1.5 rounded font-medium text-accent-ink hover:underline",
                    data_vendor_link=True,
                ),
            ),
            class_name="mt-3 flex flex-wrap items-center gap-x-3 gap-y-1 text-xs",
        ),
        id=card.anchor,
        tab_index=-1,
        class_name=f"{CARD} p-4",
        data_evidence=card.n,
    )


def _kind_icon(source_type: rx.Var[str]) -> Any:
    return rx.match(
        source_type,
        ("message", icon("message-square", 13)),
        ("issue", icon("circle-dot", 13)),
        ("comment", icon("message-circle", 13)),
        ("deal", icon("handshake", 13)),
        ("note", icon("notebook-pen", 13)),
        icon("building-2", 13),
    )
