"""How right the suggestions are over the demo world, whose authors say who everybody is (world-identities.jsonl).

The weights were set by judgement and not by these figures; the world has namesakes, shared phones and misspelled companies
on purpose.
"""

import json
from dataclasses import dataclass

import pytest
from sqlalchemy import text

from jobs.identity.preview import compare_scope
from jobs.sandbox.world.loader import load_studio
from models.infra.database import reading, transaction
from tests.conftest import ROOT
from tests.jobs.copies import run_sync
from tests.scopes import make_connection, make_scope
from tests.vendors import Vendors

TRUTH = ROOT / "retrieval/evaluation/datasets/world-identities.jsonl"
_FOUND = {
    "contact_person": "SELECT c.vendor_id, o.vendor_id, s.confidence::float FROM identity_suggestions s"
    " JOIN cw_contacts c ON c.id = s.contact_id JOIN attio_people o ON o.id = s.person_id",
    "contact_company": "SELECT c.vendor_id, o.vendor_id, s.confidence::float FROM identity_suggestions s"
    " JOIN cw_contacts c ON c.id = s.contact_id JOIN attio_companies o ON o.id = s.company_id",
}


@dataclass(frozen=True)
class Judged:
    """Suggestions of a kind against the truth."""

    precision: float
    recall: float
    sure_precision: float
    highest_wrong: float


def true_pairs() -> dict[str, set[tuple[str, str]]]:
    pairs: dict[str, set[tuple[str, str]]] = {kind: set() for kind in _FOUND}
    for line in TRUTH.read_text().splitlines():
        said = json.loads(line)
        kind, contacts = (
            ("contact_person", said["chatwoot"])
            if said["kind"] == "person"
            else ("contact_company", said["chatwoot_contacts"])
        )
        pairs[kind] |= {(contact, record) for contact in contacts for record in said["attio"]}
    return pairs


@pytest.mark.slow
def test_most_true_pairs_are_suggested_and_sure_ones_are_right(database: str, still_vendors: Vendors) -> None:
    projects = {slug: each for slug, each in load_studio().projects.items() if slug != "unassigned"}
    rules = {
        "chatwoot": [
            ("inbox", name, slug) for slug, each in projects.items() for _, name in each.info.inboxes
        ],
        "attio": [("list", slug.replace("-", "_"), slug) for slug in projects],
    }
    with transaction() as session:
        scope = make_scope(session, "studio", tuple(projects))
        made = [
            make_connection(
                session, scope, connector, base_url=still_vendors.origin(connector),
                token=still_vendors.tokens[connector], external_account="1" if connector == "chatwoot" else "",
                rules=tuple(rules[connector]),
            ).id
            for connector in rules
        ]  # fmt: skip
    for connection in made:
        run_sync(connection)
    compare_scope(scope.id, lambda _kind, _rows: None)
    judged: dict[str, Judged] = {}
    for kind, wanted in true_pairs().items():
        with reading() as session:
            rows = session.execute(text(_FOUND[kind])).all()
        found = {(row[0], row[1]): row[2] for row in rows}
        sure = {pair for pair, confidence in found.items() if confidence >= 0.7}
        judged[kind] = Judged(
            len(found.keys() & wanted) / len(found),
            len(found.keys() & wanted) / len(wanted),
            len(sure & wanted) / len(sure),
            max(confidence for pair, confidence in found.items() if pair not in wanted),
        )
    for kind, each in judged.items():
        assert each.recall > 0.9, (kind, each)
        assert each.precision > 0.85, (kind, each)
        assert each.sure_precision > 0.97, (kind, each)
    # A namesake of another company is worth a look, and never sure.
    assert judged["contact_company"].highest_wrong < 0.7
