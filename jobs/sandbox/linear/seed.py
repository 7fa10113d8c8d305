"""Turns the authored issues of a studio into the changes of one Linear workspace over time."""

from datetime import datetime, timedelta

from jobs.sandbox.linear.workspace import PRIORITY_LABELS, Record, Workspace, slugify
from jobs.sandbox.world import authored
from jobs.sandbox.world.authored import ProjectWorld, StudioWorld
from jobs.sandbox.world.calendar import MINUTES_A_DAY, MINUTES_A_WEEK, Calendar, Notional
from jobs.sandbox.world.identifiers import draw
from jobs.sandbox.world.timeline import Timeline

# The studio opened its workspace a year before the anchor's week.
_FOUNDED = Notional(-52 * MINUTES_A_WEEK)
_FIRST_CYCLE_WEEK = 39
_LAST_CYCLE_WEEK = -52
_CYCLE = 2 * MINUTES_A_WEEK
_DEFAULT_CREATOR = {"en": "marta-kovac", "ru": "ilya-sorokin"}


class LinearSeed:
    """Fills a workspace from the authored world and keeps the way from authored keys to records."""

    def __init__(
        self, studio: StudioWorld, calendar: Calendar, workspace: Workspace, timeline: Timeline
    ) -> None:
        self._studio = studio
        self._calendar = calendar
        self.workspace = workspace
        self._timeline = timeline
        self.issues: dict[tuple[str, str], str] = {}
        self.comments: dict[tuple[str, str], str] = {}
        self._workstreams: dict[tuple[str, str], Record] = {}
        founded = calendar.instant(_FOUNDED)
        for staff in studio.staff.values():
            user_id = workspace.id("user", staff.key)
            user = workspace.add_user(
                user_id, staff.name, staff.email, founded, admin=staff.admin, title=staff.title
            )
            workspace.viewer = workspace.viewer or user
        for project in studio.projects.values():
            if project.info.team is not None:
                self._schedule_project(project, project.info.team, founded)

    def comment(
        self, project: ProjectWorld, issue_key: str, key: str, author: str, text: str, at: datetime
    ) -> str:
        """A comment on an authored issue; answers its id."""
        issue = self.issue(project, issue_key)
        comment_id = self.workspace.id("comment", project.info.slug, issue_key, key)
        body = self._calendar.render(text, project.info.lang)
        self.workspace.add_comment(comment_id, issue, self._user(project, author, at), body, at)
        self.comments[project.info.slug, f"{issue_key}/{key}"] = comment_id
        return comment_id

    def issue(self, project: ProjectWorld, issue_key: str) -> Record:
        """The record of an authored issue. Raises KeyError while it does not exist yet."""
        return self.workspace.tables["issues"][self.issues[project.info.slug, issue_key]]

    def _schedule_project(self, project: ProjectWorld, team_key: str, founded: datetime) -> None:
        workspace = self.workspace
        team = workspace.add_team(team_key, project.info.client, project.info.color, founded)
        team["members"].extend(workspace.tables["users"].values())
        for number, week in enumerate(range(_FIRST_CYCLE_WEEK, _LAST_CYCLE_WEEK, -2), 1):
            start = Notional(-week * MINUTES_A_WEEK)
            # Linear plans cycles ahead; this team has the next one planned at any time.
            self._timeline.schedule(
                Notional(start - _CYCLE), lambda at, n=number, s=start: self._add_cycle(team, n, s, at)
            )
        for source in project.workstreams.values():
            begin = source.start if source.start is not None else Notional(-38 * MINUTES_A_WEEK)
            planned = Notional(min(begin - MINUTES_A_WEEK, -MINUTES_A_WEEK) + 9 * 60)
            self._timeline.schedule(planned, lambda at, s=source: self._add_workstream(project, team, s, at))
            reviewed = Notional(
                max(planned + 60, -draw(12, source.key, "review") * MINUTES_A_DAY - MINUTES_A_WEEK)
            )
            self._timeline.schedule(reviewed, lambda at, s=source: self._review(project, s, at))
        for issue in project.issues.values():
            self._schedule_issue(project, team, issue)

    def _add_cycle(self, team: Record, number: int, start: Notional, at: datetime) -> None:
        ends = self._calendar.instant(Notional(start + _CYCLE))
        cycle = self.workspace.add(
            "cycles",
            {
                "id": self.workspace.id("cycle", team["key"], str(number)),
                "number": float(number),
                "startsAt": self._calendar.instant(start),
                "endsAt": ends,
                "completedAt": None,
                "team": team,
                "createdAt": at,
                "updatedAt": at,
            },
        )
        self._timeline.schedule(
            Notional(start + _CYCLE), lambda now: cycle.update(completedAt=now, updatedAt=now)
        )

    def _add_workstream(
        self, project: ProjectWorld, team: Record, source: authored.Workstream, at: datetime
    ) -> None:
        workspace, calendar = self.workspace, self._calendar
        record_id = workspace.id("project", project.info.slug, source.key)
        slug_id = record_id.replace("-", "")[:12]
        target = calendar.day(source.target) if source.target is not None else None
        over = source.status in ("completed", "canceled") and source.target is not None and source.target <= 0
        ended = calendar.instant(Notional((source.target or 0) + 17 * 60)) if over else None
        name = slugify(source.name)
        self._workstreams[project.info.slug, source.key] = workspace.add(
            "projects",
            {
                "id": record_id,
                "name": source.name,
                "slugId": slug_id,
                "url": f"{workspace.origin}/{workspace.slug}/project/{name + '-' if name else ''}{slug_id}",
                "description": calendar.render(source.description, project.info.lang)[:255],
                "content": calendar.render(source.description, project.info.lang),
                "color": project.info.color,
                "status": workspace.statuses[source.status],
                "state": source.status,
                "health": None,
                "healthUpdatedAt": None,
                "startDate": calendar.day(source.start) if source.start is not None else None,
                "targetDate": target,
                "startedAt": at if source.status not in ("backlog", "planned") else None,
                "completedAt": ended if source.status == "completed" else None,
                "canceledAt": ended if source.status == "canceled" else None,
                "lead": workspace.tables["users"][workspace.id("user", source.lead)] if source.lead else None,
                "priority": 0,
                "priorityLabel": PRIORITY_LABELS[0],
                "teams": [team],
                "createdAt": at,
                "updatedAt": at,
            },
        )

    def _review(self, project: ProjectWorld, source: authored.Workstream, at: datetime) -> None:
        record = self._workstreams[project.info.slug, source.key]
        record.update(health=source.health, healthUpdatedAt=at if source.health else None, updatedAt=at)

    def _schedule_issue(self, project: ProjectWorld, team: Record, source: authored.Issue) -> None:
        slug, schedule = project.info.slug, self._timeline.schedule
        second = draw(50, slug, source.key)
        schedule(source.created, lambda at: self._create(project, team, source, at), second)
        end = max(source.updated, source.completed or source.updated, source.created + 1)
        if source.state in ("In Progress", "In Review", "Done"):
            span = max(2, (source.completed or end) - source.created)
            started = Notional(source.created + 1 + draw(span // 2, slug, source.key, "started"))
            schedule(started, lambda at: self._move(project, source, "In Progress", at), second)
        if source.completed is not None:
            schedule(source.completed, lambda at: self._move(project, source, source.state, at), second)
        schedule(Notional(end), lambda at: self._settle(project, source, at), second)
        if source.archived:
            schedule(Notional(end + 3 * MINUTES_A_DAY), lambda at: self._archive(project, source, at), second)
        for number, comment in enumerate(source.comments, 1):
            # A comment written in the minute of its issue still comes after it.
            when = Notional(max(comment.at, source.created))
            schedule(when, lambda at, n=number, c=comment: self._comment_on(project, source, n, c, at), 58)
        for blocker in source.blocked_by:
            known = Notional(max(source.created, project.issues[blocker].created) + 7)
            schedule(known, lambda at, b=blocker: self._block(project, b, source.key, at))

    def _create(self, project: ProjectWorld, team: Record, source: authored.Issue, at: datetime) -> None:
        workspace, calendar, slug = self.workspace, self._calendar, project.info.slug
        first_state = source.state if source.state in ("Triage", "Backlog", "Todo") else "Todo"
        labels = [workspace.label(name, at) for name in source.labels]
        users = workspace.tables["users"]
        creator = source.creator or _DEFAULT_CREATOR[project.info.lang]
        self.issues[slug, source.key] = workspace.id("issue", slug, source.key)
        workspace.add_issue(
            self.issues[slug, source.key],
            team,
            calendar.render(source.title, project.info.lang),
            at,
            description=calendar.render(source.description, project.info.lang) or None,
            priority=float(source.priority),
            priorityLabel=PRIORITY_LABELS[source.priority],
            estimate=None if source.estimate is None else float(source.estimate),
            dueDate=calendar.day(source.due) if source.due is not None else None,
            state=workspace.state(team["key"], first_state),
            assignee=users.get(workspace.id("user", source.assignee)) if source.assignee else None,
            creator=self._user(project, creator, at),
            project=self._workstreams.get((slug, source.workstream)) if source.workstream else None,
            labels=labels,
            labelIds=[label["id"] for label in labels],
            triagedAt=at if first_state != "Triage" else None,
        )

    def _move(self, project: ProjectWorld, source: authored.Issue, state: str, at: datetime) -> None:
        issue = self.issue(project, source.key)
        self.workspace.move_issue(issue, state, at)
        issue["cycle"] = self._cycle_at(issue["team"], at)

    def _settle(self, project: ProjectWorld, source: authored.Issue, at: datetime) -> None:
        issue = self.issue(project, source.key)
        if issue["state"]["name"] != source.state:
            self.workspace.move_issue(issue, source.state, at)
        issue["updatedAt"] = at
        # A project planned after its first issues gets them now.
        issue["project"] = self._workstreams.get((project.info.slug, source.workstream or ""))
        if source.state in ("In Progress", "In Review") or (source.state == "Todo" and source.estimate):
            now = self._calendar.instant(Notional(0))
            issue["cycle"] = self._cycle_at(issue["team"], max(at, now)) or self._cycle_at(issue["team"], at)

    def _archive(self, project: ProjectWorld, source: authored.Issue, at: datetime) -> None:
        self.issue(project, source.key).update(archivedAt=at, updatedAt=at)

    def _comment_on(
        self,
        project: ProjectWorld,
        source: authored.Issue,
        number: int,
        comment: authored.Comment,
        at: datetime,
    ) -> None:
        self.comment(project, source.key, str(number), comment.author, comment.text, at)

    def _block(self, project: ProjectWorld, blocker: str, blocked: str, at: datetime) -> None:
        relation_id = self.workspace.id("relation", project.info.slug, blocker, blocked)
        self.workspace.add_blocking(
            relation_id, self.issue(project, blocker), self.issue(project, blocked), at
        )

    def _cycle_at(self, team: Record, at: datetime) -> Record | None:
        cycles = self.workspace.tables["cycles"].values()
        moment = at + timedelta(seconds=1)
        return next((c for c in cycles if c["team"] is team and c["startsAt"] <= moment < c["endsAt"]), None)

    def _user(self, project: ProjectWorld, author: str, at: datetime) -> Record:
        users = self.workspace.tables["users"]
        if author in self._studio.staff:
            return users[self.workspace.id("user", author)]
        user_id = self.workspace.id("user", project.info.slug, author)
        if user_id in users:
            return users[user_id]
        person = project.people[author]
        email = person.attio.email or person.cw.email or f"{author}@guests.example"
        return self.workspace.add_user(user_id, person.attio.name, email, at, guest=True, title=person.job)
