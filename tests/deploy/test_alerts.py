"""The alert rules: they name metrics and labels that exist, and fire on the right side of their thresholds.

The rules' expressions are evaluated by a small reading of PromQL: one sample a metric, `sum`, `rate` and `increase` are
the given number itself, comparisons and arithmetic are Python's.
"""

import re
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest

from models.infra.metrics import registry
from tests.conftest import ROOT

RULES: dict[str, dict[str, Any]] = {
    rule["alert"]: rule
    for group in yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
}
_SELECTOR = re.compile(r"\b([a-z_]+(?:_[a-z]+)+|up)\b(\{[^}]*\})?(\[\d+m\])?")
_FUNCTIONS = {"sum", "rate", "increase", "time", "and"}
# What Prometheus itself knows of a target.
_BUILT_IN = {"up"}


def selectors(expression: str) -> list[tuple[str, str]]:
    """Metric names and label matchers of an expression."""
    return [
        (name, matchers or "")
        for name, matchers, _ in _SELECTOR.findall(expression)
        if name not in _FUNCTIONS
    ]


def fires(alert: str, **samples: float) -> bool:
    """Whether a rule's expression holds; `samples` by metric name, `<name>__errors` for one narrowed to 5xx."""

    def value(found: re.Match[str]) -> str:
        name, matchers = found.group(1), found.group(2) or ""
        if name in _FUNCTIONS:
            return found.group(0)
        return str(samples[f"{name}__errors" if '"5.."' in matchers else name])

    expression = re.sub(r"\b(sum|rate|increase)\b", "", RULES[alert]["expr"])
    expression = _SELECTOR.sub(value, expression.replace("time()", str(samples.get("now", 0))))
    assert re.fullmatch(r"[\d\s.()+\-*/<>=eand]+", expression), expression
    return bool(eval(expression, {"__builtins__": {}}))  # noqa: S307 - numbers and operators only, see above


def exported() -> set[str]:
    """The names of all samples that the registry can have."""
    families = {line.split()[2]: line.split()[3] for line in generate_latest(registry).decode().splitlines() if line.startswith("# TYPE")}  # fmt: skip
    names: set[str] = set()
    for name, kind in families.items():
        names |= {f"{name}_count", f"{name}_sum", f"{name}_bucket"} if kind == "histogram" else {name}
        names |= {f"{name.removesuffix('_total')}_total"} if kind == "counter" else set()
    return names


def labels_of(name: str) -> set[str]:
    bare = name.removesuffix("_count").removesuffix("_total")
    collectors = registry._collector_to_names  # pyright: ignore[reportPrivateUsage]
    family = next(each for each in collectors if getattr(each, "_name", "") in (name, bare))
    return set(getattr(family, "_labelnames", ()))


@pytest.mark.parametrize("alert", RULES)
def test_a_rule_names_metrics_and_labels_that_exist(alert: str) -> None:
    found = selectors(RULES[alert]["expr"])
    assert found
    for name, matchers in found:
        if name in _BUILT_IN:
            continue
        assert name in exported(), name
        assert set(re.findall(r"(\w+)=", matchers)) <= labels_of(name), (name, matchers)


@pytest.mark.parametrize("alert", RULES)
def test_a_rule_says_how_bad_it_is_and_fires_in_the_promised_time(alert: str) -> None:
    rule = RULES[alert]
    minutes = int(str(rule.get("for", "0m")).removesuffix("m"))
    window = max([int(each) for each in re.findall(r"\[(\d+)m\]", rule["expr"])], default=0)
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert minutes + window <= (5 if rule["labels"]["severity"] == "critical" else 35)
    assert rule["annotations"]["summary"]


@pytest.mark.parametrize(
    ("alert", "quiet", "loud"),
    [
        ("ControlTowerDown", {"up": 1}, {"up": 0}),
        ("PartDown", {"part_up": 1}, {"part_up": 0}),
        (
            "ConnectorLag",
            {"now": 10_000, "connector_last_success_at": 10_000 - 1_800},
            {"now": 10_000, "connector_last_success_at": 10_000 - 1_801},
        ),
        ("ConnectorErrorRate", {"connector_error_rate": 0.05}, {"connector_error_rate": 0.051}),
        ("ConnectorCircuitOpen", {"connector_circuit_open": 0}, {"connector_circuit_open": 1}),
        ("DatabasePoolNearlyUsedUp", {"db_pool_total": 10, "db_pool_idle": 2}, {"db_pool_total": 10, "db_pool_idle": 1}),
        (
            "CacheHitRatioLow",
            {"cache_hits_total": 5, "cache_misses_total": 5},
            {"cache_hits_total": 4, "cache_misses_total": 6},
        ),
        (
            "CacheHitRatioLow",
            # Nobody reads: no ratio to speak of.
            {"cache_hits_total": 0.01, "cache_misses_total": 0.05},
            {"cache_hits_total": 0.01, "cache_misses_total": 0.5},
        ),
        (
            "ServerErrors",
            {"http_request_duration_seconds_count": 100, "http_request_duration_seconds_count__errors": 5},
            {"http_request_duration_seconds_count": 100, "http_request_duration_seconds_count__errors": 6},
        ),
        (
            "QuestionsFailing",
            {"http_request_duration_seconds_count": 100, "http_request_duration_seconds_count__errors": 5},
            {"http_request_duration_seconds_count": 100, "http_request_duration_seconds_count__errors": 6},
        ),
        ("LoginGuessing", {"login_failures_total": 5}, {"login_failures_total": 6}),
    ],
)  # fmt: skip
def test_a_rule_fires_beyond_its_threshold_and_not_at_it(
    alert: str, quiet: dict[str, float], loud: dict[str, float]
) -> None:
    assert not fires(alert, **quiet)
    assert fires(alert, **loud)
