"""A record's project follows from rules and facts alone."""

from hypothesis import given
from hypothesis import strategies as st

from jobs.routing import Router, Rule
from models.infra.ids import ProjectId, new_id

UNASSIGNED, ONE, TWO = (ProjectId(new_id()) for _ in range(3))
KINDS = st.sampled_from(["inbox", "label", "company_domain", "team"])
VALUES = st.sampled_from(["a", "b", "c"])


def test_the_matching_rule_with_the_lowest_priority_number_wins() -> None:
    router = Router([Rule(20, "label", "urgent", ONE), Rule(10, "inbox", "Sales", TWO)], UNASSIGNED)
    assert router.match(frozenset({("label", "urgent"), ("inbox", "sales")})) == TWO


def test_rules_ignore_the_case_of_their_value() -> None:
    assert Router([Rule(1, "team", "HPN", ONE)], UNASSIGNED).match(frozenset({("team", "hpn")})) == ONE


def test_no_matching_rule_is_no_project() -> None:
    assert Router([Rule(1, "team", "HPN", ONE)], UNASSIGNED).match(frozenset({("inbox", "hpn")})) is None


@given(
    rules=st.lists(st.tuples(st.integers(0, 5), KINDS, VALUES), max_size=12),
    facts=st.frozensets(st.tuples(KINDS, VALUES), max_size=6),
    order=st.randoms(use_true_random=False),
)
def test_the_order_in_which_rules_are_stored_decides_nothing(rules, facts, order) -> None:  # type: ignore[no-untyped-def]
    projects = {(kind, value): ProjectId(new_id()) for _, kind, value in rules}
    made = [Rule(priority, kind, value, projects[kind, value]) for priority, kind, value in rules]
    shuffled = list(made)
    order.shuffle(shuffled)
    assert Router(made, UNASSIGNED).match(facts) == Router(shuffled, UNASSIGNED).match(facts)
