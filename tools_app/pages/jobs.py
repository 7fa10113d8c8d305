"""/jobs : connectors, completeness, errors, unknown stages, index, queues, schedule, runs, webhooks. Progress is pushed while a sync runs."""

from __future__ import annotations

from dataclasses import replace

import reflex as rx

from models.infra.database import in_db
from models.infra.errors import AppError
from tools_app.components import (
    connector_card,
    coverage_card,
    error_list,
    run_list,
    schedule_card,
    unmapped_stages,
)
from tools_app.components.connector_card import Connector
from tools_app.components.coverage_card import Coverage, QueueLine
from tools_app.components.elements import CARD, PRIMARY, SECONDARY
from tools_app.components.empty_state import empty_state, lines_skeleton
from tools_app.components.error_list import ErrorLine, OpenPayload
from tools_app.components.run_list import RunLine
from tools_app.components.schedule_card import ScheduleLine
from tools_app.components.unmapped_stages import StageLine
from tools_app.i18n import formats
from tools_app.i18n.catalogue import text
from tools_app.i18n.locale_state import t
from tools_app.pages import completeness, webhooks_section
from tools_app.pages.access import open_access
from tools_app.pages.completeness import CompletenessState
from tools_app.pages.frame import frame, until_ready
from tools_app.pages.shell_state import ShellState, report
from tools_app.pages.sync_action import SyncState, sync_button
from tools_app.pages.webhooks_section import WebhooksState
from tools_app.services import connector_errors
from tools_app.services import jobs as service
from tools_app.services.error_payload import error_payload, read_error_id
from tools_app.services.projects import ALL
from tools_app.services.views import RunProgress

ROUTE = "/jobs"


class JobsState(rx.State):
    """What the page shows, ready to be drawn."""

    ready: rx.Field[bool] = rx.field(False)
    shown_project: rx.Field[str] = rx.field("")
    connectors: rx.Field[list[Connector]] = rx.field(default_factory=list)
    runs: rx.Field[list[RunLine]] = rx.field(default_factory=list)
    errors: rx.Field[list[ErrorLine]] = rx.field(default_factory=list)
    more_errors: rx.Field[str] = rx.field("")
    dead_letters: rx.Field[str] = rx.field("")
    only_dead: rx.Field[bool] = rx.field(False)
    more_runs: rx.Field[bool] = rx.field(False)
    unmapped: rx.Field[list[StageLine]] = rx.field(default_factory=list)
    payload: rx.Field[OpenPayload] = rx.field(default_factory=OpenPayload)
    schedule: rx.Field[list[ScheduleLine]] = rx.field(default_factory=list)
    coverage: rx.Field[Coverage] = rx.field(default_factory=Coverage)
    queues: rx.Field[list[QueueLine]] = rx.field(default_factory=list)
    queue_online: rx.Field[bool] = rx.field(True)
    # How far the lists are unfolded.
    _runs_shown: int = service.RECENT_RUNS
    _errors_shown: int = service.SHOWN_ERRORS

    @rx.event
    async def load(self):
        """Fill the page for the project of its URL."""
        if self.router.url.query_parameters.get("project", ALL) != self.shown_project:
            # Another project's rows are no stand-in for those that come.
            self.ready = False
            self._runs_shown, self._errors_shown = service.RECENT_RUNS, service.SHOWN_ERRORS
            self.only_dead = False
            yield
        try:
            await self.refresh()
        except AppError as error:
            yield await report(self, error)

    @rx.event
    async def unfold_runs(self):
        """Show older runs."""
        self._runs_shown = min(self._runs_shown + service.RECENT_RUNS, service.UNFOLDED_AT_MOST)
        return await self._shown_anew()

    @rx.event
    async def unfold_errors(self):
        """Show older errors."""
        self._errors_shown = min(self._errors_shown + service.SHOWN_ERRORS, service.UNFOLDED_AT_MOST)
        return await self._shown_anew()

    @rx.event
    async def choose_dead(self):
        """Show only what was given up, or everything again."""
        self.only_dead = not self.only_dead
        self._errors_shown = service.SHOWN_ERRORS
        return await self._shown_anew()

    async def _shown_anew(self):
        try:
            await self.refresh()
        except AppError as error:
            return await report(self, error)
        return None

    @rx.event
    async def retry(self, error_id: str):
        """Try a failed unit again now."""
        return await self._retried([error_id])

    @rx.event
    async def retry_shown(self):
        """Try every failed unit that is shown again now."""
        return await self._retried([each.id for each in self.errors])

    async def _retried(self, error_ids: list[str]):
        try:
            access = await open_access(self)
            asked = await in_db(
                connector_errors.retry_errors,
                access.session,
                access.scope,
                error_ids=[read_error_id(each) for each in error_ids],
            )
            await self.refresh()
        except AppError as error:
            return await report(self, error)
        shell = await self.get_state(ShellState)
        shell.say(_counted(access.locale, "errors.asked", asked.error_count), "info")
        return None

    @rx.event
    async def show_payload(self, error_id: str):
        """Show what the vendor sent of a failed unit, or hide it again."""
        if self.payload.error_id == error_id:
            self.payload = OpenPayload()
            return None
        try:
            access = await open_access(self)
            found = await in_db(error_payload, access.scope, error_id)
        except AppError as error:
            return await report(self, error)
        self.payload = error_list.present_payload(error_id, found, access.locale)
        return None

    async def refresh(self) -> None:
        """Read connectors, runs and coverage anew. Raises AppError."""
        access = await open_access(self)
        view = await in_db(
            service.jobs_view,
            access.scope,
            runs_shown=self._runs_shown,
            errors_shown=self._errors_shown,
            only_dead=self.only_dead,
        )
        locale = access.locale
        self.connectors = [connector_card.present(each, locale) for each in view.connectors]
        self.runs = [run_list.present(each, locale) for each in view.runs]
        self.errors = [error_list.present(each, locale) for each in view.errors]
        hidden = (view.dead_letters if self.only_dead else view.error_count) - len(view.errors)
        self.more_errors = _counted(locale, "errors.more", hidden)
        self.dead_letters = _counted(locale, "errors.dead", view.dead_letters)
        self.more_runs = view.more_runs and self._runs_shown < service.UNFOLDED_AT_MOST
        self.unmapped = [unmapped_stages.present(each, locale) for each in view.unmapped_stages]
        if not any(each.id == self.payload.error_id for each in self.errors):
            self.payload = OpenPayload()
        self.schedule = [schedule_card.present(each, locale) for each in view.schedule]
        self.coverage = coverage_card.present(view.coverage, locale)
        self.queues = [coverage_card.present_queue(each, locale) for each in view.queues]
        self.queue_online = view.queue_online
        sync = await self.get_state(SyncState)
        sync.running = sorted(each.run_id for each in self.connectors if each.run_id)
        await (await self.get_state(CompletenessState)).refresh()
        await (await self.get_state(WebhooksState)).refresh()
        self.shown_project = access.project
        self.ready = True

    def show_progress(self, progress: RunProgress, locale: str) -> bool:
        """Take over pushed progress; False when no connector here is known to run it."""
        if not any(each.run_id == progress.run_id for each in self.connectors):
            return False
        words = connector_card.progress_words(progress, locale)
        share = connector_card.progress_share(progress)
        self.connectors = [
            replace(each, progress=words, share=share) if each.run_id == progress.run_id else each
            for each in self.connectors
        ]
        return True


def _counted(locale: str, key: str, count: int) -> str:
    """A text with a number, nothing for none."""
    return text(locale, key, count=count, count_text=formats.number(locale, count)) if count > 0 else ""


def page() -> rx.Component:
    """Jobs and connectors."""
    return frame(
        "jobs",
        ROUTE,
        rx.cond(JobsState.ready, _content(), until_ready(_skeleton())),
        action=sync_button(PRIMARY),
    )


def _content() -> rx.Component:
    return rx.el.div(
        rx.cond(
            JobsState.connectors.length() > 0,
            rx.el.div(
                rx.foreach(
                    JobsState.connectors,
                    lambda card: connector_card.connector_card(
                        card,
                        sync_button(SECONDARY, card.connector, label="sync.this", busy=card.run_id != ""),
                    ),
                ),
                class_name="grid gap-4 md:grid-cols-2 xl:grid-cols-3",
            ),
            rx.el.div(
                empty_state(
                    "plug",
                    t("jobs.empty.title"),
                    t("jobs.empty.reason"),
                    [t("jobs.empty.step1"), t("jobs.empty.step2")],
                ),
                class_name=CARD,
            ),
        ),
        completeness.section(),
        error_list.error_list(
            JobsState.errors,
            JobsState.payload,
            JobsState.retry,
            JobsState.show_payload,
            retry_shown=JobsState.retry_shown,
            more=JobsState.more_errors,
            unfold=JobsState.unfold_errors,
            dead=JobsState.dead_letters,
            only_dead=JobsState.only_dead,
            choose_dead=JobsState.choose_dead,
        ),
        unmapped_stages.unmapped_stages(JobsState.unmapped),
        coverage_card.coverage_card(JobsState.coverage, JobsState.queues, JobsState.queue_online),
        schedule_card.schedule_card(JobsState.schedule),
        run_list.run_list(JobsState.runs, JobsState.more_runs, JobsState.unfold_runs),
        webhooks_section.section(),
        class_name="space-y-4",
    )


def _skeleton() -> rx.Component:
    return rx.el.div(
        *[rx.el.div(lines_skeleton(5), class_name=f"{CARD} h-[26rem] p-4") for _ in range(3)],
        class_name="grid gap-4 md:grid-cols-2 xl:grid-cols-3",
        aria_busy="true",
    )
