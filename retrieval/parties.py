"""Who is who across vendors, as far as indexing needs it: a Chatwoot contact's job and company, known from Attio.

Pure. Linked by shared e-mail address, phone number, or name inside one project; a doubt is no link. This describes people
in headers only; suggesting and accepting identities is another part of the product.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from retrieval.language import name_key, words
from retrieval.public_mail import PUBLIC_MAIL
from retrieval.records import Party

_ABOUT_CHARS = 110


@dataclass(frozen=True, slots=True)
class KnownCompany:
    """A company record."""

    id: UUID
    project_id: UUID
    name: str
    domains: tuple[str, ...]
    description: str
    city: str | None


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """A person record."""

    project_id: UUID
    name: str
    emails: tuple[str, ...]
    phones: tuple[str, ...]
    job: str | None
    company_id: UUID | None


@dataclass(frozen=True, slots=True)
class Caller:
    """A contact as the conversations know them."""

    project_id: UUID
    name: str
    email: str | None
    phone: str | None
    company: str | None


class Directory:
    """The people and companies of some projects, indexed for ``describe``."""

    def __init__(self, people: Iterable[KnownPerson], companies: Iterable[KnownCompany]) -> None:
        self._companies = {company.id: company for company in companies}
        self._by_email: dict[tuple[UUID, str], KnownPerson] = {}
        self._by_phone: dict[tuple[UUID, str], KnownPerson] = {}
        self._by_name: defaultdict[tuple[UUID, frozenset[str]], list[KnownPerson]] = defaultdict(list)
        self._by_domain: dict[tuple[UUID, str], KnownCompany] = {}
        for person in people:
            for email in person.emails:
                self._by_email[person.project_id, email.lower()] = person
            for phone in person.phones:
                self._by_phone[person.project_id, _digits(phone)] = person
            self._by_name[person.project_id, _name_keys(person.name)].append(person)
        for company in self._companies.values():
            for domain in company.domains:
                self._by_domain[company.project_id, domain.lower()] = company

    def describe(self, caller: Caller) -> Party:
        """The contact with job and company where one record of the project is clearly theirs."""
        person = self._person(caller)
        company = self._companies.get(person.company_id) if person and person.company_id else None
        company = company or self._company(caller)
        return Party(
            name=caller.name,
            job=person.job if person else None,
            company=company.name if company else caller.company,
            about=about(company.description, company.city) if company else None,
        )

    def company(self, company_id: UUID | None) -> KnownCompany | None:
        """A company by id."""
        return self._companies.get(company_id) if company_id else None

    def _person(self, caller: Caller) -> KnownPerson | None:
        if caller.email and (found := self._by_email.get((caller.project_id, caller.email.lower()))):
            return found
        if caller.phone and (found := self._by_phone.get((caller.project_id, _digits(caller.phone)))):
            return found
        keys = _name_keys(caller.name)
        namesakes = self._by_name.get((caller.project_id, keys), []) if len(keys) > 1 else []
        # Two people of one name: guessing would put words into the wrong mouth.
        return namesakes[0] if len(namesakes) == 1 else None

    def _company(self, caller: Caller) -> KnownCompany | None:
        domain = (caller.email or "").rpartition("@")[2].lower()
        if (
            domain
            and domain not in PUBLIC_MAIL
            and (found := self._by_domain.get((caller.project_id, domain)))
        ):
            return found
        if not caller.company:
            return None
        wanted = _name_keys(caller.company)
        scored = [
            (len(wanted & keys) / len(wanted | keys), company.name, company)
            for company in self._companies.values()
            if company.project_id == caller.project_id and (keys := _name_keys(company.name))
        ]
        best = max(scored, key=lambda item: item[:2], default=None)
        return best[2] if best and best[0] >= 0.5 else None


def about(description: str, city: str | None) -> str | None:
    """The first sentence of a company's description with its city, short enough for a header."""
    first = re.split(r"(?<=[.;!])\s", description.strip(), maxsplit=1)[0].rstrip(".")
    if len(first) > _ABOUT_CHARS:
        first = first[:_ABOUT_CHARS].rsplit(" ", 1)[0]
    return ", ".join(part for part in (first, city) if part) or None


def _digits(phone: str) -> str:
    return re.sub(r"\D", "", phone)[-10:]


def _name_keys(name: str) -> frozenset[str]:
    return frozenset(name_key(word) for word in words(name) if len(word) > 1)


def party_line(party: Party) -> str:
    """``Anna B., Head of Digital, Harbor & Pine (boutique hotels, Bristol)``."""
    known: Sequence[str | None] = (party.name, party.job, party.company)
    line = ", ".join(part for part in known if part)
    return f"{line} ({party.about})" if party.about else line
