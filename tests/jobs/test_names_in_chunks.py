"""Who is named in a record's chunks by another record: a name that changes there changes here too."""

import pytest
from sqlalchemy import text

from jobs.indexing import index_pending
from jobs.sandbox.attio.workspace import Entry, personal_name
from models.infra.database import reading
from tests.jobs.copies import run_sync
from tests.jobs.small_vendors import SmallVendors
from tests.scopes import MadeScope


def chunks_with(name: str) -> set[str]:
    """The kinds of records whose chunks hold a name."""
    with reading() as session:
        found = session.execute(
            text("SELECT kind FROM rag_chunks c WHERE to_jsonb(c)::text LIKE :name"),
            {"name": f"%{name}%"},
        )
        return set(found.scalars())


def index(small: SmallVendors, scope: MadeScope) -> None:
    small.hours.forward(600)
    index_pending(scope.id, lexical_only=True, budget_s=60)


def named_ann_lee(small: SmallVendors) -> Entry:
    people = small.tenant.attio.records["people"].values()
    return next(each for each in people if any("Lee" in str(value.body) for value in each.current("name")))


@pytest.mark.parametrize("what", ["is renamed", "is deleted"])
def test_a_person_who_goes_by_another_name_leaves_the_chunks_of_deals(small: SmallVendors, what: str) -> None:
    scope, connection_id = small.connect("attio")
    run_sync(connection_id)
    index(small, scope)
    assert {"company", "deal"} <= chunks_with("Ann Lee")
    workspace, ann = small.tenant.attio, named_ann_lee(small)
    if what == "is deleted":
        workspace.delete("people", ann.id)
    else:
        workspace.set(ann, "name", [personal_name("Bea", "Moe")], small.sandbox.now(), ann.actor)
    for _ in range(2):
        small.hours.forward(600)
        run_sync(connection_id)
    index(small, scope)
    assert not {"company", "deal"} & chunks_with("Ann Lee")
    if what == "is renamed":
        assert {"company", "deal"} <= chunks_with("Bea Moe")
