"""Thumbs up and down with a comment: what makes a wrong answer a case of the evaluation set."""

from __future__ import annotations

from typing import Any, Literal

import reflex as rx

from models.infra.database import in_db
from models.infra.errors import AppError
from tools_app.components.elements import FIELD, QUIET, SECONDARY, classes, icon
from tools_app.i18n.catalogue import text
from tools_app.i18n.locale_state import t
from tools_app.pages.access import open_access
from tools_app.pages.shell_state import ShellState
from tools_app.services import search as service

_MAX_COMMENT = 2000
_RATINGS: dict[str, Literal["up", "down"]] = {"up": "up", "down": "down"}


class FeedbackState(rx.State):
    """The reader's verdict on the answer that is shown."""

    query_run_id: rx.Field[str] = rx.field("")
    rating: rx.Field[str] = rx.field("")
    commented: rx.Field[bool] = rx.field(False)

    def start(self, query_run_id: str) -> None:
        """Begin anew: an answer given again is another answer, nobody has judged it yet."""
        self.query_run_id, self.rating, self.commented = query_run_id, "", False

    @rx.event
    async def rate(self, rating: str):
        """Store a thumb."""
        return await self._store(rating, None)

    @rx.event
    async def comment(self, form: dict[str, Any]):
        """Store the comment to a thumb already given."""
        words = str(form.get("comment", "")).strip()[:_MAX_COMMENT]
        if not words or self.rating not in _RATINGS:
            return None
        return await self._store(self.rating, words)

    async def _store(self, rating: str, comment: str | None):
        shell = await self.get_state(ShellState)
        if rating not in _RATINGS or not self.query_run_id:
            return None
        try:
            access = await open_access(self)
            await in_db(
                service.feedback, access.session, access.scope, self.query_run_id, _RATINGS[rating], comment
            )
        except AppError as error:
            return await shell.report(error)
        self.rating, self.commented = rating, comment is not None
        shell.say(text(access.locale, "feedback.thanks"), "ok")
        return None


def feedback() -> rx.Component:
    """Two thumbs; after one of them a place to say why."""
    return rx.el.div(
        rx.el.div(
            rx.el.span(t("feedback.question"), class_name="text-xs text-ink-3"),
            _thumb("up", "thumbs-up"),
            _thumb("down", "thumbs-down"),
            class_name="flex items-center gap-1.5",
        ),
        rx.cond(
            (FeedbackState.rating != "") & ~FeedbackState.commented,
            rx.el.form(
                rx.el.label(
                    rx.cond(FeedbackState.rating == "down", t("feedback.why_down"), t("feedback.why_up")),
                    html_for="feedback-comment",
                    class_name="text-xs text-ink-2",
                ),
                rx.el.div(
                    rx.el.input(
                        id="feedback-comment",
                        name="comment",
                        max_length=_MAX_COMMENT,
                        class_name=f"{FIELD} h-9",
                        auto_complete="off",
                    ),
                    rx.el.button(t("feedback.send"), type="submit", class_name=SECONDARY),
                    class_name="mt-1 flex gap-2",
                ),
                on_submit=FeedbackState.comment,
                class_name="mt-2 w-full sm:w-96",
            ),
        ),
        class_name="ms-auto flex flex-col items-end",
        data_feedback=FeedbackState.rating,
    )


def _thumb(rating: str, icon_name: str) -> rx.Component:
    chosen = FeedbackState.rating == rating
    return rx.el.button(
        icon(icon_name, 15),
        type="button",
        class_name=classes(f"{QUIET} !h-8 !px-2.5", rx.cond(chosen, "bg-accent-soft !text-accent-ink ", "")),
        aria_label=t(f"feedback.{rating}"),
        aria_pressed=rx.cond(chosen, "true", "false"),
        title=t(f"feedback.{rating}"),
        on_click=FeedbackState.rate(rating),
    )
