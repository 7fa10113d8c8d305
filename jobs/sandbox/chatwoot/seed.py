"""Turns the authored conversations of a studio into the changes of one Chatwoot account over time."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from jobs.sandbox.chatwoot.account import (
    INCOMING,
    OUTGOING,
    TEMPLATE,
    Account,
    Agent,
    Attachment,
    Contact,
    Conversation,
    Inbox,
    Message,
)
from jobs.sandbox.world import authored
from jobs.sandbox.world.authored import ProjectWorld, StudioWorld
from jobs.sandbox.world.calendar import Calendar, Notional
from jobs.sandbox.world.identifiers import draw, vendor_uuid
from jobs.sandbox.world.timeline import Timeline

_CHANNELS = {
    "mail": "Channel::Email",
    "site": "Channel::WebWidget",
    "telegram": "Channel::Telegram",
    "website": "Channel::WebWidget",
}
_TEAMS = {"en": "english desk", "ru": "russian desk"}
_TOPICS = (
    "access",
    "billing",
    "bug",
    "complaint",
    "contract",
    "deadline",
    "feature",
    "launch",
    "praise",
    "support",
)
# One conversation in this many arrives through the shared inbox; fewer contacts qualify by their domain.
_HOTLINE_SHARE_BY_LABEL = 5
_HOTLINE_SHARE_BY_DOMAIN = 2


class ChatwootSeed:
    """Fills an account from the authored world and keeps the way from authored keys to vendor ids."""

    def __init__(self, studio: StudioWorld, calendar: Calendar, account: Account, timeline: Timeline) -> None:
        self._studio = studio
        self._calendar = calendar
        self.account = account
        self._timeline = timeline
        self.contacts: dict[tuple[str, str], int] = {}
        self.conversations: dict[tuple[str, str], int] = {}
        self.messages: dict[tuple[str, str], int] = {}
        self.agents: dict[str, int] = {}
        self.inboxes: dict[tuple[str, str], int] = {}
        self._seed_settings()
        for project in studio.projects.values():
            for conversation in project.conversations.values():
                self._schedule(project, conversation)
            self._schedule_silent_contacts(project)

    def start_conversation(self, project: ProjectWorld, source: authored.Conversation, at: datetime) -> int:
        """Let a whole conversation happen now; answers its display id."""
        for number, message in enumerate(source.messages, 1):
            self._say(project, source, number, message, at + timedelta(microseconds=number - 1))
        return self.conversations[project.info.slug, source.key]

    def say(self, project: ProjectWorld, conversation_key: str, author: str, text: str, at: datetime) -> int:
        """A new message in an existing conversation; answers its id."""
        conversation = self.account.conversations[self.conversations[project.info.slug, conversation_key]]
        written = self._calendar.render(text, project.conversations[conversation_key].lang)
        agent = self.agents.get(author)
        message = Message(
            0,
            written,
            INCOMING if agent is None else OUTGOING,
            private=False,
            sender=("contact", self.contact(project, author, at)) if agent is None else ("user", agent),
            created_at=at,
        )
        return self.account.add_message(conversation, message).id

    def contact(self, project: ProjectWorld, person_key: str, at: datetime) -> int:
        """The contact id of a person, created at first sight."""
        known = self.contacts.get((project.info.slug, person_key))
        if known is not None:
            return known
        person = project.people[person_key]
        company = project.companies.get(person.company or "")
        contact = self.account.add_contact(
            Contact(
                id=0,
                name=person.cw.name,
                email=person.cw.email,
                phone=_e164(person.cw.phone),
                company_name=company.cw_name if company else None,
                city=company.city if company else None,
                country=company.country if company else None,
                created_at=at,
            )
        )
        self.contacts[project.info.slug, person_key] = contact.id
        return contact.id

    def _seed_settings(self) -> None:
        account, first = self.account, self.account.first_id
        for number, staff in enumerate(self._studio.staff.values()):
            agent = Agent(first + number, staff.key, staff.name, staff.email, staff.title, staff.admin)
            account.agents[agent.id] = agent
            self.agents[staff.key] = agent.id
        for number, name in enumerate(_TEAMS.values()):
            account.teams[first + number] = name
        inbox_id = first
        for project in self._studio.projects.values():
            for key, name in project.info.inboxes:
                account.inboxes[inbox_id] = Inbox(inbox_id, name, _CHANNELS[key])
                self.inboxes[project.info.slug, key] = inbox_id
                inbox_id += 1
        account.labels.update(dict.fromkeys(_TOPICS, ""))
        hotline = self._studio.hotline
        if hotline is not None:
            account.inboxes[inbox_id] = Inbox(inbox_id, hotline.name, "Channel::Api")
            self.inboxes["", "hotline"] = inbox_id
            account.labels[f"project-{hotline.by_label}"] = "Routes hotline conversations to the project"
        for project in self._studio.projects.values():
            for conversation in project.conversations.values():
                account.labels.update(
                    {label: "" for label in conversation.labels if label not in account.labels}
                )

    def _schedule(self, project: ProjectWorld, source: authored.Conversation) -> None:
        slug = project.info.slug
        seconds = _seconds(f"{slug}/{source.key}", source.messages)
        for number, (message, second) in enumerate(zip(source.messages, seconds, strict=True), 1):
            self._timeline.schedule(
                message.at,
                lambda at, n=number, m=message: self._say(project, source, n, m, at),
                second,
            )
        if source.status != "open":
            pause = 4 + draw(170, slug, source.key, "pause")
            last = Notional(source.messages[-1].at + pause)
            self._timeline.schedule(
                last, lambda at: self._settle(project, source, at), draw(60, slug, source.key)
            )

    def _say(
        self,
        project: ProjectWorld,
        source: authored.Conversation,
        number: int,
        message: authored.Message,
        at: datetime,
    ) -> None:
        slug = project.info.slug
        known = self.conversations.get((slug, source.key))
        conversation = self._open(project, source, at) if known is None else self.account.conversations[known]
        agent = self.agents.get(message.author)
        if agent is not None and not message.private and conversation.first_reply_at() is None:
            self._take(conversation, source, agent, at)
        incoming = agent is None
        mail = source.inbox == "mail" and incoming
        stored = self.account.add_message(
            conversation,
            Message(
                0,
                self._calendar.render(message.text, source.lang),
                INCOMING if incoming else OUTGOING,
                private=message.private,
                sender=("user", agent)
                if agent is not None
                else ("contact", self.contact(project, message.author, at)),
                created_at=at,
                subject=source.subject if mail else None,
                content_type="incoming_email" if mail else "text",
                attachments=_attachments(slug, source.key, number, message.attachment),
            ),
        )
        self.messages[slug, f"{source.key}/{number}"] = stored.id
        if number == 1 and incoming and conversation.inbox_id == self.inboxes.get((slug, "site")):
            self._ask_visitor(conversation, at)

    def _open(self, project: ProjectWorld, source: authored.Conversation, at: datetime) -> Conversation:
        slug = project.info.slug
        shared = self._through_hotline(project, source)
        contact_id = self.contact(project, source.contact, at)
        inbox = self.inboxes["", "hotline"] if shared else self.inboxes[slug, source.inbox]
        subject = self._calendar.render(source.subject, source.lang) if source.subject else None
        conversation = self.account.open_conversation(
            Conversation(
                id=0,
                uuid=vendor_uuid(self._studio.slug, "conversation", slug, source.key),
                inbox_id=inbox,
                contact_id=contact_id,
                lang=source.lang,
                subject=subject,
                created_at=at,
                updated_at=at,
                last_activity_at=at,
                priority=source.priority,
            )
        )
        if shared and self._studio.hotline and slug == self._studio.hotline.by_label:
            conversation.labels.append(f"project-{slug}")
        answered = any(m.author in self.agents and not m.private for m in source.messages)
        if source.assignee is not None and not answered:
            conversation.assignee_id = self.agents[source.assignee]
            conversation.labels.extend(source.labels)
        self.conversations[slug, source.key] = conversation.id
        return conversation

    def _through_hotline(self, project: ProjectWorld, source: authored.Conversation) -> bool:
        hotline, slug = self._studio.hotline, project.info.slug
        if hotline is None or slug not in (hotline.by_label, hotline.by_domain):
            return False
        share = _HOTLINE_SHARE_BY_LABEL
        if slug == hotline.by_domain:
            # Only the contact's own domain can tell this project's calls from the other's.
            domains = {domain for company in project.companies.values() for domain in company.domains}
            email = project.people[source.contact].cw.email
            if email is None or email.rpartition("@")[2] not in domains:
                return False
            share = _HOTLINE_SHARE_BY_DOMAIN
        return draw(share, slug, source.key, "hotline") == 0

    def _take(
        self, conversation: Conversation, source: authored.Conversation, agent: int, at: datetime
    ) -> None:
        """The first public answer: the conversation gets its assignee, team and labels."""
        account = self.account
        by = account.agents[agent].name
        team = list(_TEAMS).index(conversation.lang)
        conversation.team_id = account.first_id + team
        if source.assignee is not None:
            conversation.assignee_id = self.agents[source.assignee]
            owner = account.agents[conversation.assignee_id].name
            line = f"{by} self-assigned this conversation" if owner == by else f"Assigned to {owner} by {by}"
            account.note_activity(conversation, line, at)
        fresh = [label for label in source.labels if label not in conversation.labels]
        if fresh:
            conversation.labels.extend(fresh)
            account.note_activity(conversation, f"{by} added {', '.join(fresh)}", at)

    def _settle(self, project: ProjectWorld, source: authored.Conversation, at: datetime) -> None:
        conversation = self.account.conversations[self.conversations[project.info.slug, source.key]]
        last_agent = next((m.author for m in reversed(source.messages) if m.author in self.agents), None)
        who = source.assignee or last_agent
        by = self._studio.staff[who].name if who else "Automation System"
        if conversation.assignee_id is None and source.assignee is not None:
            conversation.assignee_id = self.agents[source.assignee]
        conversation.labels.extend(label for label in source.labels if label not in conversation.labels)
        self.account.set_status(conversation, source.status, by, at)

    def _ask_visitor(self, conversation: Conversation, at: datetime) -> None:
        # Chatwoot's widget asks visitors it does not know for an address: message_type 3, template.
        if not self.account.contacts[conversation.contact_id].resolved:
            asked = Message(
                0, "Give the team a way to reach you.", TEMPLATE, private=False, sender=None, created_at=at
            )
            self.account.add_message(conversation, asked)

    def _schedule_silent_contacts(self, project: ProjectWorld) -> None:
        talking = set(_speakers(project))
        for person in project.people.values():
            if "cw" in person.present and person.key not in talking:
                slug = project.info.slug
                at = Notional(
                    -(12 + draw(24, slug, person.key)) * 7 * 1440 + 10 * 60 + draw(400, slug, person.key)
                )
                self._timeline.schedule(at, lambda now, key=person.key: self._add_silently(project, key, now))

    def _add_silently(self, project: ProjectWorld, person_key: str, at: datetime) -> None:
        self.contact(project, person_key, at)


def _speakers(project: ProjectWorld) -> Iterator[str]:
    for conversation in project.conversations.values():
        yield conversation.contact
        yield from (message.author for message in conversation.messages)


def _seconds(key: str, messages: tuple[authored.Message, ...]) -> Iterator[int]:
    """A second inside the minute for each message, rising within one minute."""
    previous, second = None, 0
    for number, message in enumerate(messages):
        second = min(59, second + 7) if message.at == previous else draw(40, key, str(number))
        previous = message.at
        yield second


def _attachments(slug: str, key: str, number: int, name: str | None) -> list[Attachment]:
    return [Attachment(0, name, 18_000 + draw(900_000, slug, key, str(number)))] if name else []


def _e164(phone: str | None) -> str | None:
    # Chatwoot stores phone numbers as E.164: a plus and digits only.
    return None if phone is None else "+" + "".join(c for c in phone if c.isdigit())
