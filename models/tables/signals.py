"""Signals and the next best actions they suggest: what was detected, the evidence for it, and what was decided.

A signal is about exactly one vendor record, by a column a kind of record, so that it follows the record into another
project and goes with it. `occurrence` tells one event of a record from the next: another due date that was missed,
another message that waits. No vendor's words are kept but those quoted in `evidence`; readers get them only while they
may read the record.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar, Literal, get_args
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Computed, Index, UniqueConstraint, Uuid
from sqlmodel import Field

from models.tables.base import (
    Scoped,
    child_key,
    id_field,
    json_field,
    list_field,
    scope_key,
    scoped_unique,
    time_field,
)
from models.tables.crm import version_field

MessageKind = Literal[
    "complaint", "payment_trouble", "price_pressure", "deadline_pressure", "scope_growth", "upsell_intent",
    "churn_hint", "praise",
]  # fmt: skip
StateKind = Literal[
    "overdue_work",
    "blocked_work",
    "waiting_reply",
    "client_silent",
    "deal_without_next_step",
    "deal_past_close",
]
SignalKind = MessageKind | StateKind
SubjectType = Literal["message", "conversation", "issue", "deal"]
SignalStatus = Literal["proposed", "accepted", "dismissed"]
ActionStatus = Literal["open", "done", "dismissed"]
ActionCode = Literal[
    "call_client", "clarify_payment", "discuss_price", "confirm_date", "estimate_change", "prepare_offer",
    "save_client", "ask_reference", "replan_issue", "unblock_issue", "reply_now", "check_in", "plan_next_step",
    "update_close_date",
]  # fmt: skip

MESSAGE_KINDS: tuple[MessageKind, ...] = get_args(MessageKind)
STATE_KINDS: tuple[StateKind, ...] = get_args(StateKind)
SIGNAL_STATUSES: tuple[SignalStatus, ...] = get_args(SignalStatus)
ACTION_STATUSES: tuple[ActionStatus, ...] = get_args(ActionStatus)
SUBJECTS: dict[SubjectType, str] = {
    "message": "cw_messages",
    "conversation": "cw_conversations",
    "issue": "linear_issues",
    "deal": "attio_deals",
}


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} in ({', '.join(repr(each) for each in values)})"


class Signal(Scoped, table=True):
    """Something detected in the records of a project. `evidence`: `[{type, id, quote}]`, never empty."""

    __tablename__: ClassVar[Any] = "signals"
    __table_args__ = (
        scope_key("signals"),
        scoped_unique("signals"),
        *(child_key("signals", f"{subject}_id", table) for subject, table in SUBJECTS.items()),
        UniqueConstraint("kind", "subject_id", "occurrence", name="uq_signals_event"),
        CheckConstraint(_one_of("kind", (*MESSAGE_KINDS, *STATE_KINDS)), name="ck_signals_kind"),
        CheckConstraint(_one_of("status", SIGNAL_STATUSES), name="ck_signals_status"),
        CheckConstraint("severity between 1 and 5", name="ck_signals_severity"),
        CheckConstraint("confidence between 0 and 1", name="ck_signals_confidence"),
        CheckConstraint("jsonb_array_length(evidence) > 0", name="ck_signals_evidence"),
        CheckConstraint(
            "num_nonnulls(message_id, conversation_id, issue_id, deal_id) = 1", name="ck_signals_subject"
        ),
        Index("ix_signals_project_occurred", "project_id", "occurred_at", "id"),
        Index("ix_signals_scope_created", "account_scope_id", "created_at"),
        Index("ix_signals_scope_status", "account_scope_id", "status", "kind"),
        *(Index(f"ix_signals_{subject}", f"{subject}_id") for subject in SUBJECTS),
    )

    id: UUID = id_field()
    kind: str
    message_id: UUID | None = None
    conversation_id: UUID | None = None
    issue_id: UUID | None = None
    deal_id: UUID | None = None
    subject_id: UUID | None = Field(
        default=None,
        sa_column=Column(
            Uuid, Computed("coalesce(message_id, conversation_id, issue_id, deal_id)", persisted=True)
        ),
    )
    occurrence: str = Field(default="", description="Which event of the record: a date, a message's id")
    severity: int
    confidence: float
    params: dict[str, Any] = json_field()
    evidence: list[dict[str, Any]] = list_field()
    status: str = Field(default="proposed")
    decided_by: str | None = None
    decided_at: dt.datetime | None = time_field()
    version: int = version_field()
    occurred_at: dt.datetime = time_field(required=True)
    created_at: dt.datetime = time_field(required=True)
    updated_at: dt.datetime = time_field(required=True)


class NextBestAction(Scoped, table=True):
    """What a signal suggests to do, by which day; it exists only with its signal."""

    __tablename__: ClassVar[Any] = "next_best_actions"
    __table_args__ = (
        scope_key("next_best_actions"),
        scoped_unique("next_best_actions"),
        child_key("next_best_actions", "signal_id", "signals"),
        UniqueConstraint("signal_id", "action", name="uq_next_best_actions_signal"),
        CheckConstraint(_one_of("action", get_args(ActionCode)), name="ck_next_best_actions_action"),
        CheckConstraint(_one_of("status", ACTION_STATUSES), name="ck_next_best_actions_status"),
        Index("ix_next_best_actions_project_due", "project_id", "due_on", "id"),
        Index("ix_next_best_actions_scope_created", "account_scope_id", "created_at"),
    )

    id: UUID = id_field()
    signal_id: UUID
    action: str
    params: dict[str, Any] = json_field()
    due_on: dt.date
    status: str = Field(default="open")
    decided_by: str | None = None
    decided_at: dt.datetime | None = time_field()
    version: int = version_field()
    created_at: dt.datetime = time_field(required=True)
    updated_at: dt.datetime = time_field(required=True)
