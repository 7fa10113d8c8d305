"""The engine: what speaks for a pair, and what must hold whatever the records are."""

import random
from decimal import Decimal
from typing import Any, get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.identity import engine
from jobs.identity.engine import EACH_AT_MOST, SUGGEST_FROM, Blocks, suggest
from jobs.identity.features import SIDES, WEIGHTS, compare, confidence
from jobs.identity.traits import Traits, traits_of
from models.infra.ids import new_id
from models.queries.identity_records import RecordFacts, RecordKind
from models.tables.identity import KINDS
from tests.conftest import ROOT

PROJECT, OTHER = UUID(int=1), UUID(int=2)
# Few values, so that records meet.
_NAMES = st.sampled_from(
    [
        "Anna Orlova",
        "Анна Орлова",
        "Ana Orlova",
        "Boris",
        "Harbor & Pine",
        "Harbor and Pine Hotels",
        "ООО Вектор",
        "",
    ]
)
_MAILS = st.sampled_from(["anna@harbor.example", "Anna@Harbor.example", "anna@gmail.com", "nonsense"])
_PHONES = st.sampled_from(["+7 901 234-56-78", "89012345678", "12"])
_DOMAINS = st.sampled_from(["harbor.example", "www.harbor.example", "gmail.com", "vector.example"])


def some(values: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(values, max_size=3).map(tuple)


RECORDS = st.builds(
    RecordFacts,
    kind=st.sampled_from(get_args(RecordKind)),
    id=st.uuids(version=4),
    project_id=st.sampled_from([PROJECT, OTHER]),
    is_routed=st.booleans(),
    names=some(_NAMES),
    emails=some(_MAILS),
    phones=some(_PHONES),
    domains=some(_DOMAINS),
    company_names=some(_NAMES),
    company_domains=some(_DOMAINS),
)
MANY = st.lists(RECORDS, max_size=25, unique_by=lambda each: each.id)


def record(kind: RecordKind, project: UUID = PROJECT, **values: Any) -> Traits:
    """A record with traits given as single texts or tuples."""
    given_values = {name: (each,) if isinstance(each, str) else each for name, each in values.items()}
    return traits_of(RecordFacts(kind, new_id(), project, **given_values))


def codes(one: Traits, other: Traits) -> set[str]:
    compared = compare(one, other)
    assert compared is not None
    return {each.code for each in compared.features}


def all_of(records: list[RecordFacts]) -> set[Any]:
    traits = [traits_of(each) for each in records]
    blocks = Blocks(each for each in traits if each.kind in ("person", "company"))
    return {
        found for each in traits if each.kind not in ("person", "company") for found in suggest(each, blocks)
    }


def test_every_feature_of_a_contact_and_a_person_fires_on_its_own() -> None:
    contact = record(
        "contact",
        names="Анна Орлова",
        emails="Anna@harbor.example",
        phones="89012345678",
        company_names="Harbor Pine",
    )
    assert codes(contact, record("person", OTHER, emails="anna@HARBOR.example")) == {
        "same_email",
        "same_company",
    }
    assert codes(contact, record("person", OTHER, phones="+7 901 234 56 78")) == {"same_phone"}
    assert codes(contact, record("person", OTHER, names="Orlova Anna")) == {"same_name"}
    assert codes(contact, record("person", OTHER, names="Anna Sergeevna Orlova")) == {"similar_name"}
    assert codes(contact, record("person", OTHER, company_names="Harbor & Pine Ltd")) == {"same_company"}
    assert codes(contact, record("person", OTHER, company_domains="harbor.example")) == {"same_company"}
    assert codes(contact, record("person", PROJECT)) == {"same_project"}
    assert codes(contact, record("person", OTHER, names="Boris Lind")) == set()


def test_every_feature_of_companies_fires_on_its_own() -> None:
    contact = record("contact", emails="anna@harbor.example", company_names="Harbor & Pine")
    assert codes(contact, record("company", OTHER, domains="www.harbor.example")) == {"email_domain"}
    assert codes(contact, record("company", OTHER, names="Harbor and Pine Ltd")) == {"company_name"}
    assert codes(contact, record("company", OTHER, names="Harbor Pine Hotels")) == {"similar_company_name"}
    project = record("project", names=("HP", "Харбор Пайн", "Harbor Pine"))
    assert codes(project, record("company", OTHER, names="Harbor & Pine")) == {"same_name"}
    account = record("account", names="Vector", domains="harbor.example")
    assert codes(account, record("company", OTHER, domains="harbor.example")) == {"same_domain"}
    assert codes(account, record("company", names="ООО «Вектор»")) == {"same_name", "same_project"}


def test_a_mail_provider_in_common_is_no_feature() -> None:
    contact = record("contact", emails="anna@gmail.com")
    assert codes(contact, record("company", OTHER, domains="gmail.com")) == set()
    assert codes(contact, record("person", OTHER, emails="boris@gmail.com")) == set()


def test_a_first_name_tells_nobody_apart() -> None:
    assert codes(record("contact", names="Anna"), record("person", OTHER, names="Анна")) == set()


def test_records_that_no_rule_placed_are_not_in_the_same_project() -> None:
    contact = record("contact", is_routed=False)
    assert codes(contact, record("person", is_routed=False)) == set()


def test_a_feature_says_what_is_written_on_either_side() -> None:
    compared = compare(record("contact", names="Анна Орлова"), record("person", OTHER, names="Anna Orlova"))
    assert compared is not None
    [feature] = compared.features
    assert feature.plain() == {
        "code": "same_name", "weight": 0.6, "left": "Анна Орлова", "right": "Anna Orlova",
    }  # fmt: skip


def test_kinds_are_those_of_the_tables_and_every_weight_is_a_probability() -> None:
    assert set(SIDES) == set(WEIGHTS) == set(KINDS)
    assert all(0 < weight < 1 for weights in WEIGHTS.values() for weight in weights.values())


def test_a_block_that_many_are_in_tells_nobody_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BLOCK_AT_MOST", 3)
    contact = record("contact", emails="info@harbor.example")
    few = [record("company", domains="harbor.example") for _ in range(3)]
    assert len(suggest(contact, Blocks(few))) == 3
    assert suggest(contact, Blocks([*few, record("company", domains="harbor.example")])) == []


def test_of_one_record_the_most_confident_suggestions_are_kept() -> None:
    contact = record("contact", names="Anna Orlova", emails="anna@harbor.example")
    namesakes = [record("person", OTHER, names="Anna Orlova") for _ in range(EACH_AT_MOST + 3)]
    right = record("person", names="Anna Orlova", emails="anna@harbor.example")
    found = suggest(contact, Blocks([*namesakes, right]))
    assert len(found) == EACH_AT_MOST
    assert found[0].right_id == right.id
    assert found[0].confidence > found[1].confidence


def test_records_are_compared_within_their_blocks_only(monkeypatch: pytest.MonkeyPatch) -> None:
    people = [record("person", names=f"Name{at} Surname{at}", emails=f"{at}@x.example") for at in range(500)]
    compared: list[Traits] = []
    real = engine.compare
    monkeypatch.setattr(engine, "compare", lambda one, other: compared.append(other) or real(one, other))
    blocks = Blocks(people)
    for at in range(500):
        suggest(record("contact", emails=f"{at}@x.example"), blocks)
    assert len(compared) == 500


@given(RECORDS, RECORDS)
def test_a_comparison_is_symmetrical_and_bounded(one: RecordFacts, other: RecordFacts) -> None:
    left, right = traits_of(one), traits_of(other)
    compared, turned = compare(left, right), compare(right, left)
    assert compared == turned
    if compared is not None:
        assert {compared.left.kind, compared.right.kind} == set(SIDES[compared.kind])
        assert compared.left.id != compared.right.id or one.id == other.id
        assert 0 <= compared.confidence <= 1
        assert {each.code for each in compared.features} <= set(WEIGHTS[compared.kind])


@given(st.lists(st.floats(0, 0.99)), st.floats(0, 0.99), st.randoms(use_true_random=False))
def test_more_evidence_never_lowers_confidence_and_its_order_says_nothing(
    weights: list[float], more: float, rng: random.Random
) -> None:
    assert 0 <= confidence(weights) <= 1
    assert confidence([*weights, more]) >= confidence(weights)
    assert confidence([more]) <= Decimal(str(round(more, 3))) + Decimal("0.001")
    mixed = list(weights)
    rng.shuffle(mixed)
    assert confidence(mixed) == confidence(weights)


@given(MANY, st.randoms(use_true_random=False))
def test_suggestions_do_not_depend_on_the_order_of_rows(
    records: list[RecordFacts], rng: random.Random
) -> None:
    found = all_of(records)
    mixed = list(records)
    rng.shuffle(mixed)
    assert all_of(mixed) == found


@given(MANY)
def test_suggestions_are_pairs_of_their_kinds_worth_a_look_and_what_a_comparison_says(
    records: list[RecordFacts],
) -> None:
    held = {each.id: each for each in records}
    for found in all_of(records):
        left, right = held[found.left_id], held[found.right_id]
        assert left.id != right.id
        assert (left.kind, right.kind) == SIDES[found.kind]
        assert SUGGEST_FROM <= found.confidence <= 1
        compared = compare(traits_of(left), traits_of(right))
        assert compared is not None
        assert (compared.confidence, compared.features) == (found.confidence, found.features)


@given(MANY)
def test_blocks_lose_no_pair_that_shares_an_address_a_number_or_a_domain(records: list[RecordFacts]) -> None:
    traits = [traits_of(each) for each in records]
    blocks = Blocks(each for each in traits if each.kind in ("person", "company"))
    for left in (each for each in traits if each.kind in ("contact", "account", "project")):
        near = {each.id for each in blocks.candidates(left)}
        for right in (each for each in traits if each.kind in ("person", "company")):
            compared = compare(left, right)
            sure = {"same_email", "same_phone", "email_domain", "same_domain", "same_name", "company_name"}
            if compared is not None and sure & {each.code for each in compared.features}:
                assert right.id in near


def test_the_documentation_has_every_weight() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (ROOT / "docs/identity.md").read_text().splitlines()
        if line.startswith("|")
    ]
    kinds = next(row[2:] for row in rows if row[0] == "feature")
    told = {
        (kind, row[0].strip("`")): float(weight)
        for row in rows
        if len(row) == len(kinds) + 2
        for kind, weight in zip(kinds, row[2:], strict=True)
        if weight[:1] == "0"
    }
    assert told == {(kind, code): weight for kind, each in WEIGHTS.items() for code, weight in each.items()}
