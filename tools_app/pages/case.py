"""The State of one case on /questions: choose the records that would have been right and save them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import reflex as rx

from models.infra.database import in_db
from models.infra.errors import AppError, NotFound
from tools_app.components import case_panel
from tools_app.components.case_panel import CaseText, RecordLine
from tools_app.i18n.catalogue import text
from tools_app.pages.access import Access, open_access
from tools_app.pages.shell_state import ShellState, report
from tools_app.services import feedback_cases as service
from tools_app.services.feedback_cases import CaseView

_MAX_WORDS = 400
_MAX_RIGHT = 50


class CaseState(rx.State):
    """The case that the URL names. `right` are the chosen records, kept in `right_ids` too for the buttons."""

    case: rx.Field[CaseText] = rx.field(default_factory=CaseText)
    shown: rx.Field[list[RecordLine]] = rx.field(default_factory=list)
    found: rx.Field[list[RecordLine]] = rx.field(default_factory=list)
    right: rx.Field[list[RecordLine]] = rx.field(default_factory=list)
    right_ids: rx.Field[list[str]] = rx.field(default_factory=list)
    nothing_found: rx.Field[bool] = rx.field(False)

    async def open(self, access: Access, case_id: str) -> None:
        """Take over a case. Raises AppError."""
        self.show(await in_db(service.get_case, access.scope, an_id(case_id)), access.locale)

    def show(self, view: CaseView, locale: str) -> None:
        """Take over a case as it is now; what was found before is forgotten."""
        self.case = case_panel.present(view, locale)
        self.shown = [case_panel.present_record(each, locale) for each in view.shown]
        self._choose([case_panel.present_record(each, locale) for each in view.evidence or ()])
        self.found, self.nothing_found = [], False

    @rx.event
    async def look(self, form: dict[str, Any]):
        """Search for right records in the projects of the question."""
        words = str(form.get("words", "")).strip()[:_MAX_WORDS]
        if not words:
            return None
        try:
            access = await open_access(self)
            found = await in_db(service.look_up, access.scope, an_id(self.case.id), words)
        except AppError as error:
            return await report(self, error)
        self.found = [case_panel.present_record(each, access.locale) for each in found]
        self.nothing_found = not found
        return None

    @rx.event
    async def toggle(self, evidence_id: str):
        """Take a record as right, or no longer."""
        try:
            await open_access(self)
        except AppError as error:
            return await report(self, error)
        if evidence_id in self.right_ids:
            self._choose([each for each in self.right if each.id != evidence_id])
        else:
            # An event may carry anything: only what is on the page can be chosen.
            taken = [
                each for each in (*self.shown, *self.found) if each.id == evidence_id and not each.is_gone
            ]
            self._choose([*self.right, *taken[:1]][:_MAX_RIGHT])
        return None

    @rx.event
    async def save(self):
        """Complete the case with the chosen records."""
        return await self._complete(list(self.right_ids)) if self.right_ids else None

    @rx.event
    async def none_answers(self):
        """Complete the case: nothing answers the question."""
        return await self._complete([])

    async def _complete(self, evidence: list[str]):
        try:
            access = await open_access(self)
            done = await in_db(
                service.complete_case, access.session, access.scope, an_id(self.case.id), evidence
            )
        except AppError as error:
            return await report(self, error)
        self.show(done, access.locale)
        (await self.get_state(ShellState)).say(text(access.locale, "cases.saved"), "ok")
        return None

    def _choose(self, lines: list[RecordLine]) -> None:
        self.right = lines
        self.right_ids = [each.id for each in lines]


def an_id(value: str) -> UUID:
    """The value as an id. Raises NotFound: a URL may carry anything."""
    try:
        return UUID(value)
    except ValueError as fault:
        raise NotFound("There is no such case.") from fault
