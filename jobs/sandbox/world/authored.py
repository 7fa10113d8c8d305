"""The demo world as its authors wrote it: frozen records read from YAML, before any vendor's shape.

Keys are unique inside a project. Times are notional (see `calendar`). Nothing here knows a vendor's
ids; `Agreement` and `Storyline` are truths for evaluation that no vendor server ever receives.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

from jobs.sandbox.world.calendar import Lang, Notional
from jobs.sandbox.world.reading import WorldError

Presence = Literal["cw", "attio"]
ParentKind = Literal["deal", "company", "person"]


@dataclass(frozen=True, slots=True)
class StaffMember:
    """One of the studio's people: agent in Chatwoot, user in Linear, member in Attio."""

    key: str
    first: str
    last: str
    email: str
    title: str
    admin: bool

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first} {self.last}"


@dataclass(frozen=True, slots=True)
class Hotline:
    """The shared inbox of two projects and how their conversations in it are told apart."""

    name: str
    by_label: str
    by_domain: str


@dataclass(frozen=True, slots=True)
class ProjectInfo:
    """How a project appears in the vendors: inbox names, team key, list; `team` is null for leads."""

    slug: str
    client: str
    lang: Lang
    team: str | None
    color: str
    inboxes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Company:
    """A company; `cw_name` is how Chatwoot's contacts spell it."""

    key: str
    name: str
    cw_name: str
    domains: tuple[str, ...]
    description: str
    city: str
    country: str
    categories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """How one vendor spells a person; null where that vendor does not know it."""

    first: str
    last: str
    name: str
    email: str | None
    phone: str | None


@dataclass(frozen=True, slots=True)
class Person:
    """A person of a client's circle with a spelling per vendor."""

    key: str
    company: str | None
    job: str
    present: frozenset[Presence]
    cw: Identity
    attio: Identity


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `author` is a person or staff key, `at` is null for ticks (they happen now)."""

    author: str
    at: Notional
    text: str
    private: bool
    attachment: str | None


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation with its final state; `inbox` is `mail`, `site`, `telegram` or `website`."""

    key: str
    lang: Lang
    inbox: str
    contact: str
    assignee: str | None
    subject: str | None
    labels: tuple[str, ...]
    status: str
    priority: str | None
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Workstream:
    """A Linear project."""

    key: str
    name: str
    description: str
    status: str
    health: str | None
    start: Notional | None
    target: Notional | None
    lead: str | None


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment of an issue."""

    author: str
    at: Notional
    text: str


@dataclass(frozen=True, slots=True)
class Issue:
    """An issue with its final state and its own comments."""

    key: str
    title: str
    description: str
    state: str
    priority: int
    labels: tuple[str, ...]
    assignee: str | None
    creator: str | None
    workstream: str | None
    created: Notional
    updated: Notional
    completed: Notional | None
    due: Notional | None
    estimate: int | None
    blocked_by: tuple[str, ...]
    archived: bool
    comments: tuple[Comment, ...]


@dataclass(frozen=True, slots=True)
class Deal:
    """A deal with the history of its stages, oldest first, ending in its current stage."""

    key: str
    name: str
    company: str
    people: tuple[str, ...]
    owner: str
    value: float | None
    currency: str
    created: Notional
    history: tuple[tuple[str, Notional], ...]
    next_step: str | None
    close: Notional | None


@dataclass(frozen=True, slots=True)
class Note:
    """A note on a deal, company or person; `at` is null for ticks."""

    key: str
    parent_kind: ParentKind
    parent: str
    title: str
    author: str
    at: Notional
    text: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """A commitment found in a message: gold for agreement extraction."""

    key: str
    who: str
    to: str
    what: str
    lang: Lang
    due: Notional | None
    message: str
    status: str


@dataclass(frozen=True, slots=True)
class Storyline:
    """What happened across the vendors, told for the next author."""

    key: str
    text: str
    records: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TickEvent:
    """Something that happens when the clock is moved; only the fields of its kind are set."""

    kind: str
    conversation: Conversation | None = None
    note: Note | None = None
    target: str = ""
    other: str = ""
    author: str = ""
    text: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class ProjectWorld:
    """Everything the authors wrote about one project."""

    info: ProjectInfo
    folder: Path
    companies: dict[str, Company]
    people: dict[str, Person]
    conversations: dict[str, Conversation]
    workstreams: dict[str, Workstream]
    issues: dict[str, Issue]
    deals: dict[str, Deal]
    notes: dict[str, Note]
    agreements: tuple[Agreement, ...]
    storylines: tuple[Storyline, ...]
    ticks: tuple[TickEvent, ...]


@dataclass(frozen=True, slots=True)
class StudioWorld:
    """One workspace at every vendor: the studio's people and all its projects."""

    name: str
    slug: str
    staff: dict[str, StaffMember]
    hotline: Hotline | None
    projects: dict[str, ProjectWorld]

    def only(self, slugs: Collection[str]) -> Self:
        """The same studio with these projects alone. Raises WorldError for a project that it does not have."""
        if unknown := set(slugs) - self.projects.keys():
            raise WorldError(f"there is no project {', '.join(sorted(unknown))}")
        return replace(self, projects={slug: held for slug, held in self.projects.items() if slug in slugs})
