"""Migrations go up, down and up again, and say the same as the tables."""

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import inspect, text

from models.infra.database import engine, transaction
from tests.conftest import ROOT


@pytest.fixture
def config(database: str) -> Config:
    return Config(toml_file=str(ROOT / "pyproject.toml"))


def test_down_and_up_again_leaves_the_same_tables(config: Config) -> None:
    before = set(inspect(engine()).get_table_names())
    command.downgrade(config, "base")
    assert set(inspect(engine()).get_table_names()) == {"alembic_version"}
    command.upgrade(config, "head")
    assert set(inspect(engine()).get_table_names()) == before


def test_the_tables_need_no_further_migration(config: Config) -> None:
    command.check(config)


def test_audit_partitions_exist_ahead_of_time(database: str) -> None:
    with transaction() as session:
        made = session.execute(text("SELECT ensure_audit_partitions(6)")).scalar_one()
        again = session.execute(text("SELECT ensure_audit_partitions(6)")).scalar_one()
    assert (made, again) == (3, 0)
