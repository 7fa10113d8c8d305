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

# Pairs of spellings that mean the same sound in names; applied in this order to the romanised, lower-cased word.
_FOLDS: tuple[tuple[str, str], ...] = (
    ("shch", "s"), ("sch", "s"), ("sh", "s"), ("zh", "z"), ("kh", "h"), ("ch", "c"), ("tch", "c"), ("ts", "c"), ("tz", "c"),
    ("ph", "f"), ("th", "t"), ("ck", "k"), ("qu", "kv"), ("x", "ks"), ("q", "k"), ("w", "v"), ("yo", "o"), ("yu", "u"), ("ya", "a"),
    ("ye", "e"), ("ee", "i"), ("oo", "u"), ("ou", "u"), ("iy", "i"), ("yi", "i"), ("ij", "i"), ("j", "i"), ("y", "i"), ("g", "h"),
)  # fmt: skip


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

    Case endings are cut by the stemmer, then letters are romanised and folded, doubled letters made single and final
    vowels dropped. Not reversible and not for display.
    """
    folded = romanise(stem(word.lower()))
    for old, new in _FOLDS:
        folded = folded.replace(old, new)
    folded = re.sub(r"(.)\1+", r"\1", folded)
    return re.sub(r"[aeiou]+$", "", folded) or folded
