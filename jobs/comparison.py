"""What differs between a vendor's records and the local rows of one stream, project by project. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from jobs.sweep import Seen
from models.infra.ids import ProjectId
from models.queries.reconciliation import Held


@dataclass(slots=True)
class Figures:
    """The comparison of one project's share of a stream; ``stale`` is None unless contents were compared."""

    vendor: int = 0
    local: int = 0
    missing: dict[str, str | None] = field(default_factory=dict[str, str | None])
    extra: list[str] = field(default_factory=list[str])
    stale: list[str] | None = None

    @property
    def wrong(self) -> int:
        """How many records differ."""
        return len(self.missing) + len(self.extra) + len(self.stale or ())


def compare(
    seen: Seen,
    before: Collection[str],
    local: Mapping[str, Held],
    started: dt.datetime,
    unassigned: ProjectId,
    *,
    deep: bool,
) -> dict[ProjectId, Figures]:
    """Return the figures of each project that has records here or should have. Pure.

    ``before`` are the ids that were here before the crawl, ``local`` the rows after it: what arrived or changed
    meanwhile (``started``, aware) is neither extra nor stale. A record that is here counts for the project of its
    row, a missing one for the project it would be routed to.
    """
    parts: dict[ProjectId, Figures] = {}

    def part(project: ProjectId) -> Figures:
        return parts.setdefault(project, Figures(stale=[] if deep else None))

    for vendor_id, held in local.items():
        figures = part(held.project_id)
        figures.local += 1
        if vendor_id in seen.shown:
            figures.vendor += 1
            if figures.stale is not None and vendor_id in seen.altered and held.synced_at < started:
                figures.stale.append(vendor_id)
        elif (held.listed or vendor_id in seen.gone) and vendor_id in before and held.synced_at < started:
            figures.extra.append(vendor_id)
    for vendor_id in seen.shown.keys() - local.keys():
        home = seen.homes.get(vendor_id)
        figures = part(home.project_id if home else unassigned)
        figures.vendor += 1
        figures.missing[vendor_id] = home.parent if home else None
    return parts


def sum_of(parts: Iterable[Figures], *, deep: bool) -> Figures:
    """Return the figures of all parts together."""
    total = Figures(stale=[] if deep else None)
    for each in parts:
        total.vendor += each.vendor
        total.local += each.local
        total.missing |= each.missing
        total.extra += each.extra
        if total.stale is not None:
            total.stale += each.stale or []
    return total
