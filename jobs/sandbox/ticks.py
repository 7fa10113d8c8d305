"""What a tick brings: the next authored events, and everyday life once those are used up.

Everything here depends on the tick's number and the state of the world alone, so that replaying the same
ticks at the same instants gives the same world.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from jobs.sandbox.chatwoot.account import INCOMING, Conversation, Message
from jobs.sandbox.happenings import EventRefused, apply_event
from jobs.sandbox.linear.workspace import Record
from jobs.sandbox.tenant import Tenant
from jobs.sandbox.world.authored import ProjectWorld, TickEvent
from jobs.sandbox.world.gold_files import read_gold
from jobs.sandbox.world.loader import WORLD_FOLDER
from jobs.sandbox.world.reading import Fields, read_yaml

EVENTS_A_TICK: Final = 3
_NEXT_STATE: Final = {
    "Triage": "Todo", "Backlog": "Todo", "Todo": "In Progress", "In Progress": "In Review", "In Review": "Done",
    "Done": "In Progress",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TickReport:
    """What a tick did: one line per change, and how many of them brought new rows."""

    number: int
    at: datetime
    changes: tuple[str, ...]
    new_rows: int


class Ticks:
    """The ticks of one tenant, in order."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._events = list(_round_robin(tenant.studio.projects.values()))
        head = Fields("world/everyday.yaml", read_yaml(WORLD_FOLDER / "everyday.yaml"))
        self._pool = {"en": head.texts("en"), "ru": head.texts("ru")}
        self._spoken = {"en": 0, "ru": 0}
        self._kept_still = _records_of_gold(tenant.studio.projects.values())
        self.done = 0

    def happen(self, at: datetime) -> TickReport:
        """The next tick at an instant; always brings at least one new row."""
        first = self.done * EVENTS_A_TICK
        number, self.done = self.done, self.done + 1
        changes: list[str] = []
        rows = 0
        for position, (project, event) in enumerate(self._events[first : first + EVENTS_A_TICK]):
            moment = at + timedelta(milliseconds=position)
            try:
                rows += apply_event(self._tenant, project, event, moment, f"tick-{number}-{position}")
                changes.append(f"{event.kind} in {project.info.slug}")
            except EventRefused as error:
                changes.append(f"skipped {error}")
        chance = random.Random(f"everyday:{number}")  # noqa: S311 (a stable choice, no secret)
        if len(changes) < EVENTS_A_TICK:
            changes.append(self._move_issue(chance, at))
            changes.append(self._turn_conversation(chance, number, at))
        if rows == 0 or len(self._events) <= first + EVENTS_A_TICK:
            changes.append(self._speak(chance, at + timedelta(milliseconds=EVENTS_A_TICK)))
            rows += 1
        return TickReport(number, at, tuple(changes), rows)

    def _still(self, seed_index: dict[tuple[str, str], Any], prefix: str) -> set[Any]:
        return {
            vendor_id
            for (slug, key), vendor_id in seed_index.items()
            if (slug, f"{prefix}:{key}") in self._kept_still
        }

    def _free_conversations(self) -> list[Conversation]:
        still = self._still(self._tenant.chatwoot_seed.conversations, "conversation")
        return [c for c in self._tenant.account.conversations.values() if c.id not in still]

    def _speak(self, chance: random.Random, at: datetime) -> str:
        """A contact writes a short message of the pool; the pools are gone through in order."""
        free = self._free_conversations() or list(self._tenant.account.conversations.values())
        waiting = [c for c in free if c.status == "open"] or free
        conversation = chance.choice(waiting)
        pool, spoken = self._pool[conversation.lang], self._spoken[conversation.lang]
        self._spoken[conversation.lang] = spoken + 1
        sender = ("contact", conversation.contact_id)
        text = pool[spoken % len(pool)]
        said = Message(0, text, INCOMING, private=False, sender=sender, created_at=at)  # type: ignore[arg-type]
        self._tenant.account.add_message(conversation, said)
        return f"message in conversation {conversation.id}"

    def _turn_conversation(self, chance: random.Random, number: int, at: datetime) -> str:
        account = self._tenant.account
        wanted, then = ("open", "resolved") if number % 2 == 0 else ("resolved", "open")
        candidates = [c for c in self._free_conversations() if c.status == wanted]
        if not candidates:
            return f"no {wanted} conversation to turn"
        conversation = chance.choice(candidates)
        agent = account.agents.get(conversation.assignee_id or -1) or next(iter(account.agents.values()))
        account.set_status(conversation, then, agent.name, at)
        return f"conversation {conversation.id} {then}"

    def _move_issue(self, chance: random.Random, at: datetime) -> str:
        linear = self._tenant.linear
        still = self._still(self._tenant.linear_seed.issues, "issue")
        free = [
            i for i in linear.tables["issues"].values() if i["id"] not in still and not i.get("archivedAt")
        ]
        moving: list[Record] = [i for i in free if i["state"]["name"] in _NEXT_STATE]
        if not moving:
            return "no issue to move"
        unfinished = [i for i in moving if i["state"]["type"] != "completed"]
        issue = chance.choice(unfinished or moving)
        linear.move_issue(issue, _NEXT_STATE[issue["state"]["name"]], at)
        return f"issue {issue['identifier']} to {issue['state']['name']}"


def _round_robin(projects: Any) -> Iterator[tuple[ProjectWorld, TickEvent]]:
    rows = [(project, project.ticks) for project in projects]
    for position in range(max((len(ticks) for _, ticks in rows), default=0)):
        for project, ticks in rows:
            if position < len(ticks):
                yield project, ticks[position]


def _records_of_gold(projects: Any) -> set[tuple[str, str]]:
    """Records whose state a gold question asks for: everyday changes leave them alone."""
    kept: set[tuple[str, str]] = set()
    for project in projects:
        for question in read_gold(project):
            for reference in question.evidence:
                kind, _, key = reference.partition(":")
                if kind == "msg":
                    kept.add((project.info.slug, f"conversation:{key.rpartition('/')[0]}"))
                elif kind in ("issue", "comment"):
                    kept.add((project.info.slug, f"issue:{key.partition('/')[0]}"))
    return kept
