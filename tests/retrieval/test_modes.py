"""The search modes on a real database: neighbourhoods, themes, what was known at a moment, what stands around a record."""

import datetime as dt
from typing import Any

import pytest

from models.infra.database import reading, transaction
from models.infra.errors import NotFound
from models.infra.ids import new_id
from models.infra.scope import Scope
from models.tables.attio import Company, Deal, Person
from models.tables.chatwoot import Contact, Message
from retrieval.neighbours import read_neighbours
from retrieval.pipeline import ask
from retrieval.profile import changed, load_profile
from retrieval.schemas import Answer, Mode, Query
from tests.retrieval.corpus import APRIL, MARCH, change, delete, index
from tests.tools_app.world import World, make_world

MINUTE = dt.timedelta(minutes=1)


@pytest.fixture
def world(database: str) -> World:
    """A company whose people write about other things, with an issue that names it, a deal, and much that is not about it."""
    with transaction() as session:
        world = make_world(session, "studio")
        place = world.places["alpha"]
        place.session = session
        company = place.row(
            Company, "attio", vendor_id="harbor", name="Harbor & Pine", domains=["harbor.example"]
        )
        place.row(Person, "attio", name="Anna Berg", emails=["anna@harbor.example"], company_id=company.id)
        contact = place.row(Contact, "chatwoot", name="Anna Berg", email="anna@harbor.example")
        talk = place.conversation(contact_id=contact.id, contact_name="Anna Berg", subject="Invoice")
        for minute, body in enumerate(
            ("The invoice is wrong again.", "It says 12 nights.", "We stayed 10 nights.")
        ):
            place.message(
                talk,
                MARCH + minute * MINUTE,
                0,
                vendor_id=f"said-{minute}",
                body=body,
                sender_name="Anna Berg",
            )
        place.issue(
            vendor_id="named", identifier="ALP-7", title="Export", description="Asked for by Harbor & Pine."
        )
        place.issue(
            vendor_id="unnamed", identifier="ALP-8", title="Colours", description="The buttons are too dark."
        )
        place.deal(
            vendor_id="phase",
            name="Second phase",
            company_id=company.id,
            source_updated_at=APRIL,
            source_created_at=APRIL,
        )
        side = place.conversation(subject="Parking", contact_name="Boris Ilic")
        for minute in range(16):
            body = f"Where may visitor number {minute} park a bicycle near the office?"
            place.message(side, APRIL + minute * MINUTE, 0, body=body, sender_name="Boris Ilic")
    index(world.scope)
    return world


def _ask(scope: Scope, text: str, mode: Mode = "hybrid", **options: Any) -> Answer:
    profile = changed(load_profile(), {"support.weights": {}, "support.threshold": 0.0})
    return ask(
        transaction,
        Query(text=text, scope=scope, mode=mode, top_k=50, source_limit=25, **options),
        profile=profile,
    )


def _found(answer: Answer) -> set[str]:
    return {item.source_id for item in answer.evidence}


@pytest.mark.parametrize("mode", ["local", "mix", "hybrid"])
def test_a_question_about_a_company_reaches_its_peoples_messages_its_issues_and_its_deals(
    world: World, mode: Mode
) -> None:
    assert {"said-0", "named", "phase"} <= _found(
        _ask(world.of("alpha"), "What is new at Harbor & Pine?", mode)
    )


def test_local_search_stays_in_the_neighbourhood_of_what_is_named(world: World) -> None:
    found = _found(_ask(world.of("alpha"), "What is new at Harbor & Pine?", "local"))
    assert "unnamed" not in found
    assert found <= {"harbor", "said-0", "said-1", "said-2", "named", "phase"}


def test_local_search_without_a_name_starts_from_what_is_nearest(world: World) -> None:
    assert "said-0" in _found(_ask(world.of("alpha"), "Which invoice is wrong?", "local"))


def test_a_neighbourhood_never_leaves_the_scope(world: World) -> None:
    assert _ask(world.of("beta"), "What is new at Harbor & Pine?", "local").evidence == ()


def test_the_older_name_of_naive_search_finds_the_same(world: World) -> None:
    answers = [_ask(world.of("alpha"), "Which invoice is wrong?", mode) for mode in ("naive", "vector")]
    assert [item.id for item in answers[0].evidence] == [item.id for item in answers[1].evidence]


def test_global_search_answers_with_themes_and_citations_that_resolve(world: World) -> None:
    answer = _ask(world.of("alpha"), "What do people write about?", "global")
    assert answer.code == "answer.themes"
    assert answer.citations
    assert {citation.evidence_id for citation in answer.citations} <= {item.id for item in answer.evidence}
    assert _ask(world.of("alpha"), "Which themes are there?", "mix").code == "answer.themes"


def test_a_project_without_themes_is_searched_like_any_other(world: World) -> None:
    assert _ask(world.of("beta"), "What do people write about?", "global").code == "answer.nothing_indexed"


def test_as_of_hides_what_was_written_or_changed_later(world: World) -> None:
    for mode in ("hybrid", "naive", "lexical", "local", "mix", "global"):
        answer = _ask(world.of("alpha"), "What is new at Harbor & Pine?", mode, as_of=MARCH + MINUTE)
        assert _found(answer) <= {"said-0", "said-1"}, mode
    assert "said-0" in _found(_ask(world.of("alpha"), "Which invoice is wrong?", as_of=MARCH + MINUTE))


def test_as_of_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Query(text="?", scope=Scope.of(new_id(), []), as_of=dt.datetime(2026, 1, 1))  # type: ignore[arg-type]  # noqa: DTZ001


def test_the_neighbours_of_a_record_are_those_of_its_conversation_in_order(world: World) -> None:
    answer = _ask(world.of("alpha"), "It says 12 nights")
    said = next(item.id for item in answer.evidence if item.source_id == "said-1")
    with reading() as session:
        found = read_neighbours(session, world.of("alpha"), said, 1)
    assert [(item.source_id, item.score) for item in found] == [
        ("said-0", 0.0),
        ("said-1", 1.0),
        ("said-2", 0.0),
    ]


def test_neighbours_are_of_the_scope_alone_and_alive(world: World) -> None:
    answer = _ask(world.of("alpha"), "It says 12 nights")
    said = next(item.id for item in answer.evidence if item.source_id == "said-1")
    with reading() as session:
        for scope, wanted in (
            (world.of("beta"), said),
            (world.of("alpha"), "message:none"),
            (world.of("alpha"), f"message:{new_id()}"),
        ):
            with pytest.raises(NotFound):
                read_neighbours(session, scope, wanted)
        message = session.get_one(Message, said.partition(":")[2])
        session.expunge(message)
    delete(Message, message)
    with reading() as session, pytest.raises(NotFound):
        read_neighbours(session, world.of("alpha"), said)


def test_an_amount_is_found_in_another_spelling(world: World) -> None:
    with transaction() as session:
        place = world.places["alpha"]
        place.session = session
        deal = place.deal(vendor_id="priced", name="Offer", next_step="They accept 12 500 in two parts")
    index(world.scope)
    assert "priced" in _found(_ask(world.of("alpha"), "Who accepts $12.5k?", "lexical"))
    change(Deal, deal, next_step="They accept nothing")
    index(world.scope)
    assert "priced" not in _found(_ask(world.of("alpha"), "$12.5k?", "lexical"))
