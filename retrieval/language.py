"""Language and spelling: which of the two languages a text is in, and how a name looks in the other alphabet.

Pure. Detection serves centring and the answer's language only; search treats both languages in one index.
Romanisation follows the loose way people type names, not a standard: what matters is that two spellings of one name
fold to the same key.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from threading import Lock

import snowballstemmer

from retrieval.schemas import Lang

_CYRILLIC = re.compile(r"[а-яё]", re.IGNORECASE)
_LATIN = re.compile(r"[a-z]", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_RU_STEMMER = snowballstemmer.stemmer("russian")
_EN_STEMMER = snowballstemmer.stemmer("english")
_STEMMER_LOCK = Lock()  # A Snowball stemmer keeps the word it works on in itself.

# Russian text of a studio is full of English terms; a third of Cyrillic letters already makes the sentence Russian.
_CYRILLIC_SHARE = 0.35

_TO_LATIN = {
    "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "e", "ж": "zh", "з": "z", "и": "i", "й": "y",
    "к": "k", "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f",
    "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ъ": "", "ы": "y", "ь": "", "э": "e", "ю": "yu", "я": "ya",
}  # fmt: skip

# Letters that Unicode does not decompose into a base letter and a mark.
_UNDECOMPOSED = str.maketrans({"đ": "d", "ł": "l", "ø": "o", "ß": "ss", "æ": "ae", "œ": "oe"})

# Spellings that mean the same sound in names; applied in this order to the romanised, lower-cased word.
_FOLDS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(spelling), sound)
    for spelling, sound in (
        ("c(?![eihkvy])", "k"), ("shch|sch|sh", "s"), ("zh", "z"), ("kh", "h"), ("tch|ch", "c"), ("ck", "k"), ("ts|tz", "c"), ("ph", "f"), ("th", "t"),
        ("qu", "kv"), ("x", "ks"), ("q", "k"), ("w", "v"),
        # A Russian «ё» is typed "yo" or "e": Fyodor and Fedor; after a vowel it is «йо», as in Toyota.
        ("(?<![aeiouy])yo", "e"), ("ye", "e"), ("ee", "i"), ("oo|ou", "u"), ("iy|yi|ij", "i"), ("[jy]", "i"),
        # Lyudmila, Liudmila and Ludmila, but not at the start: Yulia, Julia and Iulia are "iul".
        ("(?<!^)iu", "u"), ("g", "h"),
    )
)  # fmt: skip

# Case endings of Russian names, besides the vowels, «й» and «ь» that every name ends in or loses. The stemmer does not serve
# here: it takes «-ов» and «-ан» of Орехов and Иван for endings, and leaves them in Orekhov and Ivan.
_CASE_ENDING = re.compile(
    r"(?:[ое]го|(?<=[влрдткгхн])ому|(?<=[ншщжч])ему|[ая]ми|[ое]м|(?<!с)ым|(?<=[нсц]к|.[жшчщ])им|[ая]х|ых|(?<=[кгхжшчщ])их)$"
)
_VOWEL_ENDING = re.compile(r"[аеиоуыэюяйьъ]+$")
# What ends like a case form and is none.
_UNINFLECTED = frozenset(
    {
        "артем", "ефрем", "пахом", "карем", "керем", "эдем", "крым", "черных", "седых", "долгих", "диего",
        "майами", "телеком", "ростелеком", "газпром", "систем", "эконом", "фридом",
    }
)  # fmt: skip
# Of Latin words only the possessive, a plural and the mute end of Hannah are cut; "Denis" and "Ahmed" are whole.
_LATIN_ENDING = re.compile(r"(?:['’]s?|(?<=\w{3})ah|(?<=[bcdfghklmnprtvwz])s|(?<=[bcdfghklmnprtvwz]e)s)$")


def detect(text: str) -> Lang:
    """``ru`` when Cyrillic letters are at least about a third of the letters, else ``en``."""
    cyrillic = len(_CYRILLIC.findall(text))
    latin = len(_LATIN.findall(text))
    return "ru" if cyrillic and cyrillic >= _CYRILLIC_SHARE * (cyrillic + latin) else "en"


def words(text: str) -> list[str]:
    """The words and numbers of a text in order, lower case."""
    return [match.group(0).lower() for match in _WORD.finditer(text)]


@lru_cache(maxsize=60_000)
def stem(word: str) -> str:
    """The Snowball stem of one lower-case word, by its alphabet, as Postgres' ``russian`` configuration does it."""
    stemmer = _RU_STEMMER if _CYRILLIC.search(word) else _EN_STEMMER
    with _STEMMER_LOCK:
        return str(stemmer.stemWord(word.replace("ё", "е")))


@lru_cache(maxsize=20_000)
def romanise(word: str) -> str:
    """A Cyrillic word in Latin letters, a Latin word without diacritics; lower case."""
    latin = "".join(_TO_LATIN.get(letter, letter) for letter in word.lower()).translate(_UNDECOMPOSED)
    return "".join(
        letter for letter in unicodedata.normalize("NFD", latin) if not unicodedata.combining(letter)
    )


@lru_cache(maxsize=20_000)
def name_key(word: str) -> str:
    """The key under which spellings of one name meet: ``Анной`` and ``Anna``, ``Sorokin`` and ``Сорокина``.

    Case endings are cut, then letters are romanised and folded, doubled letters made single and final vowels dropped. Not
    reversible and not for display.
    """
    folded = romanise(_without_ending(word.lower().replace("ё", "е")))
    for spelling, sound in _FOLDS:
        folded = spelling.sub(sound, folded)
    folded = re.sub(r"(\D)\1+", r"\1", folded)
    return re.sub(r"[aeiou]+$", "", folded) or folded


def _without_ending(word: str) -> str:
    """A lower-case word without the ending of its case or number; what only looks like one stays."""
    if not _CYRILLIC.search(word):
        return _LATIN_ENDING.sub("", word) or word
    bare = _VOWEL_ENDING.sub("", word)
    if word in _UNINFLECTED or bare in _UNINFLECTED:
        return bare
    cut = _CASE_ENDING.sub("", word)
    return (_VOWEL_ENDING.sub("", cut) if len(cut) > 1 else bare) or word
