"""Turns the authored companies, people, deals and notes into the changes of one Attio workspace."""

from datetime import datetime

from jobs.sandbox.attio import workspace as shapes
from jobs.sandbox.attio.schema import Json
from jobs.sandbox.attio.workspace import SYSTEM_ACTOR, Listed, Member, Note, Workspace
from jobs.sandbox.world import authored
from jobs.sandbox.world.authored import ProjectWorld, StudioWorld
from jobs.sandbox.world.calendar import MINUTES_A_DAY, MINUTES_A_WEEK, Calendar, Notional
from jobs.sandbox.world.identifiers import draw
from jobs.sandbox.world.timeline import Timeline

_OBJECTS = {"deal": "deals", "company": "companies", "person": "people"}


class AttioSeed:
    """Fills a workspace from the authored world and keeps the way from authored keys to record ids."""

    def __init__(
        self, studio: StudioWorld, calendar: Calendar, workspace: Workspace, timeline: Timeline
    ) -> None:
        self._calendar = calendar
        self.workspace = workspace
        self._timeline = timeline
        self.companies: dict[tuple[str, str], str] = {}
        self.people: dict[tuple[str, str], str] = {}
        self.deals: dict[tuple[str, str], str] = {}
        self.notes: dict[tuple[str, str], str] = {}
        self._members: dict[str, str] = {}
        for staff in studio.staff.values():
            member = Member(
                workspace.ids.of("member", staff.key), staff.first, staff.last, staff.email, staff.admin
            )
            workspace.members[member.id] = member
            self._members[staff.key] = member.id
        for project in studio.projects.values():
            self._schedule(project)

    def actor(self, staff_key: str) -> Json:
        """A member of the staff as an actor."""
        return {"type": "workspace-member", "id": self._members[staff_key]}

    def set_stage(self, project: ProjectWorld, deal_key: str, stage: str, at: datetime) -> None:
        """Move a deal; the old stage stays in its history."""
        entry = self.workspace.records["deals"][self.deals[project.info.slug, deal_key]]
        actor = self.actor(project.deals[deal_key].owner)
        status = {"attribute_type": "status", "status": self.workspace.ids.status_shape(stage)}
        self.workspace.set(entry, "stage", [status], at, actor)

    def add_note(self, project: ProjectWorld, source: authored.Note, at: datetime) -> str:
        """Write a note; answers its id."""
        slug, ids = project.info.slug, self.workspace.ids
        known = {"deal": self.deals, "company": self.companies, "person": self.people}[source.parent_kind]
        note = Note(
            id=ids.of("note", slug, source.key),
            parent_object=_OBJECTS[source.parent_kind],
            parent_id=known[slug, source.parent],
            title=self._calendar.render(source.title, project.info.lang),
            text=self._calendar.render(source.text, project.info.lang),
            actor=self.actor(source.author),
            created_at=at,
        )
        self.workspace.notes[note.id] = note
        self.notes[slug, source.key] = note.id
        return note.id

    def merge_companies(self, project: ProjectWorld, primary: str, secondary: str, at: datetime) -> str:
        """Merge two companies; both keys lead to the new record afterwards."""
        slug = project.info.slug
        pair = self.companies[slug, primary], self.companies[slug, secondary]
        merged = self.workspace.merge_companies(*pair, at)
        self.companies[slug, primary] = self.companies[slug, secondary] = merged
        return merged

    def _schedule(self, project: ProjectWorld) -> None:
        slug = project.info.slug
        if project.info.team is not None:
            self.workspace.lists[list_slug(slug)] = project.info.client
        arrivals = {key: self._arrival(project, key) for key in project.people}
        for company in project.companies.values():
            own = [arrivals[p.key] - 60 for p in project.people.values() if p.company == company.key]
            own += [
                _opened(project, d) - MINUTES_A_DAY
                for d in project.deals.values()
                if d.company == company.key
            ]
            own += [
                n.at - MINUTES_A_DAY
                for n in project.notes.values()
                if (n.parent_kind, n.parent) == ("company", company.key)
            ]
            own.append(_workday(-(12 + draw(38, slug, company.key)), slug, company.key))
            at = Notional(min(own))
            self._timeline.schedule(at, lambda now, c=company: self._add_company(project, c, now))
        for person in project.people.values():
            if "attio" in person.present:
                self._timeline.schedule(
                    arrivals[person.key], lambda now, p=person: self._add_person(project, p, now)
                )
        for deal in project.deals.values():
            self._schedule_deal(project, deal)
        for note in project.notes.values():
            second = draw(59, slug, note.key)
            self._timeline.schedule(note.at, lambda now, n=note: self._note_later(project, n, now), second)

    @staticmethod
    def _arrival(project: ProjectWorld, key: str) -> Notional:
        slug = project.info.slug
        first_seen = [_opened(project, d) for d in project.deals.values() if key in d.people]
        first_seen += [n.at for n in project.notes.values() if (n.parent_kind, n.parent) == ("person", key)]
        usual = _workday(-(6 + draw(33, slug, key)), slug, key)
        return Notional(min([usual, *(at - MINUTES_A_DAY for at in first_seen)]))

    def _note_later(self, project: ProjectWorld, source: authored.Note, at: datetime) -> None:
        self.add_note(project, source, at)

    def _add_company(self, project: ProjectWorld, source: authored.Company, at: datetime) -> None:
        workspace, slug = self.workspace, project.info.slug
        actor = self.actor("dana-whitfield")
        entry = workspace.add("companies", workspace.ids.of("company", slug, source.key), actor, at)
        self.companies[slug, source.key] = entry.id
        workspace.set(entry, "name", [shapes.text(source.name)], at, actor)
        workspace.set(entry, "domains", [shapes.domain(value) for value in source.domains], at, actor)
        if source.description:
            description = self._calendar.render(source.description, project.info.lang)
            workspace.set(entry, "description", [shapes.text(description)], at, actor)
        if source.city or source.country:
            # Attio enriches locations itself: the author of such values is the system.
            place = shapes.location(source.city, source.country)
            workspace.set(entry, "primary_location", [place], at, SYSTEM_ACTOR)
        options = [
            {
                "attribute_type": "select",
                "option": {
                    "id": workspace.ids.option_id("categories", title),
                    "title": title,
                    "is_archived": False,
                },
            }
            for title in source.categories
        ]
        workspace.set(entry, "categories", options, at, actor)
        if list_slug(slug) in workspace.lists:
            listed = Listed(workspace.ids.of("entry", slug, source.key), list_slug(slug), entry.id, at)
            workspace.listed[listed.id] = listed

    def _add_person(self, project: ProjectWorld, source: authored.Person, at: datetime) -> None:
        workspace, slug = self.workspace, project.info.slug
        actor = self.actor("dana-whitfield")
        entry = workspace.add("people", workspace.ids.of("person", slug, source.key), actor, at)
        self.people[slug, source.key] = entry.id
        company = project.companies.get(source.company or "")
        name = source.attio
        workspace.set(entry, "name", [shapes.personal_name(name.first, name.last)], at, actor)
        if name.email:
            workspace.set(entry, "email_addresses", [shapes.email_address(name.email)], at, actor)
        if name.phone:
            country = company.country if company else ""
            workspace.set(entry, "phone_numbers", [shapes.phone_number(name.phone, country)], at, actor)
        if source.job:
            workspace.set(entry, "job_title", [shapes.text(source.job)], at, actor)
        if company is not None:
            target = shapes.reference("companies", self.companies[slug, company.key])
            workspace.set(entry, "company", [target], at, actor)

    def _schedule_deal(self, project: ProjectWorld, source: authored.Deal) -> None:
        second = draw(59, project.info.slug, source.key)
        self._timeline.schedule(
            _opened(project, source), lambda at: self._add_deal(project, source, at), second
        )
        for stage, when in source.history[1:]:
            self._timeline.schedule(
                Notional(max(when, source.created)),
                lambda at, s=stage: self.set_stage(project, source.key, s, at),
                second,
            )
        planned = Notional(max(source.history[-1][1], source.created))
        self._timeline.schedule(planned, lambda at: self._plan(project, source, at), second)

    def _add_deal(self, project: ProjectWorld, source: authored.Deal, at: datetime) -> None:
        workspace, slug = self.workspace, project.info.slug
        actor = self.actor(source.owner)
        entry = workspace.add("deals", workspace.ids.of("deal", slug, source.key), actor, at)
        self.deals[slug, source.key] = entry.id
        workspace.set(
            entry, "name", [shapes.text(self._calendar.render(source.name, project.info.lang))], at, actor
        )
        workspace.set(entry, "owner", [shapes.actor_reference(actor)], at, actor)
        if source.value is not None:
            workspace.set(entry, "value", [shapes.currency(source.value, source.currency)], at, actor)
        company = shapes.reference("companies", self.companies[slug, source.company])
        workspace.set(entry, "associated_company", [company], at, actor)
        people = [shapes.reference("people", self.people[slug, key]) for key in source.people]
        workspace.set(entry, "associated_people", people, at, actor)
        self.set_stage(project, source.key, source.history[0][0], at)

    def _plan(self, project: ProjectWorld, source: authored.Deal, at: datetime) -> None:
        workspace, actor = self.workspace, self.actor(source.owner)
        entry = workspace.records["deals"][self.deals[project.info.slug, source.key]]
        if source.next_step:
            step = self._calendar.render(source.next_step, project.info.lang)
            workspace.set(entry, "next_step", [shapes.text(step)], at, actor)
        if source.close is not None:
            workspace.set(entry, "close_date", [shapes.day(self._calendar.day(source.close))], at, actor)


def list_slug(project_slug: str) -> str:
    """The api_slug of a project's list of companies."""
    return project_slug.replace("-", "_")


def _opened(project: ProjectWorld, deal: authored.Deal) -> Notional:
    """When a deal is entered: as authored, or before the first note on it where that is earlier."""
    notes = [n.at - 30 for n in project.notes.values() if (n.parent_kind, n.parent) == ("deal", deal.key)]
    return Notional(min([deal.created, *notes]))


def _workday(week: int, *keys: str) -> Notional:
    weekday, minute = draw(5, "weekday", *keys), 9 * 60 + draw(500, "minute", *keys)
    return Notional(week * MINUTES_A_WEEK + weekday * MINUTES_A_DAY + minute)
