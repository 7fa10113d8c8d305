"""Contacts, conversations and messages as lists: what stands in the copy of Chatwoot, inside the caller's scope."""

from uuid import UUID

from models.infra.database import reading
from models.infra.scope import Scope
from models.queries import comms_lists
from models.queries.comms_lists import ContactFacts, ConversationFacts, MessageFacts, Page


def contacts(
    scope: Scope, words: str = "", *, cursor: str | None = None, limit: int = 50
) -> Page[ContactFacts]:
    """Contacts by name, those with `words` in name, e-mail or phone. Raises InvalidInput for a foreign cursor."""
    with reading() as session:
        return comms_lists.list_contacts(session, scope, words=words.strip(), cursor=cursor, limit=limit)


def conversations(
    scope: Scope,
    *,
    status: str = "",
    contact_id: UUID | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[ConversationFacts]:
    """Conversations, the last active first. Raises InvalidInput for a foreign cursor."""
    with reading() as session:
        return comms_lists.list_conversations(
            session, scope, status=status, contact_id=contact_id, cursor=cursor, limit=limit
        )


def messages(
    scope: Scope,
    *,
    conversation_id: UUID | None = None,
    direction: str = "",
    cursor: str | None = None,
    limit: int = 50,
) -> Page[MessageFacts]:
    """What clients and studio wrote each other, newest first. Raises InvalidInput for a foreign cursor."""
    with reading() as session:
        return comms_lists.list_messages(
            session, scope, conversation_id=conversation_id, direction=direction, cursor=cursor, limit=limit
        )
