"""What lexical search asks for and what it finds: terms with their alternatives, hits, and how rare each term is."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Alternative:
    """One way a term may be written, and what finding it so is worth, 0..1."""

    text: str
    weight: float


@dataclass(frozen=True, slots=True)
class Term:
    """One thing asked about."""

    alternatives: tuple[Alternative, ...]
    identifier: bool = False

    @property
    def text(self) -> str:
        """The term as typed."""
        return self.alternatives[0].text


@dataclass(frozen=True, slots=True)
class LexicalHit:
    """A chunk and the share of the question it covers, 0..1.

    ``terms`` are the positions in the question of what was found in it, ``strengths`` how well each was, 0..1.
    """

    chunk_id: UUID
    coverage: float
    terms: tuple[int, ...]
    strengths: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class LexicalResult:
    """Hits by falling coverage, and per term its rarity and in how many chunks of the scope it occurs.

    A chunk that has only a distant alternative counts in part.
    """

    hits: tuple[LexicalHit, ...] = ()
    terms: tuple[Term, ...] = ()
    rarity: tuple[float, ...] = ()
    frequency: tuple[float, ...] = ()
