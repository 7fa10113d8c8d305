"""The one table that says what a vendor's deal stage means here. Pure.

Titles are compared without case, emoji and punctuation: "Won 🎉" and "won" are one. What is not in the table is
`unmapped`: counted by the mirror and listed at `/api/crm/unmapped-stages`, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

UNMAPPED = "unmapped"

# Attio's own defaults are Lead, In Progress, Won and Lost: "In Progress" is a deal that is being worked on.
STAGES: Mapping[str, frozenset[str]] = {
    "lead": frozenset(
        {"lead", "new", "new lead", "incoming", "inbound", "prospect", "лид", "новый", "новая", "новая заявка", "заявка"}
    ),
    "qualified": frozenset(
        {
            "qualified", "qualification", "discovery", "contacted", "meeting", "demo",
            "квалификация", "квалифицирован", "квалифицирована", "встреча", "первый контакт",
        }
    ),
    "proposal": frozenset(
        {
            "proposal", "proposal sent", "proposal made", "quote", "quote sent", "offer", "offer sent", "estimate",
            "предложение", "предложение отправлено", "коммерческое предложение", "кп", "кп отправлено", "смета",
        }
    ),
    "negotiation": frozenset(
        {
            "negotiation", "negotiations", "in negotiation", "in progress", "contract", "contract sent",
            "переговоры", "в работе", "согласование", "договор", "договор отправлен",
        }
    ),
    "won": frozenset(
        {"won", "closed won", "signed", "выиграна", "выиграно", "успешно реализовано", "подписан", "подписано"}
    ),
    "lost": frozenset(
        {
            "lost", "closed lost", "declined", "rejected", "disqualified",
            "проиграна", "проиграно", "отказ", "закрыто и не реализовано",
        }
    ),
}  # fmt: skip
_BY_TITLE = {title: stage for stage, titles in STAGES.items() for title in titles}


def normalise_stage(title: str | None) -> str:
    """Return the stage that a vendor's title means: a key of STAGES, or UNMAPPED."""
    words = "".join(letter if letter.isalnum() else " " for letter in (title or "").casefold()).split()
    return _BY_TITLE.get(" ".join(words).replace("ё", "е"), UNMAPPED)


def known_stages(titles: Iterable[str]) -> dict[str, str]:
    """Return the given titles that the table knows, each with its stage."""
    found = {title: normalise_stage(title) for title in titles}
    return {title: stage for title, stage in found.items() if stage != UNMAPPED}
