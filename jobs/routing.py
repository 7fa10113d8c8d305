"""Which project a vendor record belongs to. Pure: rules in, project out.

A connection serves many projects. A rule names a kind and a value, a record brings facts of the same form;
the matching rule with the lowest priority number wins. What no rule takes follows the record it hangs on,
and what hangs on nothing goes to the scope's visible "Unassigned" project.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from jobs.connectors.base import Fact
from models.infra.ids import ProjectId


@dataclass(frozen=True, slots=True)
class Rule:
    """A routing rule; ``value`` is compared in lower case."""

    priority: int
    kind: str
    value: str
    project_id: ProjectId


class Router:
    """The rules of one connection, ready to be asked."""

    def __init__(self, rules: Iterable[Rule], unassigned: ProjectId) -> None:
        self.unassigned = unassigned
        self._rules: dict[Fact, Rule] = {}
        for rule in sorted(rules, key=lambda rule: (rule.priority, rule.kind, rule.value), reverse=True):
            self._rules[rule.kind, rule.value.lower()] = rule  # the lowest priority is written last and stays

    def match(self, facts: AbstractSet[Fact]) -> ProjectId | None:
        """Return the project of the best matching rule, or None when no rule matches."""
        matching = [self._rules[fact] for fact in facts if fact in self._rules]
        if not matching:
            return None
        return min(matching, key=lambda rule: (rule.priority, rule.kind, rule.value)).project_id
