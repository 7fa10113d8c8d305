"""The page of a conversation, with the message an evidence link asks for marked."""

from datetime import datetime

from starlette.responses import Response

from jobs.sandbox.chatwoot.account import ACTIVITY, OUTGOING, TEMPLATE, Account, Message
from jobs.sandbox.serving.html import Block, Page, missing, render
from jobs.sandbox.world.calendar import STUDIO_ZONE


def conversation_page(account: Account | None, conversation_id: int, asked: str) -> Response:
    """The HTML page of a conversation; `asked` is the message id of `?messageId=`."""
    conversation = account.conversations.get(conversation_id) if account else None
    if account is None or conversation is None:
        return missing("Chatwoot", "conversation")
    contact = account.contacts[conversation.contact_id]
    agent = account.agents.get(conversation.assignee_id or -1)
    known = any(str(message.id) == asked for message in conversation.messages)
    return render(
        Page(
            vendor="Chatwoot",
            title=conversation.subject or f"Conversation with {contact.name}",
            chips=(conversation.status, *conversation.labels),
            facts=(
                ("Contact", ", ".join(x for x in (contact.name, contact.email, contact.phone) if x)),
                ("Company", contact.company_name or ""),
                ("Inbox", account.inboxes[conversation.inbox_id].name),
                ("Assignee", agent.name if agent else "nobody"),
                ("Number", f"#{conversation.id}"),
            ),
            blocks=tuple(_block(account, message, asked) for message in conversation.messages),
            asked=f"message-{asked}" if known else "",
        )
    )


def contact_page(account: Account | None, contact_id: int) -> Response:
    """The HTML page of a contact with links to its conversations."""
    contact = account.contacts.get(contact_id) if account else None
    if account is None or contact is None:
        return missing("Chatwoot", "contact")
    own = [c for c in account.conversations.values() if c.contact_id == contact_id]
    return render(
        Page(
            vendor="Chatwoot",
            title=contact.name,
            facts=(
                ("E-mail", contact.email or ""),
                ("Phone", contact.phone or ""),
                ("Company", contact.company_name or ""),
                ("City", contact.city or ""),
            ),
            links=tuple(
                (c.subject or f"Conversation #{c.id}", f"/app/accounts/{account.id}/conversations/{c.id}")
                for c in reversed(own)
            ),
        )
    )


def attachment_page(name: str) -> Response:
    """A placeholder for a file: the demo keeps names and sizes, no contents."""
    return render(Page("Chatwoot", name, text="The contents of attached files are not part of the demo."))


def spoken_time(at: datetime) -> str:
    """A time in the studio's zone."""
    return at.astimezone(STUDIO_ZONE).strftime("%a %d %b %Y, %H:%M")


def _block(account: Account, message: Message, asked: str) -> Block:
    author = "System"
    if message.sender is not None:
        kind, number = message.sender
        author = account.agents[number].name if kind == "user" else account.contacts[number].name
    tone = "own" if message.type == OUTGOING else ""
    if message.type in (ACTIVITY, TEMPLATE) or message.private:
        tone = "quiet"
    if str(message.id) == asked:
        tone = "asked"
    files = "".join(f"\n[{attachment.name}]" for attachment in message.attachments)
    note = " (private note)" if message.private else ""
    byline = f"{author}{note}, {spoken_time(message.created_at)}"
    return Block(f"message-{message.id}", byline, f"{message.content or ''}{files}", tone)
