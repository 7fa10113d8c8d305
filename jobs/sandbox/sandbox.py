"""The running sandbox: two tenants on one clock, what was done to them, and what is remembered."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from jobs.sandbox.changes import ChangeRefused, apply_change
from jobs.sandbox.happenings import EventRefused, apply_event
from jobs.sandbox.serving.steering import Busy
from jobs.sandbox.state import MAX_ENTRIES, State, StateFile
from jobs.sandbox.tenant import Origins, Tenant
from jobs.sandbox.ticks import TickReport, Ticks
from jobs.sandbox.world.authored import StudioWorld
from jobs.sandbox.world.loader import TWIN_FOLDER, load_studio, read_conversation
from jobs.sandbox.world.reading import Fields, WorldError
from jobs.sandbox.world.tick_events import read_event
from models.infra.clock import utcnow

MAIN: Final = "main"
TWIN: Final = "twin"
_FIRST_MAIN_ID: Final = 1
_FIRST_TWIN_ID: Final = 700_001


class TooManyTicks(Busy):
    """The state file holds as many entries as it may; a reset starts a new world."""


class Sandbox:
    """Both tenants, rebuilt from the authored world and the stored entries."""

    def __init__(
        self,
        file: StateFile,
        origins: Origins,
        clock: Callable[[], datetime] = utcnow,
        studios: tuple[StudioWorld, StudioWorld] | None = None,
    ) -> None:
        self._file = file
        self.origins = origins
        self._clock = clock
        self.state: State = file.load_or_create(clock())
        main, twin = studios or (load_studio(), load_studio(TWIN_FOLDER))
        anchor = self.state.anchor
        self.tenants = {
            MAIN: Tenant(main, anchor, origins, account_id=1, first_chatwoot_id=_FIRST_MAIN_ID),
            TWIN: Tenant(twin, anchor, origins, account_id=2, first_chatwoot_id=_FIRST_TWIN_ID),
        }
        self.ticks = Ticks(self.tenants[MAIN])
        self.skipped: list[str] = []
        self._now = anchor
        for number, entry in enumerate(self.state.entries):
            self._move_to(datetime.fromisoformat(entry["at"]))
            self._replay(entry, number)
        self.advance()

    def now(self) -> datetime:
        """The sandbox's current instant; it never goes back."""
        return self._now

    def advance(self) -> datetime:
        """Let everything due happen; answers the current instant."""
        self._move_to(self._clock())
        return self._now

    def tick(self) -> TickReport:
        """Let the next tick happen now and remember it. Raises TooManyTicks."""
        at = self._next_instant()
        report = self.ticks.happen(at)
        self._remember({"at": at.isoformat(), "kind": "tick"})
        return report

    def apply(self, tenant: str, project: str, event: dict[str, Any]) -> bool:
        """Let an event in the authored form happen now and remember it.

        Answers whether it brought a new row. Raises EventRefused, WorldError, KeyError, TooManyTicks.
        """
        at = self._next_instant()
        brought = self._happen(tenant, project, event, at, f"event-{len(self.state.entries)}")
        entry = {"at": at.isoformat(), "kind": "event", "tenant": tenant, "project": project, "event": event}
        self._remember(entry)
        return brought

    def change(self, tenant: str, vendor: str, name: str, fields: dict[str, Any]) -> str:
        """Let somebody at a vendor change a record by its id now and remember it; answers the record's id.

        Raises ChangeRefused, KeyError for an unknown tenant, TooManyTicks.
        """
        home = self.tenants[tenant]
        at = self._next_instant()
        record = apply_change(home, vendor, name, fields, at, f"change-{len(self.state.entries)}")
        self._remember(
            {
                "at": at.isoformat(),
                "kind": "change",
                "tenant": tenant,
                "vendor": vendor,
                "name": name,
                "fields": fields,
            }
        )
        return record

    def _next_instant(self) -> datetime:
        if len(self.state.entries) >= MAX_ENTRIES:
            raise TooManyTicks(f"the world holds {MAX_ENTRIES} ticks and events; reset it to start anew")
        self.advance()
        # Two happenings never share an instant, so their order survives a replay.
        if self.state.entries:
            last = datetime.fromisoformat(self.state.entries[-1]["at"])
            self._move_to(max(self._now, last + timedelta(milliseconds=10)))
        return self._now

    def _move_to(self, at: datetime) -> None:
        self._now = max(self._now, at)
        for tenant in self.tenants.values():
            tenant.advance(self._now)

    def _remember(self, entry: dict[str, Any]) -> None:
        self.state.entries.append(entry)
        self._file.save(self.state)

    def _replay(self, entry: dict[str, Any], number: int) -> None:
        at = datetime.fromisoformat(entry["at"])
        if entry["kind"] == "tick":
            self.ticks.happen(at)
            return
        try:
            if entry["kind"] == "change":
                home = self.tenants[entry["tenant"]]
                apply_change(home, entry["vendor"], entry["name"], entry["fields"], at, f"change-{number}")
            else:
                self._happen(entry["tenant"], entry["project"], entry["event"], at, f"event-{number}")
        except (ChangeRefused, EventRefused, WorldError, KeyError) as error:
            # The authored world changed since: what an event spoke of is gone. It is shown in the state.
            self.skipped.append(f"{entry['at']}: {error}")

    def _happen(self, tenant: str, project: str, event: dict[str, Any], at: datetime, tag: str) -> bool:
        home = self.tenants[tenant]
        world = home.studio.projects[project]
        authors = {**home.studio.staff, **world.people}
        read = read_event(
            Fields(f"{project}: event", event),
            world,
            lambda item: read_conversation(item, world.info, world.people, authors, ticking=True),
            authors,
        )
        return apply_event(home, world, read, at, tag)
