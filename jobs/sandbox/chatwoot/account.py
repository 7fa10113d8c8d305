"""The records of one Chatwoot account and the ways they change.

Ids are handed out in the order of events, as a database sequence would; display ids count per account.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

INCOMING: Final = 0
OUTGOING: Final = 1
ACTIVITY: Final = 2
TEMPLATE: Final = 3

# Chatwoot: a deleted message stays, with this text and content_attributes.deleted, without attachments.
DELETED_TEXT: Final = "This message was deleted"

SenderKind = Literal["contact", "user"]


@dataclass(slots=True)
class Inbox:
    """An inbox and the technical channel behind it."""

    id: int
    name: str
    channel_type: str


@dataclass(slots=True)
class Agent:
    """A user of the account."""

    id: int
    key: str
    name: str
    email: str
    title: str
    admin: bool


@dataclass(slots=True)
class Contact:
    """A contact; without e-mail, phone and identifier it is an unresolved visitor."""

    id: int
    name: str
    email: str | None
    phone: str | None
    company_name: str | None
    city: str | None
    country: str | None
    created_at: datetime
    last_activity_at: datetime | None = None
    inbox_ids: list[int] = field(default_factory=list[int])

    @property
    def resolved(self) -> bool:
        """Chatwoot: the contact list shows only contacts that have an e-mail, phone or identifier."""
        return bool(self.email or self.phone)


@dataclass(slots=True)
class Attachment:
    """A file of a message; only its facts are kept."""

    id: int
    name: str
    size: int


@dataclass(slots=True)
class Message:
    """One message; `sender` is null for system messages."""

    id: int
    content: str | None
    type: int
    private: bool
    sender: tuple[SenderKind, int] | None
    created_at: datetime
    subject: str | None = None
    content_type: str = "text"
    deleted: bool = False
    attachments: list[Attachment] = field(default_factory=list[Attachment])


@dataclass(slots=True)
class Conversation:
    """A conversation; `id` is the display id, the number that URLs use."""

    id: int
    uuid: str
    inbox_id: int
    contact_id: int
    lang: str
    subject: str | None
    created_at: datetime
    updated_at: datetime
    last_activity_at: datetime
    status: str = "open"
    priority: str | None = None
    assignee_id: int | None = None
    team_id: int | None = None
    snoozed_until: datetime | None = None
    labels: list[str] = field(default_factory=list[str])
    messages: list[Message] = field(default_factory=list[Message])

    def first_reply_at(self) -> datetime | None:
        """When an agent first answered in public."""
        return next((m.created_at for m in self.messages if m.type == OUTGOING and not m.private), None)

    def waiting_since(self) -> datetime | None:
        """Since when the contact waits for a reply; null when nobody does."""
        since: datetime | None = None
        for message in self.messages:
            if message.type == INCOMING:
                since = since or message.created_at
            elif message.type == OUTGOING and not message.private:
                since = None
        return since

    def last_agent_message_at(self) -> datetime | None:
        """When an agent last wrote, publicly or not."""
        return next((m.created_at for m in reversed(self.messages) if m.type == OUTGOING), None)

    def unread_count(self) -> int:
        """Chatwoot: counts incoming messages since the agent's last visit, at most 10."""
        seen = self.last_agent_message_at()
        return min(
            10, sum(1 for m in self.messages if m.type == INCOMING and (seen is None or m.created_at > seen))
        )


class Account:
    """One account with its records; every change moves `updated_at` as the vendor does."""

    def __init__(self, account_id: int, name: str, first_id: int) -> None:
        self.id = account_id
        self.name = name
        self.first_id = first_id
        self.inboxes: dict[int, Inbox] = {}
        self.agents: dict[int, Agent] = {}
        self.labels: dict[str, str] = {}
        self.teams: dict[int, str] = {}
        self.contacts: dict[int, Contact] = {}
        self.conversations: dict[int, Conversation] = {}
        self.message_home: dict[int, int] = {}
        self._next_conversation = 1
        self._next_contact = first_id
        self._next_message = first_id
        self._next_attachment = first_id

    def add_contact(self, contact: Contact) -> Contact:
        """Store a contact under the next id."""
        contact.id = self._next_contact
        self._next_contact += 1
        self.contacts[contact.id] = contact
        return contact

    def open_conversation(self, conversation: Conversation) -> Conversation:
        """Store a conversation under the next display id."""
        conversation.id = self._next_conversation
        self._next_conversation += 1
        self.conversations[conversation.id] = conversation
        inboxes = self.contacts[conversation.contact_id].inbox_ids
        if conversation.inbox_id not in inboxes:
            inboxes.append(conversation.inbox_id)
        return conversation

    def add_message(self, conversation: Conversation, message: Message) -> Message:
        """Append a message under the next id.

        Chatwoot: `last_activity_at` moves with messages; an incoming one reopens a resolved conversation.
        """
        message.id = self._next_message
        self._next_message += 1
        for attachment in message.attachments:
            attachment.id = self._next_attachment
            self._next_attachment += 1
        conversation.messages.append(message)
        self.message_home[message.id] = conversation.id
        conversation.updated_at = message.created_at
        if message.type != ACTIVITY:
            conversation.last_activity_at = message.created_at
        if message.type == INCOMING:
            self.contacts[conversation.contact_id].last_activity_at = message.created_at
            if conversation.status in ("resolved", "snoozed"):
                conversation.status = "open"
        return message

    def note_activity(self, conversation: Conversation, text: str, at: datetime) -> None:
        """Append a system line such as "Conversation was marked resolved by …"."""
        self.add_message(conversation, Message(0, text, ACTIVITY, private=False, sender=None, created_at=at))

    def set_status(self, conversation: Conversation, status: str, by: str, at: datetime) -> None:
        """Change the status with the vendor's activity line. Moves `updated_at` only."""
        conversation.status = status
        conversation.snoozed_until = at + timedelta(days=3) if status == "snoozed" else None
        lines = {
            "resolved": f"Conversation was marked resolved by {by}",
            "open": f"Conversation was reopened by {by}",
            "pending": f"Conversation was marked as pending by {by}",
            "snoozed": f"Conversation was snoozed by {by}",
        }
        self.note_activity(conversation, lines[status], at)

    def edit_message(self, message_id: int, text: str, at: datetime) -> None:
        """Replace a text. Chatwoot: messages have no `updated_at`; the conversation is touched."""
        conversation, message = self.find_message(message_id)
        message.content = text
        conversation.updated_at = at

    def delete_message(self, message_id: int, at: datetime) -> None:
        """Blank a message the way the vendor does; it keeps its id and place."""
        conversation, message = self.find_message(message_id)
        message.content = DELETED_TEXT
        message.content_type = "text"
        message.deleted = True
        message.attachments.clear()
        conversation.updated_at = at

    def merge_contacts(self, base_id: int, mergee_id: int, at: datetime) -> None:
        """Chatwoot: the mergee's conversations and messages move to the base, the mergee is deleted."""
        base, mergee = self.contacts[base_id], self.contacts.pop(mergee_id)
        base.inbox_ids.extend(n for n in mergee.inbox_ids if n not in base.inbox_ids)
        base.email = base.email or mergee.email
        base.phone = base.phone or mergee.phone
        for conversation in self.conversations.values():
            if conversation.contact_id == mergee_id:
                conversation.contact_id = base_id
                conversation.updated_at = at
            for message in conversation.messages:
                if message.sender == ("contact", mergee_id):
                    message.sender = ("contact", base_id)

    def delete_conversation(self, conversation_id: int) -> None:
        """Chatwoot: an administrator may delete a conversation; its messages go with it and no event tells of it."""
        for message in self.conversations.pop(conversation_id).messages:
            del self.message_home[message.id]

    def find_message(self, message_id: int) -> tuple[Conversation, Message]:
        """A message with its conversation. Raises KeyError when unknown."""
        conversation = self.conversations[self.message_home[message_id]]
        return conversation, next(m for m in conversation.messages if m.id == message_id)
