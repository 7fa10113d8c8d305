"""The graph follows raw rows and chunks: who belongs together, which chunks are about whom, and what deletion takes along."""

from dataclasses import dataclass

import pytest

from models.infra.database import transaction
from models.tables.attio import Company, Deal, Note, Person
from models.tables.chatwoot import Contact, Conversation, Message
from models.tables.linear import Issue
from tests.retrieval.corpus import MARCH, change, delete, index, rows
from tests.tools_app.world import World, make_world


@dataclass
class Net:
    """A company with a person, a contact who is that person, a deal, a note, an issue that names the company."""

    world: World
    company: Company
    person: Person
    contact: Contact
    talk: Conversation
    message: Message
    deal: Deal
    note: Note
    issue: Issue


@pytest.fixture
def net(database: str) -> Net:
    with transaction() as session:
        world = make_world(session, "studio")
        place = world.places["alpha"]
        place.session = session
        company = place.row(Company, "attio", name="Harbor & Pine", domains=["harbor.example"])
        person = place.row(
            Person, "attio", name="Anna Berg", emails=["anna@harbor.example"], company_id=company.id
        )
        contact = place.row(Contact, "chatwoot", name="Анна Берг", email="Anna@harbor.example")
        talk = place.conversation(contact_id=contact.id, contact_name="Анна Берг", subject="Invoice")
        message = place.message(talk, MARCH, 0, body="The invoice is wrong again.", sender_name="Анна Берг")
        deal = place.deal(name="Second phase", company_id=company.id, people_vendor_ids=[person.vendor_id])
        note = place.row(
            Note,
            "attio",
            parent_object="deals",
            parent_vendor_id=deal.vendor_id,
            title="Call",
            body="They will sign.",
        )
        issue = place.issue(identifier="ALP-7", title="Export", description="Asked for by Harbor & Pine.")
    index(world.scope, lexical_only=True)
    return Net(world, company, person, contact, talk, message, deal, note, issue)


def _links() -> set[tuple[str, str, str]]:
    return {
        tuple(row)
        for row in rows(
            "SELECT f.name, l.kind, t.name FROM entity_links l JOIN entities f ON f.id = l.from_id"
            " JOIN entities t ON t.id = l.to_id"
        )
    }


def _mentioned(kind: str, name: str) -> set[str]:
    return {
        row.kind
        for row in rows(
            "SELECT c.kind FROM entity_mentions m JOIN entities e ON e.id = m.entity_id"
            " JOIN rag_chunks c ON c.id = m.chunk_id WHERE e.kind = :kind AND e.name = :name",
            kind=kind,
            name=name,
        )
    }


def test_links_come_from_foreign_keys_addresses_and_names(net: Net) -> None:
    assert {
        ("Anna Berg", "works_at", "Harbor & Pine"),
        ("Анна Берг", "works_at", "Harbor & Pine"),
        ("Second phase", "deal_of", "Harbor & Pine"),
        ("Second phase", "involves", "Anna Berg"),
    } <= _links()
    pairs = {frozenset((one, other)) for one, kind, other in _links() if kind == "same_person"}
    assert frozenset(("Anna Berg", "Анна Берг")) in pairs


def test_chunks_are_about_what_they_name_and_what_they_belong_to(net: Net) -> None:
    assert _mentioned("company", "Harbor & Pine") == {"company", "issue"}
    assert "message" in _mentioned("person", "Анна Берг")
    assert _mentioned("deal", "Second phase") == {"deal", "note"}
    assert _mentioned("issue", "Export") == {"issue"}


def test_a_second_run_changes_nothing(net: Net) -> None:
    before = rows("SELECT entity_id, chunk_id, count FROM entity_mentions ORDER BY 1, 2")
    ids = rows("SELECT id FROM entities ORDER BY id")
    index(net.world.scope, lexical_only=True)
    assert rows("SELECT entity_id, chunk_id, count FROM entity_mentions ORDER BY 1, 2") == before
    assert rows("SELECT id FROM entities ORDER BY id") == ids


def test_a_deleted_record_leaves_the_graph_with_its_links_and_mentions(net: Net) -> None:
    delete(Company, net.company)
    index(net.world.scope, lexical_only=True)
    assert rows("SELECT 1 FROM entities WHERE name = 'Harbor & Pine'") == []
    assert not any("Harbor & Pine" in link for link in _links())
    assert _mentioned("company", "Harbor & Pine") == set()


def test_a_renamed_company_is_looked_for_in_old_chunks(net: Net) -> None:
    with transaction() as session:
        place = net.world.places["alpha"]
        place.session = session
        place.issue(identifier="ALP-8", title="Later", description="Asked for by Oak Lodge.")
    index(net.world.scope, lexical_only=True)
    change(Company, net.company, name="Oak Lodge")
    index(net.world.scope, lexical_only=True)
    assert "issue" in _mentioned("company", "Oak Lodge")


def test_a_record_routed_to_another_project_takes_its_place_in_the_graph_along(net: Net) -> None:
    beta = net.world.places["beta"].project
    change(Issue, net.issue, project_id=beta)
    index(net.world.scope, lexical_only=True)
    assert [row.project_id for row in rows("SELECT project_id FROM entities WHERE name = 'Export'")] == [beta]
    assert (
        rows(
            "SELECT 1 FROM entity_mentions m JOIN rag_chunks c ON c.id = m.chunk_id WHERE m.project_id <> c.project_id"
        )
        == []
    )
    # In the other project nobody is called so.
    assert _mentioned("company", "Harbor & Pine") == {"company"}


def test_the_graph_of_a_scope_holds_nothing_of_another(net: Net) -> None:
    with transaction() as session:
        rival = make_world(session, "rival")
        rival.places["alpha"].session = session
        rival.places["alpha"].row(Company, "attio", name="Harbor & Pine")
    index(rival.scope, lexical_only=True)
    assert rows("SELECT count(*) FROM entities WHERE name = 'Harbor & Pine'")[0][0] == 2
    assert (
        rows(
            "SELECT 1 FROM entity_links l JOIN entities e ON e.id = l.to_id WHERE e.account_scope_id <> l.account_scope_id"
        )
        == []
    )
