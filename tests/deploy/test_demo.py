"""The demo account: complete after one call, unchanged after two, and brought up to date when the sandbox moved."""

import pytest
from sqlmodel import Session, col, func, select

from deploy.demo import SandboxVendors, ensure_demo
from jobs.sandbox.world.authored import StudioWorld
from jobs.sandbox.world.loader import load_studio
from models.infra.crypto import decrypt, generate_key
from models.infra.database import reading, transaction
from models.infra.settings import override_settings
from models.tables.platform import AccountScope, Project, ProjectBinding, VendorConnection

VENDORS = SandboxVendors(3101, {"chatwoot": "c", "linear": "l", "attio": "a"})


@pytest.fixture(scope="module")
def studio() -> StudioWorld:
    return load_studio()


def counts(session: Session) -> list[int]:
    tables = (AccountScope, Project, VendorConnection, ProjectBinding)
    return [session.exec(select(func.count()).select_from(table)).one() for table in tables]


def test_the_demo_has_six_projects_and_a_place_for_the_rest(database: str, studio: StudioWorld) -> None:
    with transaction() as session:
        made = ensure_demo(session, VENDORS, studio)
        kinds = session.exec(select(Project.kind)).all()
        scope = session.exec(select(AccountScope)).one()
    assert (made.projects, made.connections) == (6, 3)
    assert sorted(kinds) == ["client"] * 6 + ["unassigned"]
    assert (scope.name, scope.timezone, scope.base_currency) == ("Meridian Studio", "Europe/Belgrade", "EUR")


def test_every_project_is_bound_at_every_vendor(database: str, studio: StudioWorld) -> None:
    with transaction() as session:
        ensure_demo(session, VENDORS, studio)
        pairs = session.exec(
            select(Project.slug, VendorConnection.connector)
            .join(ProjectBinding, col(ProjectBinding.project_id) == Project.id)
            .join(VendorConnection, col(VendorConnection.id) == ProjectBinding.connection_id)
            .distinct()
        ).all()
    assert len(pairs) == 6 * 3


def test_doing_it_twice_changes_nothing(database: str, studio: StudioWorld) -> None:
    with transaction() as session:
        ensure_demo(session, VENDORS, studio)
        before = counts(session)
    with transaction() as session:
        ensure_demo(session, VENDORS, studio)
        assert counts(session) == before


def test_tokens_are_stored_encrypted_and_follow_the_sandbox(database: str, studio: StudioWorld) -> None:
    with transaction() as session:
        ensure_demo(session, VENDORS, studio)
    moved = SandboxVendors(4101, {"chatwoot": "c2", "linear": "l", "attio": "a"})
    with transaction() as session:
        ensure_demo(session, moved, studio)
    with reading() as session:
        rows = {row.connector: row for row in session.exec(select(VendorConnection)).all()}
    assert rows["chatwoot"].base_url == "http://127.0.0.1:4101"
    assert rows["attio"].base_url == "http://127.0.0.1:4103"
    assert rows["chatwoot"].token_encrypted != "c2"
    assert decrypt(rows["chatwoot"].token_encrypted) == "c2"


def test_a_lost_key_is_healed_because_the_sandboxs_tokens_are_known(
    database: str, studio: StudioWorld
) -> None:
    with transaction() as session:
        ensure_demo(session, VENDORS, studio)
    with override_settings(secret_keys=generate_key()), transaction() as session:
        ensure_demo(session, VENDORS, studio)
        tokens = {
            row.connector: decrypt(row.token_encrypted)
            for row in session.exec(select(VendorConnection)).all()
        }
    assert tokens == VENDORS.tokens


def test_a_connection_pointed_at_a_real_vendor_is_left_alone(database: str, studio: StudioWorld) -> None:
    with transaction() as session:
        ensure_demo(session, VENDORS, studio)
        row = session.exec(select(VendorConnection).where(VendorConnection.connector == "linear")).one()
        row.base_url, row.settings = "https://api.linear.app", {}
        session.add(row)
    with transaction() as session:
        ensure_demo(session, VENDORS, studio)
        row = session.exec(select(VendorConnection).where(VendorConnection.connector == "linear")).one()
        assert row.base_url == "https://api.linear.app"
