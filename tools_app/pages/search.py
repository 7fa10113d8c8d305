"""/search : a question, an answer with numbered citations, the evidence behind it. The question is in the URL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import reflex as rx

from models.infra.database import in_db
from models.infra.errors import AppError
from tools_app.components import answer_panel, evidence_card, plots
from tools_app.components.answer_panel import AnswerText
from tools_app.components.evidence_card import Evidence
from tools_app.components.plots import Plot
from tools_app.i18n.catalogue import text
from tools_app.pages.access import Access, open_access
from tools_app.pages.feedback import FeedbackState
from tools_app.pages.shell_state import ShellState, report
from tools_app.services import answers, question_charts, questions
from tools_app.services.questions import SavedQuestion
from tools_app.services.search import Question

ROUTE = "/search"
SOURCES = ("messages", "issues", "deals")
MODES = ("hybrid", "mix", "local", "global", "naive", "lexical")
_MAX_QUESTION = 4000


class SearchState(rx.State):
    """The question of the URL and its answer. `form_key` makes the form take over the URL's values."""

    ready: rx.Field[bool] = rx.field(False)
    busy: rx.Field[bool] = rx.field(False)
    question: rx.Field[str] = rx.field("")
    sources: rx.Field[list[str]] = rx.field(default_factory=lambda: list(SOURCES))
    mode: rx.Field[str] = rx.field("hybrid")
    form_key: rx.Field[str] = rx.field("")
    # What is missing before the question can be asked.
    hint: rx.Field[str] = rx.field("")
    answer: rx.Field[AnswerText] = rx.field(default_factory=AnswerText)
    evidence: rx.Field[list[Evidence]] = rx.field(default_factory=list)
    suggested: rx.Field[list[tuple[str, str]]] = rx.field(default_factory=list)
    recent: rx.Field[list[tuple[str, str, str]]] = rx.field(default_factory=list)
    saved: rx.Field[list[tuple[str, str]]] = rx.field(default_factory=list)
    # The saved question that is the page's own, empty when it is not kept.
    kept_id: rx.Field[str] = rx.field("")
    # The chart of votes; empty until it is read.
    votes: rx.Field[list[Plot]] = rx.field(default_factory=list)

    @rx.event
    async def load(self):
        """Read the question from the URL and answer it."""
        given = self.router.url.query_parameters
        wanted = [each for each in given.get("source", "").split(",") if each in SOURCES]
        self.question = given.get("q", "").strip()[:_MAX_QUESTION]
        self.sources = wanted or list(SOURCES)
        self.mode = given.get("mode", "") if given.get("mode", "") in MODES else MODES[0]
        self.form_key = self.router.url.query
        self.answer, self.evidence, self.hint = AnswerText(), [], ""
        # Asking the same again loads without entering the page.
        (await self.get_state(ShellState)).problem = ""
        self.busy = bool(self.question)
        yield
        try:
            access = await open_access(self)
            await self.show_around(access)
            if self.question:
                await self.show_answer(access)
        except AppError as error:
            yield await report(self, error)
        finally:
            self.busy, self.ready = False, True

    @rx.event
    async def submit(self, form: dict[str, Any]):
        """Go to the URL of the question: it can be shared, kept and gone back to."""
        try:
            access = await open_access(self)
        except AppError as error:
            return await report(self, error)
        question = str(form.get("question", "")).strip()[:_MAX_QUESTION]
        if not question:
            return None
        chosen = [each for each in SOURCES if form.get(f"source_{each}")]
        if not chosen:
            self.hint = text(access.locale, "search.no_source")
            return None
        query = {"project": access.project, "q": question}
        if len(chosen) < len(SOURCES):
            query["source"] = ",".join(chosen)
        if form.get("mode") in MODES[1:]:
            query["mode"] = str(form["mode"])
        target = f"{ROUTE}?{urlencode(query)}"
        # The same URL again would load nothing: ask again at once.
        return SearchState.load if urlencode(query) == self.router.url.query else rx.redirect(target)

    async def show_answer(self, access: Access) -> None:
        """Ask and take over the answer. Raises AppError."""
        asked = Question(self.question, source_filter=_filter(self.sources), mode=self.mode)
        view = await answers.ask(access.scope, asked, access.session.user)
        top = max((each.score for each in view.evidence), default=0.0)
        self.answer = answer_panel.present(view, access.locale)
        self.evidence = [evidence_card.present(each, access.locale, top) for each in view.evidence]
        (await self.get_state(FeedbackState)).start(view.query_run_id)

    @rx.event
    async def keep(self):
        """Keep the question of the page, or no longer when it is kept."""
        try:
            access = await open_access(self)
            if self.kept_id:
                await in_db(questions.remove, access.session, access.scope, UUID(self.kept_id))
            elif self.question:
                await in_db(questions.save, access.session, access.scope, self.question)
            self._show_saved(await in_db(questions.list_saved, access.scope, access.session.user), access)
        except AppError as error:
            return await report(self, error)
        return None

    async def show_around(self, access: Access) -> None:
        """Take over suggested, saved and recent questions, and the votes. Raises AppError."""
        self._show_saved(await in_db(questions.list_saved, access.scope, access.session.user), access)
        if self.question:
            return
        suggested = await in_db(questions.suggestions, access.scope)
        recent = await in_db(questions.recent, access.scope, access.session.user)
        votes = question_charts.votes_chart(await in_db(questions.vote_trend, access.scope))
        worded = [text(access.locale, f"suggest.{each.code}", **each.params) for each in suggested]
        self.suggested = [(each, _href(access.project, each)) for each in worded]
        self.recent = [
            (each.text, _href(access.project, each.text), each.asked_at.isoformat()) for each in recent
        ]
        self.votes = [plots.present(votes, access.locale)]

    def _show_saved(self, saved: Sequence[SavedQuestion], access: Access) -> None:
        self.saved = [(each.text, _href(access.project, each.text)) for each in saved]
        same = [each for each in saved if each.text.casefold() == self.question.casefold()]
        mine = [each for each in same if set(each.project_ids) == set(access.scope.project_ids)]
        self.kept_id = str(mine[0].id) if mine else ""


def _href(project: str, question: str) -> str:
    return f"{ROUTE}?{urlencode({'project': project, 'q': question})}"


def _filter(sources: list[str]) -> tuple[str, ...] | None:
    return None if len(sources) == len(SOURCES) else tuple(sources)
