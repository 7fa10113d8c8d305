"""The JSON shapes of Chatwoot's REST v1, built from an account's records."""

from datetime import datetime
from typing import Any

from jobs.sandbox.chatwoot.account import ACTIVITY, Account, Agent, Contact, Conversation, Inbox, Message

Json = dict[str, Any]

_FILE_TYPES = {"png": "image", "jpg": "image", "jpeg": "image", "gif": "image", "mp3": "audio", "ogg": "audio",
               "mp4": "video", "mov": "video"}  # fmt: skip


def epoch(at: datetime | None) -> int:
    """Chatwoot: epoch seconds, 0 means null."""
    return 0 if at is None else int(at.timestamp())


def agent_shape(account: Account, agent: Agent) -> Json:
    """An agent as in `GET /agents`."""
    return {
        "id": agent.id,
        "account_id": account.id,
        "availability_status": "online",
        "auto_offline": True,
        "confirmed": True,
        "email": agent.email,
        "available_name": agent.name,
        "name": agent.name,
        "role": "administrator" if agent.admin else "agent",
        "thumbnail": "",
        "custom_role_id": None,
    }


def inbox_shape(inbox: Inbox) -> Json:
    """An inbox as in `GET /inboxes`. Chatwoot: administrators also see secrets of the channel."""
    return {
        "id": inbox.id,
        "avatar_url": "",
        "channel_id": inbox.id,
        "name": inbox.name,
        "channel_type": inbox.channel_type,
        "greeting_enabled": False,
        "greeting_message": None,
        "working_hours_enabled": False,
        "enable_email_collect": True,
        "csat_survey_enabled": False,
        "enable_auto_assignment": False,
        "timezone": "Europe/Belgrade",
        "allow_messages_after_resolved": True,
        "hmac_token": f"hmac-secret-of-inbox-{inbox.id}",
        "imap_password": "imap-secret" if inbox.channel_type == "Channel::Email" else None,
    }


def contact_shape(account: Account, contact: Contact, *, with_inboxes: bool = True) -> Json:
    """A contact. Chatwoot: no `updated_at`; `last_activity_at` is left out when null."""
    shape: Json = {
        "additional_attributes": {
            key: value
            for key, value in (
                ("company_name", contact.company_name),
                ("city", contact.city),
                ("country", contact.country),
            )
            if value
        },
        "availability_status": "offline",
        "email": contact.email,
        "id": contact.id,
        "name": contact.name,
        "phone_number": contact.phone,
        "blocked": False,
        "identifier": None,
        "thumbnail": "",
        "custom_attributes": {},
        "created_at": epoch(contact.created_at),
    }
    if contact.last_activity_at is not None:
        shape["last_activity_at"] = epoch(contact.last_activity_at)
    if with_inboxes:
        shape["contact_inboxes"] = [
            {
                "source_id": contact.email or contact.phone or f"visitor-{contact.id}",
                "inbox": {
                    "id": n,
                    "name": account.inboxes[n].name,
                    "channel_type": account.inboxes[n].channel_type,
                },
            }
            for n in contact.inbox_ids
        ]
    return shape


def message_shape(account: Account, conversation: Conversation, message: Message, origin: str) -> Json:
    """A message. Chatwoot: integer `message_type`, epoch seconds, no `updated_at`, no sender on system lines."""
    shape: Json = {
        "id": message.id,
        "content": message.content,
        "account_id": account.id,
        "inbox_id": conversation.inbox_id,
        "conversation_id": conversation.id,
        "message_type": message.type,
        "content_type": message.content_type,
        "content_attributes": _content_attributes(account, conversation, message),
        "status": "sent",
        "created_at": epoch(message.created_at),
        "private": message.private,
        "source_id": None,
    }
    if message.sender is not None:
        shape["sender"] = _sender(account, message.sender)
    if message.attachments:
        shape["attachments"] = []
        for attachment in message.attachments:
            extension = attachment.name.rpartition(".")[2].lower()
            url = f"{origin}/rails/active_storage/blobs/redirect/{attachment.id}/{attachment.name}"
            shape["attachments"].append(
                {
                    "id": attachment.id,
                    "message_id": message.id,
                    "account_id": account.id,
                    "file_type": _FILE_TYPES.get(extension, "file"),
                    "extension": extension,
                    "data_url": url,
                    "thumb_url": "",
                    "file_size": attachment.size,
                    "width": None,
                    "height": None,
                }
            )
    return shape


def conversation_shape(account: Account, conversation: Conversation, origin: str) -> Json:
    """A conversation. Chatwoot: `messages` holds only the last one; `updated_at` is a float epoch."""
    contact = account.contacts[conversation.contact_id]
    last = conversation.messages[-1]
    spoken = next((m for m in reversed(conversation.messages) if m.type != ACTIVITY), last)
    meta: Json = {
        "sender": contact_shape(account, contact, with_inboxes=False),
        "channel": account.inboxes[conversation.inbox_id].channel_type,
        "hmac_verified": False,
    }
    if conversation.assignee_id is not None:
        meta["assignee"] = agent_shape(account, account.agents[conversation.assignee_id])
    if conversation.team_id is not None:
        meta["team"] = team_shape(account, conversation.team_id)
    attributes: Json = {"browser_language": conversation.lang}
    if conversation.subject:
        attributes["mail_subject"] = conversation.subject
    return {
        "meta": meta,
        "id": conversation.id,
        "messages": [message_shape(account, conversation, last, origin)],
        "account_id": account.id,
        "uuid": conversation.uuid,
        "additional_attributes": attributes,
        "agent_last_seen_at": epoch(conversation.last_agent_message_at()),
        "assignee_last_seen_at": epoch(conversation.last_agent_message_at()),
        "can_reply": True,
        "contact_last_seen_at": epoch(contact.last_activity_at),
        "custom_attributes": {},
        "inbox_id": conversation.inbox_id,
        "labels": list(conversation.labels),
        "muted": False,
        "snoozed_until": epoch(conversation.snoozed_until) or None,
        "status": conversation.status,
        "created_at": epoch(conversation.created_at),
        "updated_at": conversation.updated_at.timestamp(),
        "timestamp": epoch(conversation.last_activity_at),
        "first_reply_created_at": epoch(conversation.first_reply_at()),
        "unread_count": conversation.unread_count(),
        "last_non_activity_message": message_shape(account, conversation, spoken, origin),
        "last_activity_at": epoch(conversation.last_activity_at),
        "priority": conversation.priority,
        "waiting_since": epoch(conversation.waiting_since()),
        "sla_policy_id": None,
    }


def team_shape(account: Account, team_id: int) -> Json:
    """A team as in `GET /teams`."""
    return {
        "id": team_id,
        "name": account.teams[team_id],
        "description": None,
        "allow_auto_assign": False,
        "account_id": account.id,
        "is_member": True,
    }


def _content_attributes(account: Account, conversation: Conversation, message: Message) -> Json:
    if message.deleted:
        return {"deleted": True}
    if message.content_type != "incoming_email" or message.sender is None:
        return {}
    sender = _sender(account, message.sender)
    return {
        "email": {
            "subject": message.subject or conversation.subject,
            "from": [sender.get("email")],
            "date": message.created_at.isoformat(),
            "message_id": f"{conversation.uuid}.{message.id}@mail.example",
        }
    }


def _sender(account: Account, sender: tuple[str, int]) -> Json:
    kind, number = sender
    if kind == "user":
        agent = account.agents[number]
        return {
            "id": agent.id,
            "name": agent.name,
            "available_name": agent.name,
            "avatar_url": "",
            "type": "user",
            "availability_status": "online",
            "thumbnail": "",
        }
    return {**contact_shape(account, account.contacts[number], with_inboxes=False), "type": "contact"}
