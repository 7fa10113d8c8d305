"""The record sets behind every figure: one predicate each, used for the number and for the list of its records.

A set is a SELECT of the same columns whatever it holds: `source_type, record_id, project_id, occurred_at, value,
bucket, series`. `record_figures` aggregates it, `record_lists` pages it; neither adds a condition of its own except
equality on a named dimension, so a number and its drill-down cannot drift apart.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    Numeric,
    Select,
    String,
    and_,
    case,
    cast,
    exists,
    false,
    func,
    literal,
    null,
    or_,
    select,
)
from sqlalchemy.orm import Mapped, aliased
from sqlmodel import col

from models.infra.scope import Scope
from models.queries.moment import Moment
from models.tables.attio import Deal
from models.tables.base import VendorRecord
from models.tables.chatwoot import Conversation, Message
from models.tables.linear import Issue
from models.tables.platform import Project

Aggregate = Literal["count", "sum", "median"]
Unit = Literal["count", "hours", "money"]
Rows = Select[Any, Any, Any, Any, Any, Any, Any]
# A table's column or any other SQL expression.
Column = ColumnElement[Any] | Mapped[Any]

# A quarter: long enough for a trend, short enough that each week can be told apart on a phone.
WEEKS = 13
INCOMING, OUTGOING = 0, 1
CLOSED_STATES = ("completed", "canceled", "duplicate")
# Attio's stages are free text; closed ones start with these words ("Won 🎉"). Until a stage table maps them.
CLOSED_STAGE = "^(won|lost|выигран|проигран)"
AGE_BANDS: tuple[tuple[str, float], ...] = (
    ("under_1d", 24),
    ("1_3d", 72),
    ("3_7d", 168),
    ("over_7d", float("inf")),
)


@dataclass(frozen=True, slots=True)
class RecordSet:
    """One set: its name, how to select it, which parameters narrow it (name → column) and what its figure is."""

    code: str
    select: Callable[[Scope, Moment], Rows]
    dimensions: Mapping[str, str] = field(default_factory=dict[str, str])
    aggregate: Aggregate = "count"
    unit: Unit = "count"


def _rows(
    source_type: str,
    model: type[VendorRecord],
    occurred_at: Column,
    *,
    value: Column | None = None,
    bucket: Column | None = None,
    series: Column | None = None,
) -> Rows:
    """The uniform columns over one raw table."""
    return select(
        literal(source_type, String).label("source_type"),
        col(model.id).label("record_id"),
        col(model.project_id).label("project_id"),
        occurred_at.label("occurred_at"),
        (cast(null(), Numeric) if value is None else cast(value, Numeric)).label("value"),
        (cast(null(), String) if bucket is None else cast(bucket, String)).label("bucket"),
        (cast(null(), String) if series is None else cast(series, String)).label("series"),
    )


def live(model: type[VendorRecord], scope: Scope) -> ColumnElement[bool]:
    """Rows inside the scope that the vendor still has."""
    return and_(
        col(model.account_scope_id) == scope.account_scope_id,
        col(model.project_id).in_(scope.project_ids),
        col(model.deleted_at).is_(None),
    )


# --- messages ---------------------------------------------------------------------------------------------------


def _talk(scope: Scope) -> ColumnElement[bool]:
    """What client and studio said to each other: no private notes, no activity lines, no templates."""
    return and_(
        live(Message, scope), ~col(Message.private), col(Message.message_type).in_((INCOMING, OUTGOING))
    )


def _messages(scope: Scope, moment: Moment, since: dt.datetime, until: dt.datetime) -> Rows:
    sent = col(Message.sent_at)
    direction = case((col(Message.message_type) == INCOMING, "incoming"), else_="outgoing")
    rows = _rows("message", Message, sent, bucket=moment.week_of(sent), series=direction)
    return rows.where(_talk(scope), sent >= since, sent < until)


def messages_7d(scope: Scope, moment: Moment) -> Rows:
    """Messages of the last seven local days, today included."""
    return _messages(scope, moment, moment.start_of(moment.today - dt.timedelta(days=6)), moment.now)


def messages_before_7d(scope: Scope, moment: Moment) -> Rows:
    """Messages of the seven local days before those, up to the same time of day."""
    week = dt.timedelta(days=7)
    since = moment.start_of(moment.today - dt.timedelta(days=13))
    return _messages(scope, moment, since, moment.now - week)


def messages_weekly(scope: Scope, moment: Moment) -> Rows:
    """Messages of the last quarter by week and direction."""
    return _messages(scope, moment, moment.start_of(moment.weeks(WEEKS)[0]), moment.now)


def first_response(scope: Scope, moment: Moment) -> Rows:
    """Conversations that a client opened in the last quarter and the studio answered; value: hours to the answer.

    The clock starts with the client's first message, and its week is the week counted.
    """
    first = (
        select(
            col(Message.conversation_id).label("conversation_id"),
            func.min(col(Message.sent_at)).label("asked_at"),
        )
        .where(_talk(scope), col(Message.message_type) == INCOMING)
        .group_by(col(Message.conversation_id))
        .subquery()
    )
    answer = aliased(Message)
    answered = (
        select(first.c.conversation_id, first.c.asked_at, func.min(col(answer.sent_at)).label("answered_at"))
        .join(
            answer,
            and_(
                col(answer.conversation_id) == first.c.conversation_id,
                col(answer.sent_at) >= first.c.asked_at,
            ),
        )
        .where(
            first.c.asked_at >= moment.start_of(moment.weeks(WEEKS)[0]),
            live(answer, scope),
            ~col(answer.private),
            col(answer.message_type) == OUTGOING,
        )
        .group_by(first.c.conversation_id, first.c.asked_at)
        .subquery()
    )
    hours = func.extract("epoch", answered.c.answered_at - answered.c.asked_at) / 3600
    rows = _rows(
        "conversation",
        Conversation,
        answered.c.asked_at,
        value=hours,
        bucket=moment.week_of(answered.c.asked_at),
    )
    return rows.join(answered, answered.c.conversation_id == col(Conversation.id)).where(
        live(Conversation, scope)
    )


def waiting_conversations(scope: Scope, moment: Moment) -> Rows:
    """Open conversations in which the client spoke last; value: hours since their first unanswered message."""
    talk = (
        select(
            col(Message.conversation_id).label("conversation_id"),
            col(Message.sent_at).label("sent_at"),
            col(Message.message_type).label("message_type"),
            func.max(col(Message.sent_at))
            .filter(col(Message.message_type) == OUTGOING)
            .over(partition_by=col(Message.conversation_id))
            .label("answered_at"),
        )
        .where(
            _talk(scope),
            col(Message.conversation_id).in_(
                select(col(Conversation.id)).where(
                    live(Conversation, scope), col(Conversation.status) == "open"
                )
            ),
        )
        .subquery()
    )
    unanswered = (
        select(talk.c.conversation_id, func.min(talk.c.sent_at).label("since"))
        .where(
            talk.c.message_type == INCOMING,
            or_(talk.c.answered_at.is_(None), talk.c.sent_at > talk.c.answered_at),
        )
        .group_by(talk.c.conversation_id)
        .subquery()
    )
    hours = func.extract("epoch", literal(moment.now) - unanswered.c.since) / 3600
    band = case(*[(hours < limit, code) for code, limit in AGE_BANDS[:-1]], else_=AGE_BANDS[-1][0])
    rows = _rows("conversation", Conversation, unanswered.c.since, value=hours, bucket=band)
    return rows.join(unanswered, unanswered.c.conversation_id == col(Conversation.id)).where(
        live(Conversation, scope)
    )


# --- issues -----------------------------------------------------------------------------------------------------


def _open_issue(scope: Scope) -> ColumnElement[bool]:
    return and_(
        live(Issue, scope),
        ~col(Issue.trashed),
        col(Issue.archived_at).is_(None),
        col(Issue.state_type).not_in(CLOSED_STATES),
    )


def _overdue(moment: Moment) -> ColumnElement[bool]:
    # A due date is met until its day is over where the studio works.
    return func.coalesce(col(Issue.due_date) < moment.today, false())


def _blocked() -> ColumnElement[bool]:
    """Some issue that blocks it is not known to be finished. Only blockers of the same project are looked at: one
    of another project counts as unfinished, so that nothing about that project shows here.
    """
    named = (
        func.unnest(cast(col(Issue.blocked_by), ARRAY(String))).table_valued("identifier").render_derived()
    )
    blocker = aliased(Issue)
    finished = exists().where(
        col(blocker.connection_id) == col(Issue.connection_id),
        col(blocker.project_id) == col(Issue.project_id),
        col(blocker.identifier) == named.c.identifier,
        or_(
            col(blocker.state_type).in_(CLOSED_STATES),
            col(blocker.trashed),
            col(blocker.deleted_at).is_not(None),
        ),
    )
    return exists(select(literal(1)).select_from(named).where(~finished).correlate(Issue))


def open_issues(scope: Scope, _moment: Moment) -> Rows:
    """Issues that are neither finished nor archived."""
    return _rows("issue", Issue, col(Issue.source_created_at)).where(_open_issue(scope))


def overdue_issues(scope: Scope, moment: Moment) -> Rows:
    """Open issues whose due date has passed; value: hours since the end of that day."""
    due = func.timezone(moment.zone, cast(col(Issue.due_date) + 1, DateTime(timezone=False)))
    late = func.extract("epoch", literal(moment.now) - due) / 3600
    return _rows("issue", Issue, due, value=late).where(_open_issue(scope), _overdue(moment))


def overdue_or_blocked_issues(scope: Scope, moment: Moment) -> Rows:
    """Open issues past their due date or held up by an unfinished one; each is counted once, as overdue first."""
    why = case((_overdue(moment), "overdue"), else_="blocked")
    rows = _rows("issue", Issue, col(Issue.source_updated_at), series=why)
    return rows.where(_open_issue(scope), or_(_overdue(moment), _blocked()))


def _issues_by_week(scope: Scope, moment: Moment, instant: Column) -> Rows:
    rows = _rows("issue", Issue, instant, bucket=moment.week_of(instant))
    return rows.where(
        live(Issue, scope),
        ~col(Issue.trashed),
        instant >= moment.start_of(moment.weeks(WEEKS)[0]),
        instant <= moment.now,
    )


def issues_created(scope: Scope, moment: Moment) -> Rows:
    """Issues created in the last quarter, by week."""
    return _issues_by_week(scope, moment, col(Issue.source_created_at))


def issues_completed(scope: Scope, moment: Moment) -> Rows:
    """Issues completed in the last quarter, by week of completion."""
    return _issues_by_week(scope, moment, col(Issue.completed_at))


# --- deals and projects -----------------------------------------------------------------------------------------


def _open_deal(scope: Scope) -> ColumnElement[bool]:
    return and_(live(Deal, scope), ~func.coalesce(col(Deal.stage), "").regexp_match(CLOSED_STAGE, flags="i"))


def open_deals(scope: Scope, _moment: Moment) -> Rows:
    """Deals neither won nor lost, with or without an amount."""
    return _rows("deal", Deal, col(Deal.source_created_at)).where(_open_deal(scope))


def pipeline(scope: Scope, _moment: Moment) -> Rows:
    """Open deals with an amount; value: the amount in the deal's own currency, which is the series."""
    rows = _rows(
        "deal",
        Deal,
        col(Deal.source_created_at),
        value=col(Deal.value),
        bucket=func.coalesce(col(Deal.stage), ""),
        series=col(Deal.currency),
    )
    return rows.where(_open_deal(scope), col(Deal.value).is_not(None), col(Deal.currency).is_not(None))


def active_projects(scope: Scope, _moment: Moment) -> Rows:
    """Client projects of the scope that are not archived."""
    return select(
        literal("project", String).label("source_type"),
        col(Project.id).label("record_id"),
        col(Project.id).label("project_id"),
        col(Project.created_at).label("occurred_at"),
        cast(null(), Numeric).label("value"),
        cast(null(), String).label("bucket"),
        cast(null(), String).label("series"),
    ).where(
        col(Project.account_scope_id) == scope.account_scope_id,
        col(Project.id).in_(scope.project_ids),
        col(Project.kind) == "client",
        col(Project.archived_at).is_(None),
    )


SETS: Mapping[str, RecordSet] = {
    each.code: each
    for each in (
        RecordSet("active_projects", active_projects),
        RecordSet("messages_7d", messages_7d),
        RecordSet("messages_before_7d", messages_before_7d),
        RecordSet("messages_weekly", messages_weekly, {"week": "bucket", "direction": "series"}),
        RecordSet("first_response", first_response, {"week": "bucket"}, "median", "hours"),
        RecordSet("waiting_conversations", waiting_conversations, {"age": "bucket"}),
        RecordSet("open_issues", open_issues),
        RecordSet("overdue_issues", overdue_issues),
        RecordSet("overdue_or_blocked_issues", overdue_or_blocked_issues, {"reason": "series"}),
        RecordSet("issues_created", issues_created, {"week": "bucket"}),
        RecordSet("issues_completed", issues_completed, {"week": "bucket"}),
        RecordSet("open_deals", open_deals),
        RecordSet("pipeline", pipeline, {"stage": "bucket", "currency": "series"}, "sum", "money"),
    )
}
