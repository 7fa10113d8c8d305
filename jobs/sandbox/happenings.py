"""Applies events to a tenant: those the authors wrote for ticks, and those a test asks for."""

from collections.abc import Callable
from datetime import datetime

from jobs.sandbox.tenant import Tenant
from jobs.sandbox.world.authored import ProjectWorld, TickEvent


class EventRefused(ValueError):
    """An event cannot happen in the present state of the world (its record is gone, or not yet there)."""


def apply_event(tenant: Tenant, project: ProjectWorld, event: TickEvent, at: datetime, tag: str) -> bool:
    """Let an event happen; answers whether it brought a new row. `tag` keeps ids of repeats apart.

    Raises EventRefused when the event's record does not exist (any more).
    """
    handler = _HANDLERS[event.kind]
    try:
        return handler(tenant, project, event, at, tag)
    except KeyError as error:
        raise EventRefused(f"{event.kind}: {error} of {project.info.slug} is not there") from error


def _conversation(tenant: Tenant, project: ProjectWorld, event: TickEvent, at: datetime, _: str) -> bool:
    if event.conversation is None:
        raise EventRefused("the event has no conversation")
    tenant.chatwoot_seed.start_conversation(project, event.conversation, at)
    return True


def _message(tenant: Tenant, project: ProjectWorld, event: TickEvent, at: datetime, _: str) -> bool:
    tenant.chatwoot_seed.say(project, event.target, event.author, event.text, at)
    return True


def _edit_message(tenant: Tenant, project: ProjectWorld, event: TickEvent, at: datetime, _: str) -> bool:
    message_id = tenant.chatwoot_seed.messages[project.info.slug, event.target]
    conversation = event.target.rpartition("/")[0]
    written = tenant.calendar.render(event.text, project.conversations[conversation].lang)
    tenant.account.edit_message(message_id, written, at)
    return False


def _delete_message(tenant: Tenant, project: ProjectWorld, event: TickEvent, at: datetime, _: str) -> bool:
    tenant.account.delete_message(tenant.chatwoot_seed.messages[project.info.slug, event.target], at)
    return False


def _issue_state(tenant: Tenant, project: ProjectWorld, event: TickEvent, at: datetime, tag: str) -> bool:
    tenant.linear.move_issue(tenant.linear_seed.issue(project, event.target), event.value, at)
    if event.text:
        tenant.linear_seed.comment(project, event.target, tag, event.author, event.text, at)
    return bool(event.text)


def _comment(tenant: Tenant, project: ProjectWorld, event: TickEvent, at: datetime, tag: str) -> bool:
    tenant.linear_seed.comment(project, event.target, tag, event.author, event.text, at)
    return True


def _deal_stage(tenant: Tenant, project: ProjectWorld, event: TickEvent, at: datetime, _: str) -> bool:
    tenant.attio_seed.set_stage(project, event.target, event.value, at)
    return False


def _note(tenant: Tenant, project: ProjectWorld, event: TickEvent, at: datetime, _: str) -> bool:
    if event.note is None:
        raise EventRefused("the event has no note")
    tenant.attio_seed.add_note(project, event.note, at)
    return True


def _merge_contacts(tenant: Tenant, project: ProjectWorld, event: TickEvent, at: datetime, _: str) -> bool:
    contacts, slug = tenant.chatwoot_seed.contacts, project.info.slug
    base, mergee = contacts[slug, event.target], contacts[slug, event.other]
    tenant.account.merge_contacts(base, mergee, at)
    contacts[slug, event.other] = base
    return False


def _merge_companies(tenant: Tenant, project: ProjectWorld, event: TickEvent, at: datetime, _: str) -> bool:
    tenant.attio_seed.merge_companies(project, event.target, event.other, at)
    return True


def _delete_issue(tenant: Tenant, project: ProjectWorld, event: TickEvent, at: datetime, _: str) -> bool:
    tenant.linear.trash_issue(tenant.linear_seed.issue(project, event.target), at)
    return False


_HANDLERS: dict[str, Callable[[Tenant, ProjectWorld, TickEvent, datetime, str], bool]] = {
    "conversation": _conversation,
    "message": _message,
    "edit_message": _edit_message,
    "delete_message": _delete_message,
    "issue_state": _issue_state,
    "comment": _comment,
    "deal_stage": _deal_stage,
    "note": _note,
    "merge_contacts": _merge_contacts,
    "merge_companies": _merge_companies,
    "delete_issue": _delete_issue,
}
