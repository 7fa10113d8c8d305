"""The preview of an account scope against a real database: what it proposes, leaves alone, withdraws and tells."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from jobs import cascade, enqueue, tasks
from jobs.identity import preview
from jobs.identity.preview import Preview, preview_scope
from models.infra import events
from models.infra.database import reading, transaction
from models.tables.attio import Company, Person
from models.tables.chatwoot import Contact
from models.tables.crm import Account
from models.tables.identity import IdentityLink, IdentitySuggestion
from models.tables.platform import JobRun
from tests.tools_app.world import Place, World, make_world


@dataclass
class Studio:
    """A company with a person, a contact who is that person, an account made here; a stranger in another project."""

    world: World
    company: UUID
    person: UUID
    contact: UUID
    account: UUID


@pytest.fixture
def studio(database: str) -> Studio:
    with transaction() as session:
        return make_studio(session, "studio")


def make_studio(session: Session, slug: str) -> Studio:
    world = make_world(session, slug)
    place = world.places["alpha"]
    company = place.row(Company, "attio", name="Harbor & Pine Hotels", domains=["harbor.example"])
    person = place.row(
        Person, "attio", name="Anna Orlova", emails=["anna@harbor.example"], company_id=company.id
    )
    contact = place.row(
        Contact, "chatwoot", name="Анна Орлова", email="Anna@Harbor.example", company_name="Harbor Pine"
    )
    world.places["beta"].row(Contact, "chatwoot", name="Boris Lind", email="boris@gmail.com")
    account = Account(
        account_scope_id=place.scope, project_id=place.project, name="Harbor Pine", domain="harbor.example"
    )
    session.add(account)
    session.flush()
    return Studio(world, company.id, person.id, contact.id, account.id)


def run(studio: Studio) -> Preview:
    return preview_scope(studio.world.scope, lambda _kind, _rows: None)


def run_as_job(studio: Studio) -> dict[str, Any]:
    [ref] = enqueue.request_job("identity", None, studio.world.scope, "anna")
    tasks.preview_identity(str(studio.world.scope), ref.run_id)
    with reading() as session:
        row = session.get(JobRun, UUID(ref.run_id))
        assert row is not None
        assert (row.status, row.account_scope_id) == ("succeeded", studio.world.scope)
        return row.counts


def suggestions() -> list[IdentitySuggestion]:
    with reading() as session:
        found = session.exec(select(IdentitySuggestion).order_by(col(IdentitySuggestion.kind))).all()
        session.expunge_all()
        return list(found)


def pairs() -> dict[str, tuple[Any, Any]]:
    return {each.kind: (each.left_id, each.right_id) for each in suggestions()}


def execute(statement: str, **values: Any) -> None:
    with transaction() as session:
        session.execute(text(statement), values)


def versions() -> list[tuple[str, str]]:
    """Every suggestion with the transaction that wrote it last."""
    with reading() as session:
        rows = session.execute(text("SELECT id::text, xmin::text FROM identity_suggestions ORDER BY id"))
        return [(row[0], row[1]) for row in rows]


def told(kind: str = "identity_preview") -> list[dict[str, Any]]:
    return [dict(each.payload) for each in events.read_after(None, 2_000) if each.kind == kind]


def test_records_that_may_be_the_same_are_proposed_with_why(studio: Studio) -> None:
    done = run(studio)
    assert (done.new, done.changed, done.withdrawn, done.proposed) == (3, 0, 0, 3)
    assert pairs() == {
        "account_company": (studio.account, studio.company),
        "contact_company": (studio.contact, studio.company),
        "contact_person": (studio.contact, studio.person),
    }
    of_person = suggestions()[2]
    assert (of_person.status, of_person.contact_id, of_person.person_id) == (
        "proposed",
        studio.contact,
        studio.person,
    )
    assert [each["code"] for each in of_person.features] == [
        "same_email",
        "same_name",
        "same_company",
        "same_project",
    ]
    assert of_person.features[0] == {
        "code": "same_email", "weight": 0.9, "left": "Anna@Harbor.example", "right": "anna@harbor.example",
    }  # fmt: skip
    assert float(of_person.confidence) == pytest.approx(1 - 0.1 * 0.4 * 0.6 * 0.9, abs=0.001)


def test_a_preview_of_what_has_not_changed_writes_nothing_and_compares_nothing_as_a_job(
    studio: Studio,
) -> None:
    assert run_as_job(studio)["new"] == 3
    before = versions()
    assert run(studio) == run(studio)
    assert versions() == before
    again = run_as_job(studio)
    assert (again["compared"], again["written"], again["deleted"], again["proposed"]) == (0, 0, 0, 3)
    assert versions() == before


def test_a_preview_that_begins_anew_after_a_decision_still_writes_nothing(studio: Studio) -> None:
    run_as_job(studio)
    execute("UPDATE identity_suggestions SET status = 'dismissed' WHERE kind = 'contact_person'")
    before = versions()
    again = run_as_job(studio)
    assert (again["compared"] > 0, again["written"], again["deleted"], again["proposed"]) == (True, 0, 0, 2)
    assert versions() == before


def test_what_holds_no_more_is_withdrawn_and_what_changed_is_changed(studio: Studio) -> None:
    run(studio)
    execute("UPDATE cw_contacts SET email = NULL, name = 'Anna Orlova' WHERE id = :id", id=studio.contact)
    done = run(studio)
    assert (done.new, done.changed, done.withdrawn) == (0, 2, 0)
    assert {each.features[0]["code"] for each in suggestions()} == {
        "same_domain",
        "similar_company_name",
        "same_name",
    }
    execute(
        "UPDATE cw_contacts SET name = 'Vera Stone', company_name = NULL WHERE id = :id", id=studio.contact
    )
    done = run(studio)
    assert (done.new, done.changed, done.withdrawn) == (0, 0, 2)
    assert set(pairs()) == {"account_company"}


def test_pairs_of_a_record_that_is_gone_are_withdrawn(studio: Studio) -> None:
    run(studio)
    execute("UPDATE attio_people SET deleted_at = now() WHERE id = :id", id=studio.person)
    assert run(studio).withdrawn == 1
    execute("UPDATE crm_accounts SET deleted_at = now() WHERE id = :id", id=studio.account)
    assert run(studio).withdrawn == 1
    assert set(pairs()) == {"contact_company"}


def test_what_was_decided_is_left_alone_whatever_becomes_of_the_records(studio: Studio) -> None:
    run(studio)
    execute("UPDATE identity_suggestions SET status = 'accepted' WHERE kind = 'contact_person'")
    execute("UPDATE identity_suggestions SET status = 'dismissed' WHERE kind = 'contact_company'")
    before = {each.kind: (each.status, each.confidence, each.features) for each in suggestions()}
    execute(
        "UPDATE cw_contacts SET name = 'Vera Stone', company_name = NULL WHERE id = :id", id=studio.contact
    )
    assert run(studio).proposed == 1
    execute("UPDATE cw_contacts SET deleted_at = now() WHERE id = :id", id=studio.contact)
    run(studio)
    assert {each.kind: (each.status, each.confidence, each.features) for each in suggestions()} == before


def test_projects_are_proposed_to_their_clients_by_name_and_alias(studio: Studio) -> None:
    execute("UPDATE projects SET aliases = '[\"Харбор Пайн Хотелс\"]' WHERE slug = 'alpha'")
    run(studio)
    assert pairs()["project_company"] == (studio.world.places["alpha"].project, studio.company)


def test_an_account_that_mirrors_a_company_is_proposed_to_nobody(studio: Studio) -> None:
    connection = studio.world.places["alpha"].connections["attio"]
    execute("UPDATE crm_accounts SET connection_id = :c, vendor_id = 'x'", c=connection)
    run(studio)
    assert "account_company" not in pairs()


def test_a_pair_across_projects_names_both_and_follows_its_records(studio: Studio) -> None:
    beta, alpha = studio.world.places["beta"].project, studio.world.places["alpha"].project
    run(studio)
    execute("UPDATE cw_contacts SET project_id = :p WHERE id = :id", p=beta, id=studio.contact)
    moved = {each.kind: (each.project_id, each.other_project_id) for each in suggestions()}
    assert moved["contact_person"] == moved["contact_company"] == (beta, alpha)
    assert run(studio).changed == 2
    assert "same_project" not in {each["code"] for each in suggestions()[2].features}


def test_a_link_follows_its_records_too(studio: Studio) -> None:
    run(studio)
    beta, alpha = studio.world.places["beta"].project, studio.world.places["alpha"].project
    with transaction() as session:
        pair = session.exec(
            select(IdentitySuggestion).where(IdentitySuggestion.kind == "contact_person")
        ).one()
        session.add(
            IdentityLink(
                suggestion_id=pair.id, created_by="anna", kind=pair.kind, account_scope_id=pair.account_scope_id,
                project_id=pair.project_id, other_project_id=pair.other_project_id, contact_id=pair.contact_id,
                person_id=pair.person_id,
            )
        )  # fmt: skip
    execute("UPDATE cw_contacts SET project_id = :p WHERE id = :id", p=beta, id=studio.contact)
    with reading() as session:
        link = session.exec(select(IdentityLink)).one()
        assert (link.project_id, link.other_project_id) == (beta, alpha)


def test_nothing_is_proposed_across_account_scopes(studio: Studio) -> None:
    with transaction() as session:
        other = make_world(session, "other")
        other.places["alpha"].row(Person, "attio", name="Anna Orlova", emails=["anna@harbor.example"])
        other.places["alpha"].row(Company, "attio", name="Harbor & Pine", domains=["harbor.example"])
    assert run(studio).new == 3
    assert preview_scope(other.scope, lambda _kind, _rows: None).new == 0
    assert {each.account_scope_id for each in suggestions()} == {studio.world.scope}


def test_the_database_refuses_a_pair_across_account_scopes_and_one_of_the_wrong_records(
    studio: Studio,
) -> None:
    run(studio)
    with transaction() as session:
        foreign = make_world(session, "other").places["alpha"].row(Person, "attio", name="Anna Orlova").id
    with pytest.raises(IntegrityError, match="fk_identity_suggestions_person_id"):
        execute("UPDATE identity_suggestions SET person_id = :id WHERE kind = 'contact_person'", id=foreign)
    with pytest.raises(IntegrityError, match="ck_identity_suggestions_kind"):
        execute("UPDATE identity_suggestions SET kind = 'contact_company' WHERE kind = 'contact_person'")


def test_batches_and_slices_make_no_difference(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    with transaction() as session:
        place: Place = studio.world.places["beta"]
        place.session = session
        for at in range(7):
            place.row(Contact, "chatwoot", name=f"Client {at}", email=f"client{at}@firm{at}.example")
            place.row(Company, "attio", name=f"Firm number{at}", domains=[f"firm{at}.example"])
    whole = run(studio)
    kept = {(each.kind, each.left_id, each.right_id, each.confidence) for each in suggestions()}
    assert len(kept) == 10
    execute("DELETE FROM identity_suggestions")
    monkeypatch.setattr(preview, "BATCH", 2)
    monkeypatch.setattr(preview, "SLICE", 3)
    sliced = run(studio)
    assert (sliced.new, sliced.compared) == (whole.new, whole.compared)
    assert {(each.kind, each.left_id, each.right_id, each.confidence) for each in suggestions()} == kept


def test_every_preview_is_told_with_its_counts_after_its_commit(studio: Studio) -> None:
    run_as_job(studio)
    run_as_job(studio)
    scope = str(studio.world.scope)
    assert told() == [
        {
            "account_scope_id": scope,
            "project_id": None,
            "new": new,
            "changed": 0,
            "withdrawn": 0,
            "proposed": 3,
        }
        for new in (3, 0)
    ]
    assert [each["job"] for each in told("job_completed")] == ["identity", "identity"]


def asked() -> list[str]:
    with reading() as session:
        return list(session.exec(select(JobRun.job).where(JobRun.status == "queued")))


@pytest.mark.parametrize("job", ["sync", "refetch", "repair", "rebind"])
def test_a_run_that_wrote_is_followed_by_a_preview(studio: Studio, job: str) -> None:
    connection = studio.world.places["alpha"].connections["chatwoot"]
    cascade.follow(job, connection, {"written": 0}, "sync")
    assert "identity" not in asked()
    cascade.follow(job, connection, {"written": 1}, "sync")
    cascade.follow(job, connection, {"written": 1}, "sync")
    assert asked().count("identity") == 1
