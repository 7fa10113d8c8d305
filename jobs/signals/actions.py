"""What follows from a signal: one declared table, kind → action and how many days there are for it. Pure.

Every kind has exactly one action, and an action is made of a signal alone: nothing is recommended without evidence.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from models.queries.signals import Detected, ProposedAction
from models.tables.signals import ActionCode, SignalKind

_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Rule:
    """An action and the days to take it in, for each severity from 1 to 5."""

    code: ActionCode
    days: tuple[int, int, int, int, int]


ACTIONS: Mapping[SignalKind, Rule] = {
    "complaint": Rule("call_client", (5, 3, 2, 1, 0)),
    "payment_trouble": Rule("clarify_payment", (5, 4, 3, 2, 1)),
    "price_pressure": Rule("discuss_price", (7, 5, 3, 2, 1)),
    "deadline_pressure": Rule("confirm_date", (4, 2, 1, 0, 0)),
    "scope_growth": Rule("estimate_change", (7, 5, 4, 3, 2)),
    "upsell_intent": Rule("prepare_offer", (7, 5, 3, 2, 1)),
    "churn_hint": Rule("save_client", (3, 2, 1, 0, 0)),
    "praise": Rule("ask_reference", (14, 14, 14, 14, 14)),
    "overdue_work": Rule("replan_issue", (5, 3, 2, 1, 0)),
    "blocked_work": Rule("unblock_issue", (5, 3, 2, 1, 0)),
    "waiting_reply": Rule("reply_now", (1, 0, 0, 0, 0)),
    "client_silent": Rule("check_in", (7, 5, 3, 2, 1)),
    "deal_without_next_step": Rule("plan_next_step", (7, 5, 3, 2, 1)),
    "deal_past_close": Rule("update_close_date", (7, 5, 3, 2, 1)),
}


def action_for(signal: Detected, today: dt.date) -> ProposedAction:
    """The action that a signal found today suggests. What is not for today is due on a working day."""
    rule = ACTIONS[signal.kind]
    days = rule.days[signal.severity - 1]
    due = today + dt.timedelta(days=days)
    if days and due.weekday() >= _SATURDAY:
        due += dt.timedelta(days=7 - due.weekday())
    return ProposedAction(rule.code, due, {"kind": signal.kind})
