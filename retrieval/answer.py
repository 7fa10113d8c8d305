"""The extractive answer: sentences of the evidence with numbered citations, or a refusal that says what was searched.

Pure. An answer is a code with parameters; ``render`` makes its text in either language. Every citation number in the text
has its citation, in order, and every citation its evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast
from uuid import UUID

from babel import Locale
from babel.dates import format_date
from pydantic import JsonValue

from retrieval.chunking import split_sentences
from retrieval.intent import asks_for_all_promises, commits, holds, wanted_kinds
from retrieval.language import name_key, stem, words
from retrieval.lexical import LexicalResult
from retrieval.profile import AnswerShape
from retrieval.ranking import RankedChunk
from retrieval.schemas import Citation, Lang, SourceType

EXTRACTIVE = "answer.extractive"
WRITTEN = "answer.written"
THEMES = "answer.themes"
NOT_ENOUGH = "answer.not_enough_evidence"
NOTHING_INDEXED = "answer.nothing_indexed"

# A whole short message is easier to trust than a sentence cut from it.
_WHOLE_CHARS = 260
_QUOTE_CHARS = 320
# A sentence that holds the kind of answer asked for (a date, an amount …) is worth so much of the question's words.
_KIND = 0.25
# Evidence this far below the best one is context, not answer.
_NEAR_BEST = 0.72


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence for the answer and where it is from."""

    evidence_id: str
    kind: SourceType
    title: str
    speaker: str | None
    at: datetime | None
    text: str
    project_id: UUID


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer before it is rendered."""

    code: str
    params: dict[str, JsonValue]
    citations: tuple[Citation, ...] = ()


@dataclass(frozen=True, slots=True)
class Differs:
    """What the first quotes of an answer name differently, in their order: days or amounts as they are written."""

    kind: Literal["date", "amount"]
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ThemeLine:
    """A theme as an answer shows it: its words by language, how many chunks it has, what is quoted of it."""

    labels: dict[Lang, list[str]]
    size: int
    quotes: tuple[Quote, ...]


_TEXTS: dict[Lang, dict[str, str]] = {
    "en": {
        NOT_ENOUGH: "There is not enough evidence for a sure answer. Searched: {searched}.",
        NOTHING_INDEXED: "Nothing is indexed yet for this selection, so there is nothing to answer from.",
        "messages": "messages", "issues": "issues and comments", "deals": "deals, notes and companies",
        "in_one": "in {count} project", "in_other": "in {count} projects", "and": " and ",
        "from": "from {day}", "to": "up to {day}", "as_of": "as of {day}",
        "records_one": "{count} record", "records_few": "{count} records", "records_many": "{count} records",
        "records_other": "{count} records",
        "date": "The records name different days, newest first:", "amount": "The records name different amounts, newest first:",
    },
    "ru": {
        NOT_ENOUGH: "Данных для уверенного ответа недостаточно. Поиск шёл по источникам: {searched}.",
        NOTHING_INDEXED: "Для этого выбора ещё ничего не проиндексировано, отвечать не по чему.",
        "messages": "сообщения", "issues": "задачи и комментарии", "deals": "сделки, заметки и компании",
        "in_one": "в {count} проекте", "in_other": "в {count} проектах", "and": " и ",
        "from": "с {day}", "to": "по {day}", "as_of": "по состоянию на {day}",
        "records_one": "{count} запись", "records_few": "{count} записи", "records_many": "{count} записей",
        "records_other": "{count} записи",
        "date": "В записях названы разные даты, сначала новые:", "amount": "В записях названы разные суммы, сначала новые:",
    },
}  # fmt: skip
# What a person said or wrote stands in quotation marks; the fields of a record do not.
_SAID: frozenset[SourceType] = frozenset({"message", "comment", "note"})
_QUOTES: dict[Lang, str] = {"en": "“{text}”", "ru": "«{text}»"}


def extract(
    question: str, ranked: Sequence[RankedChunk], found: LexicalResult, shape: AnswerShape
) -> list[Quote]:
    """The sentences that answer best, from the best records, one quote per record, best first."""
    if not ranked:
        return []
    if asks_for_all_promises(question, len(found.terms)):
        # What speaks of promises is near such a question too; what makes one answers it.
        made = [hit for hit in ranked if hit.chunk.from_studio and commits(hit.chunk.body)]
        ranked = made or ranked
    wanted = _wanted_stems(found)
    kinds = wanted_kinds(question)
    typed = frozenset(name_key(word) for word in words(question))
    total = sum(found.rarity) or 1.0

    def worth(sentence: str) -> float:
        held = sum(holds(kind, sentence, typed) for kind in kinds) / len(kinds) if kinds else 0.0
        said = sum(wanted.get(root, 0.0) for root in {stem(word) for word in words(sentence)})
        return said / total + _KIND * held

    floor = ranked[0].score * _NEAR_BEST
    quotes: list[Quote] = []
    for hit in ranked[: shape.evidence]:
        if quotes and hit.score < floor:
            break
        chunk = hit.chunk
        text = _best_passage(chunk.body, worth)
        quotes.append(
            Quote(
                chunk.evidence_id,
                chunk.kind,
                chunk.title,
                chunk.author,
                chunk.source_time,
                text,
                chunk.project_id,
            )
        )
    return quotes[: shape.sentences]


def compose(quotes: Sequence[Quote], differing: Differs | None = None) -> Draft:
    """An extractive answer of these quotes, cited 1, 2, 3 … in order.

    With ``differing`` the first quotes name different figures, one each: the answer says so before it quotes them.
    """
    params: dict[str, JsonValue] = {"sentences": _sentences(quotes)}
    if differing is not None:
        values: list[JsonValue] = [{"n": n, "value": value} for n, value in enumerate(differing.values, 1)]
        params["differing"] = {"kind": differing.kind, "values": values}
    return Draft(EXTRACTIVE, params, _citations(quotes))


def compose_themes(themes: Sequence[ThemeLine]) -> Draft:
    """An answer of themes, each with its words, its size and its quotes; citations are numbered through."""
    quotes = [quote for theme in themes for quote in theme.quotes]
    sentences = iter(_sentences(quotes))
    listed: list[JsonValue] = [
        {
            "labels": cast("JsonValue", theme.labels),
            "records": theme.size,
            "sentences": [next(sentences) for _ in theme.quotes],
        }
        for theme in themes
    ]
    return Draft(THEMES, {"themes": listed}, _citations(quotes))


def refuse(
    *,
    groups: Mapping[str, int],
    projects: int,
    date_from: datetime | None,
    date_to: datetime | None,
    as_of: datetime | None = None,
    closest: Sequence[Quote] = (),
) -> Draft:
    """A refusal that says what was searched (chunks per source group, number of projects, dates) and what comes closest."""
    searched = {name: count for name, count in groups.items() if count}
    params: dict[str, JsonValue] = {
        "searched": cast("JsonValue", searched),
        "projects": projects,
        "date_from": date_from.isoformat() if date_from else None,
        "date_to": date_to.isoformat() if date_to else None,
        "as_of": as_of.isoformat() if as_of else None,
        "closest": _sentences(closest),
    }
    return Draft(NOT_ENOUGH if searched else NOTHING_INDEXED, params, _citations(closest))


def _citations(quotes: Sequence[Quote]) -> tuple[Citation, ...]:
    return tuple(
        Citation(n=n, evidence_id=quote.evidence_id, quote=quote.text) for n, quote in enumerate(quotes, 1)
    )


def _sentences(quotes: Sequence[Quote]) -> list[JsonValue]:
    return [
        {
            "n": n,
            "kind": quote.kind,
            "title": quote.title,
            "speaker": quote.speaker,
            "at": quote.at.isoformat() if quote.at else None,
            "quote": quote.text,
        }
        for n, quote in enumerate(quotes, 1)
    ]


def render(code: str, params: Mapping[str, Any], lang: Lang) -> str:
    """The text of an answer in a language, a line per quote; a refusal's first line is the refusal itself.

    Raises KeyError for an unknown code.
    """
    if code == WRITTEN:
        return str(params["text"])
    if code == EXTRACTIVE:
        lines = [_sentence(item, lang) for item in params["sentences"]]
        return "\n".join([*_differing(params.get("differing"), lang), *lines])
    if code == THEMES:
        return "\n".join(_theme(item, lang) for item in params["themes"])
    texts = _TEXTS[lang]
    if code == NOTHING_INDEXED:
        return texts[NOTHING_INDEXED]
    names = [f"{texts[group]} ({count})" for group, count in params["searched"].items()]
    place = _place(params["projects"], lang)
    bounds = [
        texts[word].format(day=_day(params[field], lang))
        for word, field in (("from", "date_from"), ("to", "date_to"), ("as_of", "as_of"))
        if params.get(field)
    ]
    listed = texts["and"].join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
    refusal = texts[NOT_ENOUGH].format(searched=" ".join([listed, place, *bounds]))
    return "\n".join([refusal, *(_sentence(item, lang) for item in params.get("closest", ()))])


def _differing(found: Mapping[str, Any] | None, lang: Lang) -> list[str]:
    if not found:
        return []
    values = "; ".join(f"{item['value']} [{item['n']}]" for item in found["values"])
    return [f"{_TEXTS[lang][found['kind']]} {values}"]


def _theme(item: Mapping[str, Any], lang: Lang) -> str:
    labels = item["labels"].get(lang) or next(iter(item["labels"].values()), [])
    form = Locale.parse(lang).plural_form(item["records"])
    size = _TEXTS[lang][f"records_{form}"].format(count=item["records"])
    quoted = " ".join(_sentence(sentence, lang) for sentence in item["sentences"])
    return f"{', '.join(labels).capitalize()} ({size}). {quoted}"


def _place(projects: int, lang: Lang) -> str:
    # Russian counts 21 and 101 like one: "в 21 проекте".
    one = Locale.parse(lang).plural_form(projects) == "one"
    return _TEXTS[lang]["in_one" if one else "in_other"].format(count=projects)


def _sentence(item: Mapping[str, Any], lang: Lang) -> str:
    source = item["speaker"] or item["title"]
    head = ", ".join(part for part in (source, _day(item["at"], lang)) if part)
    words_of_it = item["quote"].replace("\n", " ")
    if item["kind"] in _SAID:
        words_of_it = _QUOTES[lang].format(text=words_of_it)
    return f"{head}: {words_of_it} [{item['n']}]"


def _day(moment: str | None, lang: Lang) -> str:
    return format_date(datetime.fromisoformat(moment), "d MMMM y", locale=lang) if moment else ""


def _wanted_stems(found: LexicalResult) -> dict[str, float]:
    wanted: dict[str, float] = {}
    for term, rarity in zip(found.terms, found.rarity, strict=True):
        for alternative in term.alternatives:
            for word in words(alternative.text):
                root = stem(word)
                wanted[root] = max(wanted.get(root, 0.0), rarity * alternative.weight)
    return wanted


def _best_passage(body: str, worth: Callable[[str], float]) -> str:
    if len(body) <= _WHOLE_CHARS:
        return body
    sentences = split_sentences(body)
    scores = [worth(sentence) for sentence in sentences]
    best = max(range(len(sentences)), key=lambda place: (scores[place], -place))
    first, last = best, best
    # Neighbours explain what "it" is; grow to the better side while there is room.
    while True:
        options = [place for place in (first - 1, last + 1) if 0 <= place < len(sentences)]
        size = sum(len(part) + 1 for part in sentences[first : last + 1])
        fitting = [place for place in options if size + len(sentences[place]) <= _QUOTE_CHARS]
        if not fitting:
            break
        taken = max(fitting, key=lambda place: (scores[place], place))
        first, last = min(first, taken), max(last, taken)
    return _literally(body, sentences, first, last)[: _QUOTE_CHARS * 2]


def _literally(body: str, sentences: Sequence[str], first: int, last: int) -> str:
    """The part of ``body`` from the ``first`` to the ``last`` of its sentences, with the blanks between them as they are."""
    start = end = 0
    for place, sentence in enumerate(sentences[: last + 1]):
        begin = body.index(sentence, end)
        start = begin if place == first else start
        end = begin + len(sentence)
    return body[start:end]
