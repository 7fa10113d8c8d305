"""What a record has that may tell who it is, in forms in which two spellings of one thing meet. Pure.

Names meet across alphabets in `retrieval.language.name_key`; phone numbers in E.164; addresses and domains in lower case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from models.queries.identity_records import RecordFacts, RecordKind
from retrieval.entities import name_keys
from retrieval.language import name_key, words
from retrieval.public_mail import PUBLIC_MAIL
from retrieval.stopwords import STOPWORDS

# Words of a company's name that say what it is before the law.
_LEGAL_FORMS = frozenset(
    {
        "ltd", "limited", "llc", "llp", "inc", "corp", "corporation", "gmbh", "ag", "kg", "sa", "sas", "sarl", "sl", "srl",
        "bv", "nv", "lda", "plc", "oy", "ab", "as", "spa", "doo", "ооо", "оао", "зао", "пао", "ао", "ип", "тоо",
    }
)  # fmt: skip
# E.164: at most 15 digits; fewer than 8 are an extension or a short code.
_PHONE_DIGITS = range(8, 16)
# A name of fewer letters is met by chance.
_TELLING_FROM = 3


@dataclass(frozen=True, slots=True)
class NameForms:
    """A name as it is written, the keys of its words, of all of it written as one word, and its trigrams."""

    written: str
    keys: frozenset[str]
    joined: str
    trigrams: frozenset[str]


@dataclass(frozen=True, slots=True)
class Traits:
    """A record in comparable forms; mappings lead from the comparable form to the written one."""

    kind: RecordKind
    id: UUID
    project_id: UUID
    is_routed: bool
    names: tuple[NameForms, ...]
    emails: Mapping[str, str]
    phones: Mapping[str, str]
    # Of a person: domains of the addresses and of the company. Without those of mail providers.
    domains: Mapping[str, str]
    companies: tuple[NameForms, ...]


def traits_of(record: RecordFacts) -> Traits:
    """A record's traits; what cannot be read as an address, a number or a name is left out."""
    emails = {form: each for each in record.emails if (form := email_form(each))}
    mail = {form.rpartition("@")[2]: each for form, each in emails.items()}
    domains = {
        form: each for each in (*record.domains, *record.company_domains) if (form := domain_form(each))
    }
    is_person = record.kind in ("contact", "person")
    return Traits(
        record.kind,
        record.id,
        record.project_id,
        record.is_routed,
        _forms(record.names, is_person=is_person),
        emails,
        {form: each for each in record.phones if (form := phone_form(each))},
        {form: each for form, each in {**mail, **domains}.items() if form not in PUBLIC_MAIL},
        _forms(record.company_names, is_person=False),
    )


def email_form(written: str) -> str | None:
    """An address in lower case, or None for what is none."""
    form = written.strip().lower()
    local, at, domain = form.rpartition("@")
    return form if at and local and "." in domain and not re.search(r"\s", form) else None


def domain_form(written: str) -> str | None:
    """A domain in lower case without `www.`, or None for what is none."""
    form = written.strip().lower().rstrip(".").removeprefix("www.")
    return form if "." in form and not re.search(r"[\s/@]", form) else None


def phone_form(written: str) -> str | None:
    """A number in E.164 (`+` and digits), or None where nobody can tell its country.

    `00` stands for `+`; eleven digits that begin with 8 are a Russian number as it is dialled at home.
    """
    digits, bare = re.sub(r"\D", "", written), written.strip()
    if bare.startswith("00"):
        digits = digits.removeprefix("00")
    elif not bare.startswith("+"):
        if len(digits) != 11 or not digits.startswith("8"):
            return None
        digits = f"7{digits[1:]}"
    return f"+{digits}" if len(digits) in _PHONE_DIGITS and not digits.startswith("0") else None


def name_forms(written: str, *, is_person: bool) -> NameForms | None:
    """The forms of a name; None when too little of it is left. A company's legal form is no part of its name."""
    if is_person:
        keys = name_keys(written)
        joined = " ".join(sorted(keys))
    else:
        # Single letters are what is left of S.L. and B.V.
        kept = [
            each
            for each in words(written)
            if len(each) > 1 and each not in _LEGAL_FORMS and each not in STOPWORDS
        ]
        keys = tuple(dict.fromkeys(name_key(each) for each in kept))
        joined = name_key("".join(kept)) if kept else ""
    if len(joined) < _TELLING_FROM:
        return None
    return NameForms(written, frozenset(keys), joined, trigrams(keys))


def trigrams(keys: Iterable[str]) -> frozenset[str]:
    """The trigrams of words as pg_trgm takes them: two blanks before each word, one after it."""
    return frozenset(
        padded[at : at + 3] for key in keys for padded in (f"  {key} ",) for at in range(len(padded) - 2)
    )


def similarity(one: NameForms, other: NameForms) -> float:
    """The share of common trigrams among all of both, 0..1; 1 when one name has all words of the other, at least two."""
    if len(one.keys & other.keys) == min(len(one.keys), len(other.keys)) > 1:
        return 1.0
    every = one.trigrams | other.trigrams
    return len(one.trigrams & other.trigrams) / len(every) if every else 0.0


def _forms(names: Iterable[str], *, is_person: bool) -> tuple[NameForms, ...]:
    found = (name_forms(each, is_person=is_person) for each in dict.fromkeys(names))
    return tuple(each for each in found if each is not None)
