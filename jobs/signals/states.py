"""Signals that records tell by their state and the day: late and blocked work, silence, deals left alone. Pure.

Each function takes facts of one record and the moment, and returns a signal or None. What is told is a state, so its
confidence is high; `params` hold days and instants alone, never words of a record.
"""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from jobs.crm_stages import normalise_stage
from jobs.signals.messages import cut, needs_answer
from models.queries.moment import Moment
from models.queries.signal_sources import DealFacts, IssueFacts, SilentProject, WaitingConversation
from models.queries.signals import Detected, EvidenceRef

# After how long the studio's silence, and after how many days the client's, is news; and when it is the past.
WAITING_AFTER = dt.timedelta(hours=24)
SILENT_AFTER = dt.timedelta(days=14)
SILENT_AT_MOST = dt.timedelta(days=180)
# Who wrote less than this in the time before is no regular correspondent whose silence would say anything.
REGULAR_MESSAGES = 5
REGULAR_WITHIN = dt.timedelta(days=90)
# Stages in which a deal needs no next step.
CLOSED_STAGES = frozenset({"won", "lost"})
_IDLE_DAYS = 30
_SOON_DAYS = 7
# Linear: 1 urgent, 2 high, 3 medium, 4 low, 0 none.
_HIGH_PRIORITIES = (1, 2)
_URGENT = 1


def _step(value: float, *limits: float) -> int:
    """How many of the rising limits a value has reached."""
    return sum(value >= each for each in limits)


def overdue_work(issue: IssueFacts, moment: Moment) -> Detected | None:
    """An open issue whose due day is over; more severe with each week, one step more when it is urgent."""
    if issue.due_on is None or issue.due_on >= moment.today:
        return None
    late = (moment.today - issue.due_on).days
    severity = 2 + _step(late, 3, 8, 22) + (issue.priority == _URGENT)
    return Detected(
        project_id=issue.project_id,
        kind="overdue_work",
        subject_type="issue",
        subject_id=issue.id,
        severity=min(5, severity),
        confidence=0.95,
        evidence=(EvidenceRef("issue", issue.id, cut(issue.title)),),
        occurred_at=moment.start_of(issue.due_on + dt.timedelta(days=1)),
        occurrence=issue.due_on.isoformat(),
        params={"due_on": issue.due_on.isoformat()},
    )


def blocked_work(issue: IssueFacts, moment: Moment) -> Detected | None:
    """An open issue that waits for an unfinished one; more severe when it is due soon, late, or of high priority."""
    if not issue.is_blocked:
        return None
    severity = 2 + (issue.priority in _HIGH_PRIORITIES)
    if issue.due_on is not None:
        days_left = (issue.due_on - moment.today).days
        severity += (days_left <= _SOON_DAYS) + (days_left < 0)
    blockers = tuple(EvidenceRef("issue", each.id, cut(each.title)) for each in issue.blockers)
    return Detected(
        project_id=issue.project_id,
        kind="blocked_work",
        subject_type="issue",
        subject_id=issue.id,
        severity=min(5, severity),
        confidence=0.9,
        evidence=(EvidenceRef("issue", issue.id, cut(issue.title)), *blockers),
        occurred_at=issue.updated_at,
        params={} if issue.due_on is None else {"due_on": issue.due_on.isoformat()},
    )


def waiting_reply(talk: WaitingConversation, moment: Moment) -> Detected | None:
    """An open conversation in which the client has waited a day or longer; thanks alone wait for nothing."""
    waited = moment.now - talk.since
    if waited < WAITING_AFTER or (talk.unanswered == 1 and not needs_answer(talk.first_body)):
        return None
    hours = waited / dt.timedelta(hours=1)
    # A lone remark may have been the last word.
    is_remark = talk.unanswered == 1 and "?" not in talk.first_body
    return Detected(
        project_id=talk.project_id,
        kind="waiting_reply",
        subject_type="conversation",
        subject_id=talk.id,
        severity=min(5, 2 + _step(hours, 72, 168, 336)) - is_remark,
        confidence=0.6 if is_remark else 0.9,
        evidence=(EvidenceRef("message", talk.first_id, cut(talk.first_body)),),
        occurred_at=talk.since,
        occurrence=str(talk.first_id),
        params={"since": talk.since.isoformat()},
    )


def client_silent(project: SilentProject, moment: Moment) -> Detected | None:
    """A project whose client wrote regularly and has not for two weeks; after half a year it is the past."""
    silent = moment.now - project.last_at
    if not SILENT_AFTER <= silent <= SILENT_AT_MOST or project.messages_before < REGULAR_MESSAGES:
        return None
    return Detected(
        project_id=project.project_id,
        kind="client_silent",
        subject_type="conversation",
        subject_id=project.conversation_id,
        severity=2 + _step(silent.days, 30, 60),
        confidence=0.7,
        evidence=(EvidenceRef("message", project.last_id, cut(project.last_body)),),
        occurred_at=project.last_at,
        occurrence=str(project.last_id),
        params={"since": project.last_at.isoformat()},
    )


def deal_without_next_step(deal: DealFacts, moment: Moment) -> Detected | None:
    """An open deal with nothing written down to do next; more severe when its stage has not moved for a month."""
    if deal.next_step.strip() or _is_closed(deal):
        return None
    since = deal.stage_since or deal.created_at
    idle = (moment.now - since).days
    return Detected(
        project_id=deal.project_id,
        kind="deal_without_next_step",
        subject_type="deal",
        subject_id=deal.id,
        severity=2 + _step(idle, _IDLE_DAYS, 2 * _IDLE_DAYS),
        confidence=0.95,
        evidence=(EvidenceRef("deal", deal.id, cut(deal.name)),),
        occurred_at=since,
        # A deal that moved on and again has no next step is another case than the one that was decided.
        occurrence=since.astimezone(dt.UTC).date().isoformat(),
        params={"since": since.astimezone(ZoneInfo(moment.zone)).date().isoformat()},
    )


def deal_past_close(deal: DealFacts, moment: Moment) -> Detected | None:
    """An open deal whose close date is over."""
    if deal.close_on is None or deal.close_on >= moment.today or _is_closed(deal):
        return None
    late = (moment.today - deal.close_on).days
    return Detected(
        project_id=deal.project_id,
        kind="deal_past_close",
        subject_type="deal",
        subject_id=deal.id,
        severity=3 + _step(late, 14),
        confidence=0.95,
        evidence=(EvidenceRef("deal", deal.id, cut(deal.name)),),
        occurred_at=moment.start_of(deal.close_on + dt.timedelta(days=1)),
        occurrence=deal.close_on.isoformat(),
        params={"due_on": deal.close_on.isoformat()},
    )


def _is_closed(deal: DealFacts) -> bool:
    return normalise_stage(deal.stage) in CLOSED_STAGES
