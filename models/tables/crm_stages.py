"""The stages of an opportunity: the one table of their names, order, and default probability of a sale.

An account scope may set its own probabilities; `unmapped` is a vendor's title that nobody knows and has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

# Spelled out for schemas; a test keeps it equal to STAGES.
Stage = Literal["lead", "qualified", "proposal", "negotiation", "won", "lost"]


@dataclass(frozen=True, slots=True)
class StageFacts:
    """A stage; `probability_pct` is the default share (0..100) of such opportunities that become a sale."""

    name: Stage
    probability_pct: Decimal
    is_open: bool


STAGES = (
    StageFacts("lead", Decimal(10), True),
    StageFacts("qualified", Decimal(25), True),
    StageFacts("proposal", Decimal(50), True),
    StageFacts("negotiation", Decimal(75), True),
    StageFacts("won", Decimal(100), False),
    StageFacts("lost", Decimal(0), False),
)
UNMAPPED = "unmapped"
STAGE_NAMES = tuple(stage.name for stage in STAGES)
OPEN_STAGES = tuple(stage.name for stage in STAGES if stage.is_open)


def stage_check() -> str:
    """The condition that a `stage` column holds one of the names or UNMAPPED."""
    return "stage in ({})".format(", ".join(f"'{name}'" for name in (*STAGE_NAMES, UNMAPPED)))
