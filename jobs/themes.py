"""Makes the themes of projects whose vectors have changed; the last step of an index run, when nothing waits for a vector."""

from __future__ import annotations

import time
from uuid import UUID

from models.infra.database import reading, transaction
from models.infra.ids import AccountScopeId
from models.infra.logging import get_logger
from models.infra.settings import get_settings
from models.queries import routing_lock
from retrieval import graph_store, theme_store, themes
from retrieval.embedding import model_spec
from retrieval.language import stem, words
from retrieval.lexicon import Lexicon, read_lexicon
from retrieval.schemas import Lang
from retrieval.themes import Passage

# The words of a language that a theme has no text in are taken from the lexicon: the nearest in the other language.
_LEAST_SIMILARITY = 0.6
_NEIGHBOURS = 24

log = get_logger(__name__)


def refresh_themes(account_scope_id: AccountScopeId, *, until: float) -> int:
    """Make the outdated themes of a scope again until ``until`` (monotonic seconds); how many projects."""
    spec = model_spec(get_settings())
    with reading() as session:
        outdated = theme_store.outdated_projects(session, account_scope_id, spec)
        if not outdated:
            return 0
        lexicon = read_lexicon(session, account_scope_id)
        names = _name_stems(graph_store.read_entities(session, account_scope_id))
    done = 0
    for project_id in outdated:
        if time.monotonic() > until:
            break
        with reading() as session:
            material = theme_store.read_material(session, project_id, spec)
        # No transaction is open while clusters are made: thousands of vectors take a second.
        found = themes.cluster(material.vectors)
        passages = [
            [Passage(material.langs[place], material.texts[place]) for place in each.members]
            for each in found
        ]
        labels = [_both(each, lexicon) for each in themes.label(passages, names.get(project_id, frozenset()))]
        with transaction() as session:
            routing_lock.share(session, account_scope_id)
            theme_store.replace_themes(
                session, account_scope_id, project_id, spec, material, list(zip(found, labels, strict=True))
            )
        done += 1
    if done:
        log.info("themes made", projects=done)
    return done


def _name_stems(entities: dict[UUID, list[graph_store.KnownEntity]]) -> dict[UUID, frozenset[str]]:
    return {
        project_id: frozenset(
            stem(word)
            for entity in found
            if entity.kind in ("person", "company", "project")
            for written in (entity.name, *entity.aliases)
            for word in words(written)
        )
        for project_id, found in entities.items()
    }


def _both(labels: dict[Lang, list[str]], lexicon: Lexicon) -> dict[Lang, list[str]]:
    """The labels, with a language that has none filled by the nearest words of the other."""
    made = dict(labels)
    pairs: tuple[tuple[Lang, Lang], ...] = (("en", "ru"), ("ru", "en"))
    for lang, other in pairs:
        if made.get(lang) or not made.get(other):
            continue
        near = lexicon.neighbours(made[other], least=_LEAST_SIMILARITY, most=_NEIGHBOURS)
        translated = (
            next((found.word for found in near.get(word, ()) if _is_of(found.word, lang)), None)
            for word in made[other]
        )
        made[lang] = list(dict.fromkeys(word for word in translated if word)) or made[other]
    return made


def _is_of(word: str, lang: Lang) -> bool:
    cyrillic = any("а" <= letter <= "я" or letter == "ё" for letter in word)
    return cyrillic == (lang == "ru")
