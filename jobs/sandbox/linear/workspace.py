"""The records of one Linear workspace and the ways they change.

Records are dictionaries named like the GraphQL fields, and refer to each other directly, so that
filters and resolvers follow the same graph that a query spells.
"""

import re
from datetime import datetime
from typing import Any, Final

from jobs.sandbox.world.identifiers import vendor_uuid

Record = dict[str, Any]

# Name, type, colour. Linear: types are triage backlog unstarted started completed canceled duplicate.
WORKFLOW: Final = (
    ("Triage", "triage", "#fc7840"),
    ("Backlog", "backlog", "#bec2c8"),
    ("Todo", "unstarted", "#e2e2e2"),
    ("In Progress", "started", "#f2c94c"),
    ("In Review", "started", "#0f783c"),
    ("Done", "completed", "#5e6ad2"),
    ("Canceled", "canceled", "#95a2b3"),
    ("Duplicate", "duplicate", "#95a2b3"),
)
PROJECT_STATUSES: Final = (
    ("Backlog", "backlog"), ("Planned", "planned"), ("In Progress", "started"), ("Paused", "paused"),
    ("Completed", "completed"), ("Canceled", "canceled"),
)  # fmt: skip
PRIORITY_LABELS: Final = ("No priority", "Urgent", "High", "Medium", "Low")

KINDS: Final = ("issues", "comments", "projects", "teams", "users", "states", "cycles", "labels", "relations")


class Workspace:
    """One workspace; `tables` holds its records by kind and id."""

    def __init__(self, slug: str, name: str, origin: str, created_at: datetime) -> None:
        self.slug = slug
        self.origin = origin
        self.tables: dict[str, dict[str, Record]] = {kind: {} for kind in KINDS}
        self.organization: Record = {
            "id": self.id("organization"),
            "name": name,
            "urlKey": slug,
            "createdAt": created_at,
            "updatedAt": created_at,
        }
        self.statuses = {
            kind: {
                "id": self.id("project-status", kind),
                "name": label,
                "type": kind,
                "color": "#bec2c8",
                "position": float(n),
                "indefinite": kind in ("backlog", "paused"),
                "createdAt": created_at,
                "updatedAt": created_at,
            }
            for n, (label, kind) in enumerate(PROJECT_STATUSES)
        }
        self.viewer: Record = {}
        self._numbers: dict[str, int] = {}

    def id(self, kind: str, *keys: str) -> str:
        """The stable UUID of a record of this workspace."""
        return vendor_uuid(f"linear:{self.slug}", kind, *keys)

    def add(self, kind: str, record: Record) -> Record:
        """Store a record under its id."""
        self.tables[kind][record["id"]] = record
        return record

    def add_team(self, key: str, name: str, color: str, at: datetime) -> Record:
        """A team with its workflow states."""
        team = self.add(
            "teams",
            {
                "id": self.id("team", key),
                "key": key,
                "name": name,
                "displayName": name,
                "timezone": "Europe/Belgrade",
                "private": False,
                "color": color,
                "cycleDuration": 2.0,
                "createdAt": at,
                "updatedAt": at,
                "members": [],
            },
        )
        for position, (label, kind, tint) in enumerate(WORKFLOW):
            self.add(
                "states",
                {
                    "id": self.id("state", key, label),
                    "name": label,
                    "color": tint,
                    "position": float(position),
                    "type": kind,
                    "team": team,
                    "createdAt": at,
                    "updatedAt": at,
                },
            )
        return team

    def add_user(self, user_id: str, name: str, email: str, at: datetime, **more: object) -> Record:
        """A member, or with `guest=True` a client invited to comment."""
        return self.add(
            "users",
            {
                "id": user_id,
                "name": name,
                "displayName": email.partition("@")[0],
                "email": email,
                "active": True,
                "admin": False,
                "owner": False,
                "guest": False,
                "app": False,
                "timezone": "Europe/Belgrade",
                "url": f"{self.origin}/{self.slug}/profiles/{email.partition('@')[0]}",
                "createdAt": at,
                "updatedAt": at,
                **more,
            },
        )

    def label(self, name: str, at: datetime) -> Record:
        """The workspace label of a name. Linear: a workspace label has no team."""
        label_id = self.id("label", name)
        known = self.tables["labels"].get(label_id)
        if known is not None:
            return known
        return self.add(
            "labels",
            {
                "id": label_id,
                "name": name,
                "color": "#5e6ad2",
                "isGroup": False,
                "createdAt": at,
                "updatedAt": at,
            },
        )

    def state(self, team_key: str, name: str) -> Record:
        """A team's workflow state by name."""
        return self.tables["states"][self.id("state", team_key, name)]

    def add_issue(self, issue_id: str, team: Record, title: str, at: datetime, **more: object) -> Record:
        """An issue under the team's next number."""
        number = self._numbers.get(team["key"], 0) + 1
        self._numbers[team["key"]] = number
        identifier = f"{team['key']}-{number}"
        return self.add(
            "issues",
            {
                "id": issue_id,
                "identifier": identifier,
                "number": float(number),
                "title": title,
                "url": f"{self.origin}/{self.slug}/issue/{identifier}/{slugify(title)}".rstrip("/"),
                "branchName": f"{identifier.lower()}-{slugify(title)}".rstrip("-"),
                "customerTicketCount": 0,
                "previousIdentifiers": [],
                "trashed": None,
                "team": team,
                "labels": [],
                "children": [],
                "comments": [],
                "relations": [],
                "inverseRelations": [],
                "subscribers": [],
                "createdAt": at,
                "updatedAt": at,
                **more,
            },
        )

    def move_issue(self, issue: Record, state_name: str, at: datetime) -> None:
        """Set the state and the timestamps that follow from it."""
        state = self.state(issue["team"]["key"], state_name)
        issue["state"] = state
        issue["updatedAt"] = at
        kind = state["type"]
        if kind == "started":
            issue["startedAt"] = issue.get("startedAt") or at
        issue["completedAt"] = at if kind == "completed" else None
        issue["canceledAt"] = at if kind in ("canceled", "duplicate") else None

    def add_comment(self, comment_id: str, issue: Record, user: Record, body: str, at: datetime) -> Record:
        """A comment. Its own stream: the issue's `updatedAt` stays as it is."""
        comment = self.add(
            "comments",
            {
                "id": comment_id,
                "body": body,
                "issue": issue,
                "issueId": issue["id"],
                "user": user,
                "url": f"{issue['url']}#comment-{comment_id[:8]}",
                "createdAt": at,
                "updatedAt": at,
            },
        )
        issue["comments"].append(comment)
        return comment

    def add_document_comment(self, comment_id: str, user: Record, body: str, at: datetime) -> Record:
        """Linear: `comments` lists those on documents, project updates and initiatives too; their `issue` is null."""
        return self.add(
            "comments",
            {
                "id": comment_id,
                "body": body,
                "issue": None,
                "documentContentId": self.id("document", comment_id),
                "user": user,
                "url": f"{self.origin}/{self.slug}/document/notes#comment-{comment_id[:8]}",
                "createdAt": at,
                "updatedAt": at,
            },
        )

    def add_blocking(self, relation_id: str, blocker: Record, blocked: Record, at: datetime) -> Record:
        """Linear: A blocks B is a relation on A with type `blocks` and `relatedIssue` B."""
        relation = self.add(
            "relations",
            {
                "id": relation_id,
                "type": "blocks",
                "issue": blocker,
                "relatedIssue": blocked,
                "createdAt": at,
                "updatedAt": at,
            },
        )
        blocker["relations"].append(relation)
        blocked["inverseRelations"].append(relation)
        return relation

    def trash_issue(self, issue: Record, at: datetime) -> None:
        """Linear: a deleted issue is trashed (and archived) for a grace period of 30 days."""
        issue["trashed"] = True
        issue["archivedAt"] = at
        issue["updatedAt"] = at

    def delete_issue(self, issue: Record) -> None:
        """Linear: `permanentlyDelete` of an administrator; comments and relations go with the issue."""
        del self.tables["issues"][issue["id"]]
        for comment in issue["comments"]:
            del self.tables["comments"][comment["id"]]
        for relation in [*issue["relations"], *issue["inverseRelations"]]:
            self.delete_relation(relation)

    def delete_relation(self, relation: Record) -> None:
        """Remove a relation from both of its issues."""
        del self.tables["relations"][relation["id"]]
        relation["issue"]["relations"].remove(relation)
        relation["relatedIssue"]["inverseRelations"].remove(relation)

    def issue_by(self, id_or_identifier: str) -> Record | None:
        """An issue by UUID or by an identifier such as HPN-12."""
        issues = self.tables["issues"]
        if id_or_identifier in issues:
            return issues[id_or_identifier]
        return next((i for i in issues.values() if i["identifier"] == id_or_identifier), None)


def slugify(title: str) -> str:
    """A short ASCII slug, empty for a title without Latin letters."""
    return "-".join(re.findall(r"[a-z0-9]+", title.lower()))[:60].strip("-")
