"""Compiles what the authors know to be true into data sets of vendor ids.

    python -m jobs.sandbox.world.gold            writes world.jsonl, world-identities.jsonl, world-agreements.jsonl
    python -m jobs.sandbox.world.gold --check    exits 1 when a file is not what the authored world says

Vendor ids of everything older than the anchor's week do not depend on the anchor, so the files hold for every
first run. One line of `world.jsonl` is a question: `{id, lang, kind, scope, project, question, answer, held_out,
evidence: [{source_type, vendor_id}]}`; answers keep `{d w12 fri}` slots, dates depend on the anchor.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from jobs.sandbox.tenant import Origins, Tenant
from jobs.sandbox.world.authored import ProjectWorld
from jobs.sandbox.world.calendar import MINUTES_A_DAY
from jobs.sandbox.world.gold_files import DATASETS, GoldQuestion, read_gold
from jobs.sandbox.world.loader import load_studio
from jobs.sandbox.world.reading import WorldError

# Any Monday morning will do: nothing that gold speaks of is younger.
_ANCHOR: Final = datetime(2026, 1, 5, 6, 0, tzinfo=UTC)
_NOWHERE: Final = Origins("http://sandbox.invalid", "http://sandbox.invalid", "http://sandbox.invalid")
_SOURCE_TYPES: Final = {"msg": "message", "issue": "issue", "comment": "comment", "deal": "deal", "note": "note",
                        "company": "company"}  # fmt: skip

Line = dict[str, Any]


def gold_tenant() -> Tenant:
    """The demo studio as the vendors know it at the anchor of the data sets."""
    tenant = Tenant(load_studio(), _ANCHOR, _NOWHERE, account_id=1, first_chatwoot_id=1)
    tenant.advance(_ANCHOR)
    return tenant


def questions(tenant: Tenant) -> Iterator[Line]:
    """All gold questions with vendor ids. Raises WorldError when evidence does not exist at the vendors."""
    seen: set[str] = set()
    for project in tenant.studio.projects.values():
        for question in read_gold(project):
            if question.id in seen:
                raise WorldError(f"gold question {question.id} exists twice")
            if "{d " in question.question:
                raise WorldError(
                    f"gold question {question.id} asks with a date slot: no anchor is known then"
                )
            seen.add(question.id)
            yield _question_line(tenant, project, question)


def _question_line(tenant: Tenant, project: ProjectWorld, question: GoldQuestion) -> Line:
    return {
        "id": question.id,
        "lang": question.lang,
        "kind": question.kind,
        "scope": question.scope,
        "project": project.info.slug,
        "question": question.question,
        "answer": question.answer,
        "held_out": question.held_out,
        "evidence": [_evidence(tenant, project, reference) for reference in question.evidence],
    }


def _evidence(tenant: Tenant, project: ProjectWorld, reference: str) -> Line:
    kind, _, key = reference.partition(":")
    chatwoot, linear, attio = tenant.chatwoot_seed, tenant.linear_seed, tenant.attio_seed
    known: dict[str, dict[tuple[str, str], Any]] = {
        "msg": chatwoot.messages,
        "issue": linear.issues,
        "comment": linear.comments,
        "deal": attio.deals,
        "note": attio.notes,
        "company": attio.companies,
    }
    vendor_id = known.get(kind, {}).get((project.info.slug, key))
    if vendor_id is None:
        raise WorldError(
            f"{project.info.slug}: gold evidence {reference} is not there before the anchor's week"
        )
    return {"source_type": _SOURCE_TYPES[kind], "vendor_id": str(vendor_id)}


def identities(tenant: Tenant) -> Iterator[Line]:
    """Every person and company with its ids at the vendors: the truth for identity resolution."""
    for project in tenant.studio.projects.values():
        slug = project.info.slug
        for company in project.companies.values():
            people = [p.key for p in project.people.values() if p.company == company.key]
            yield {
                "kind": "company",
                "project": slug,
                "key": company.key,
                "name": company.name,
                "chatwoot_company_name": company.cw_name,
                "domains": list(company.domains),
                "attio": [tenant.attio_seed.companies[slug, company.key]],
                "chatwoot_contacts": _ids(tenant.chatwoot_seed.contacts, slug, *people),
            }
        for person in project.people.values():
            user_id = tenant.linear.id("user", slug, person.key)
            yield {
                "kind": "person",
                "project": slug,
                "key": person.key,
                "company": person.company,
                "chatwoot": _ids(tenant.chatwoot_seed.contacts, slug, person.key),
                "attio": _ids(tenant.attio_seed.people, slug, person.key),
                "linear": [user_id] if user_id in tenant.linear.tables["users"] else [],
            }


def _ids(known: dict[tuple[str, str], Any], slug: str, *keys: str) -> list[str]:
    return [str(known[slug, key]) for key in keys if (slug, key) in known]


def agreements(tenant: Tenant) -> Iterator[Line]:
    """Every commitment with its message; the due day is told relative to the day of that message."""
    for project in tenant.studio.projects.values():
        slug = project.info.slug
        for found in project.agreements:
            conversation, _, number = found.message.rpartition("/")
            said = project.conversations[conversation].messages[int(number) - 1].at
            due = None if found.due is None else found.due // MINUTES_A_DAY - said // MINUTES_A_DAY
            yield {
                "key": found.key,
                "project": slug,
                "lang": found.lang,
                "who": _name(tenant, project, found.who),
                "to": _name(tenant, project, found.to),
                "what": found.what,
                "due_days_after_message": due,
                "status": found.status,
                "message_vendor_id": _evidence(tenant, project, f"msg:{found.message}")["vendor_id"],
            }


def _name(tenant: Tenant, project: ProjectWorld, key: str) -> str:
    if key in tenant.studio.staff:
        return tenant.studio.staff[key].name
    if key in project.people:
        return project.people[key].cw.name
    return project.companies[key].name if key in project.companies else key


_FILES: Final[dict[str, Callable[[Tenant], Iterator[Line]]]] = {
    "world.jsonl": questions,
    "world-identities.jsonl": identities,
    "world-agreements.jsonl": agreements,
}


def compile_all() -> dict[str, bytes]:
    """The contents of every data set by file name. Raises WorldError."""
    tenant = gold_tenant()
    return {
        name: b"".join(orjson.dumps(line) + b"\n" for line in lines(tenant)) for name, lines in _FILES.items()
    }


def stale(folder: Path = DATASETS) -> list[str]:
    """Names of data sets that differ from the authored world. Raises WorldError."""
    return [
        name
        for name, body in compile_all().items()
        if not (folder / name).exists() or (folder / name).read_bytes() != body
    ]


def main(arguments: list[str] | None = None) -> int:
    """Write the data sets, or check them; answers the exit code."""
    parser = argparse.ArgumentParser(prog="python -m jobs.sandbox.world.gold")
    parser.add_argument("--check", action="store_true", help="write nothing, fail when a file is out of date")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.check:
            behind = stale()
            if behind:
                sys.stderr.write(f"out of date, run python -m jobs.sandbox.world.gold: {', '.join(behind)}\n")
            return 1 if behind else 0
        for name, body in compile_all().items():
            (DATASETS / name).write_bytes(body)
            sys.stdout.write(f"{name}: {len(body.splitlines()):,} lines\n")
    except WorldError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
