"""One studio as it lives at the three vendors: an account, two workspaces and their common timeline."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from jobs.sandbox.attio.seed import AttioSeed
from jobs.sandbox.attio.workspace import Workspace as AttioWorkspace
from jobs.sandbox.chatwoot.account import Account
from jobs.sandbox.chatwoot.seed import ChatwootSeed
from jobs.sandbox.linear.seed import LinearSeed
from jobs.sandbox.linear.workspace import Workspace as LinearWorkspace
from jobs.sandbox.world.authored import StudioWorld
from jobs.sandbox.world.calendar import MINUTES_A_WEEK, Calendar, Notional
from jobs.sandbox.world.timeline import Timeline

_FOUNDED: Final = Notional(-52 * MINUTES_A_WEEK)


@dataclass(frozen=True, slots=True)
class Origins:
    """Where the three servers can be reached; record links start with it."""

    chatwoot: str
    linear: str
    attio: str


class Tenant:
    """The records of one studio at all three vendors."""

    def __init__(
        self, studio: StudioWorld, anchor: datetime, origins: Origins, account_id: int, first_chatwoot_id: int
    ) -> None:
        self.studio = studio
        self.calendar = Calendar(anchor)
        self.timeline = Timeline(self.calendar)
        founded = self.calendar.instant(_FOUNDED)
        self.account = Account(account_id, studio.name, first_chatwoot_id)
        self.linear = LinearWorkspace(studio.slug, studio.name, origins.linear, founded)
        self.attio = AttioWorkspace(studio.slug, studio.name, origins.attio, founded)
        self.chatwoot_seed = ChatwootSeed(studio, self.calendar, self.account, self.timeline)
        self.linear_seed = LinearSeed(studio, self.calendar, self.linear, self.timeline)
        self.attio_seed = AttioSeed(studio, self.calendar, self.attio, self.timeline)

    def advance(self, now: datetime) -> None:
        """Let everything scheduled until `now` happen."""
        self.timeline.advance(now)
