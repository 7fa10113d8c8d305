"""/questions : how questions went, and the thumbs-down as cases. Status and case are in the URL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast
from urllib.parse import urlencode

import reflex as rx

from models.infra.database import in_db
from models.infra.errors import AppError, NotFound
from models.queries.feedback_cases import Status
from tools_app.components import plots
from tools_app.components.case_panel import CaseText
from tools_app.components.navigation import QUESTIONS
from tools_app.components.plots import Plot
from tools_app.i18n import formats
from tools_app.i18n.catalogue import text, text_or
from tools_app.pages.access import Access, open_access
from tools_app.pages.case import CaseState
from tools_app.pages.shell_state import ShellState, report
from tools_app.services import feedback_cases, question_charts, questions
from tools_app.services.feedback_cases import CaseRow
from tools_app.services.questions import AskedRow

ROUTE = QUESTIONS
STATUSES = ("open", "completed")
_PAGE = 20


@dataclass(frozen=True, slots=True)
class CaseLine:
    """A case of the list."""

    href: str
    question: str
    comment: str
    facts: str
    voted_iso: str


@dataclass(frozen=True, slots=True)
class AskedLine:
    """How the questions of a mode went, in words of the reader's language."""

    name: str
    questions: str
    no_answer: str
    p50: str
    p95: str
    votes: str


class QuestionsState(rx.State):
    """What the page shows: a case when the URL names one, else figures and the list of cases."""

    ready: rx.Field[bool] = rx.field(False)
    status: rx.Field[str] = rx.field("open")
    plots: rx.Field[list[Plot]] = rx.field(default_factory=list)
    modes: rx.Field[list[AskedLine]] = rx.field(default_factory=list)
    cases: rx.Field[list[CaseLine]] = rx.field(default_factory=list)
    next_cursor: rx.Field[str] = rx.field("")

    @rx.event
    async def load(self):
        """Show what the URL names."""
        given = self.router.url.query_parameters
        self.reset()
        self.status = given.get("status", "") if given.get("status", "") in STATUSES else STATUSES[0]
        (await self.get_state(CaseState)).case = CaseText()
        yield
        try:
            access = await open_access(self)
            if not (given.get("case") and await self._open_case(access, given["case"])):
                await self._show_figures(access)
                await self._show_cases(access, None)
            self.ready = True
        except AppError as error:
            yield await report(self, error)

    @rx.event
    async def more(self):
        """Show the next page of cases below."""
        if not self.next_cursor:
            return None
        try:
            await self._show_cases(await open_access(self), self.next_cursor)
        except AppError as error:
            return await report(self, error)
        return None

    async def _open_case(self, access: Access, case_id: str) -> bool:
        """Whether the case is there; if not, the reader is told and sees the list."""
        try:
            await (await self.get_state(CaseState)).open(access, case_id)
        except NotFound:
            (await self.get_state(ShellState)).say(text(access.locale, "cases.not_found"), "bad")
            return False
        return True

    async def _show_figures(self, access: Access) -> None:
        view = await in_db(questions.analytics, access.scope)
        votes = question_charts.votes_chart(await in_db(questions.vote_trend, access.scope))
        charts = (votes, *question_charts.analytics_charts(view))
        self.plots = [plots.present(each, access.locale) for each in charts]
        total = _asked(view.total, text(access.locale, "questions.total"), access.locale)
        self.modes = [
            *(
                _asked(each, text_or(access.locale, f"mode.{each.mode}", str(each.mode)), access.locale)
                for each in view.by_mode
            ),
            total,
        ]

    async def _show_cases(self, access: Access, cursor: str | None) -> None:
        found, after = await in_db(
            feedback_cases.list_cases, access.scope, cast("Status", self.status), cursor=cursor, limit=_PAGE
        )
        self.cases = [*self.cases, *(_line(each, access) for each in found)]
        self.next_cursor = after or ""


def _line(row: CaseRow, access: Access) -> CaseLine:
    locale = access.locale
    facts = [text_or(locale, f"mode.{row.mode}", row.mode), row.project]
    if row.right == 0:
        facts.append(text(locale, "cases.none_answers"))
    elif row.right is not None:
        count = formats.number(locale, row.right)
        facts.append(text(locale, "cases.right", count=row.right, count_text=count))
    return CaseLine(
        href=f"{ROUTE}?{urlencode({'project': access.project, 'case': str(row.query_run_id)})}",
        question=row.question,
        comment=row.comment or "",
        facts=" · ".join(each for each in facts if each),
        voted_iso=row.voted_at.isoformat(),
    )


def _asked(row: AskedRow, name: str, locale: str) -> AskedLine:
    return AskedLine(
        name=name,
        questions=formats.number(locale, row.questions),
        no_answer=formats.percent(locale, row.no_answer_rate),
        p50=formats.number(locale, row.p50_ms),
        p95=formats.number(locale, row.p95_ms),
        votes=f"{formats.number(locale, row.up)} / {formats.number(locale, row.down)}",
    )
