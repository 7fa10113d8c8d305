"""The webhooks section of /jobs: what it shows, and setting or removing the secret that deliveries are signed with."""

from __future__ import annotations

from typing import Any

import reflex as rx

from models.infra.database import in_db
from models.infra.errors import AppError
from tools_app.components import webhook_card
from tools_app.components.webhook_card import Webhook
from tools_app.i18n.catalogue import text, text_or
from tools_app.pages.access import open_access
from tools_app.pages.shell_state import ShellState, report
from tools_app.services import webhooks
from tools_app.services.webhook_overview import list_webhooks


class WebhooksState(rx.State):
    """The connections' webhooks, ready to be drawn. A secret passes through and is kept nowhere here."""

    rows: rx.Field[list[Webhook]] = rx.field(default_factory=list)

    @rx.event
    async def save(self, form: dict[str, Any]):
        """Set or replace the secret of a connection's deliveries."""
        secret = str(form.get("secret") or "")
        return await self._store(
            str(form.get("connector") or ""), str(form.get("connection") or ""), secret, "webhooks.saved"
        )

    @rx.event
    async def remove(self, connector: str, connection: str):
        """Remove the secret: every delivery is refused again."""
        return await self._store(connector, connection, None, "webhooks.removed")

    async def _store(self, connector: str, connection: str, secret: str | None, words: str):
        try:
            access = await open_access(self)
            await in_db(webhooks.set_secret, access.session, connector, connection, secret)
            await self.refresh()
        except AppError as error:
            return await report(self, error)
        name = text_or(access.locale, f"connector.{connector}", connector)
        (await self.get_state(ShellState)).say(text(access.locale, words, connector=name), "ok")
        return None

    async def refresh(self) -> None:
        """Read the webhooks of the page's account scope anew. Raises AppError."""
        access = await open_access(self)
        found = await in_db(list_webhooks, access.session)
        self.rows = [webhook_card.present(each, access.locale) for each in found]


def section() -> rx.Component:
    """The section, with its actions."""
    return webhook_card.webhook_card(WebhooksState.rows, WebhooksState.save, WebhooksState.remove)
