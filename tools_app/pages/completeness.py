"""The completeness section of /jobs: what it shows, and asking for a comparison or a repair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import reflex as rx

from models.infra.database import in_db
from models.infra.errors import AppError
from tools_app.components import completeness_lines
from tools_app.components.completeness_lines import Completeness
from tools_app.components.completeness_section import completeness_section
from tools_app.i18n.catalogue import text, text_or
from tools_app.pages.access import open_access
from tools_app.pages.shell_state import ShellState, report
from tools_app.pages.sync_action import SyncState
from tools_app.services import completeness as service
from tools_app.services.job_requests import RequestedRun
from tools_app.services.views import RunProgress, SessionView


class CompletenessState(rx.State):
    """The connectors' completeness, ready to be drawn."""

    blocks: rx.Field[list[Completeness]] = rx.field(default_factory=list)

    @rx.event
    async def compare(self, connector: str):
        """Ask for a comparison of ids and contents with one connector's vendor."""
        return await self._ask(connector, service.reconcile_now, "completeness.asked_compare")

    @rx.event
    async def repair(self, connector: str):
        """Ask for what the newest comparison of one connector found to be fetched again."""
        return await self._ask(connector, service.repair_now, "completeness.asked_repair")

    async def _ask(
        self, connector: str, work: Callable[[SessionView, str], tuple[RequestedRun, ...]], words: str
    ):
        try:
            access = await open_access(self)
            runs = await in_db(work, access.session, connector)
            await self.refresh()
        except AppError as error:
            return await report(self, error)
        sync = await self.get_state(SyncState)
        sync.asked = sorted({*sync.asked, *(run.run_id for run in runs)})
        name = text_or(access.locale, f"connector.{connector}", connector)
        (await self.get_state(ShellState)).say(text(access.locale, words, connector=name), "info")
        return None

    async def refresh(self) -> None:
        """Read the figures of the page's scope anew. Raises AppError."""
        access = await open_access(self)
        blocks = await in_db(service.completeness_blocks, access.scope)
        self.blocks = [completeness_lines.present(each, access.locale, access.project) for each in blocks]

    def show_progress(self, progress: RunProgress, locale: str) -> bool:
        """Take over pushed progress; False when no connector here is known to run it."""
        if not any(each.run_id == progress.run_id for each in self.blocks):
            return False
        self.blocks = [
            replace(each, progress=completeness_lines.work_words(each.job, progress, locale))
            if each.run_id == progress.run_id
            else each
            for each in self.blocks
        ]
        return True


def section() -> rx.Component:
    """The section, with its actions."""
    return completeness_section(CompletenessState.blocks, CompletenessState.compare, CompletenessState.repair)
