"""Linear's GraphQL nodes → records. Pure."""

from __future__ import annotations

import datetime as dt
from typing import Any

from jobs.connectors.base import Fact, Record, parse_time


def project(node: dict[str, Any]) -> Record:
    """Return the record of a Linear project (a workstream)."""
    teams = [team["key"] for team in (node.get("teams") or {}).get("nodes", [])]
    status = node.get("status") or {}
    return Record(
        stream="projects",
        vendor_id=node["id"],
        fields={
            "name": node["name"],
            "status_type": status.get("type"),
            "health": node.get("health"),
            "progress": node.get("progress"),
            "start_date": _date(node.get("startDate")),
            "target_date": _date(node.get("targetDate")),
            "lead_name": _name(node.get("lead")),
        },
        payload=node,
        url=node.get("url"),
        created_at=parse_time(node.get("createdAt")),
        updated_at=parse_time(node.get("updatedAt")),
        deleted=bool(node.get("trashed")),
        facts=_project_facts(node) | {("team", key.lower()) for key in teams},
    )


def state(node: dict[str, Any]) -> Record:
    """Return the record of a workflow state."""
    team = node.get("team") or {}
    return Record(
        stream="states",
        vendor_id=node["id"],
        fields={
            "name": node["name"],
            "type": node["type"],
            "position": node.get("position"),
            "team_key": team.get("key"),
        },
        payload=node,
        created_at=parse_time(node.get("createdAt")),
        updated_at=parse_time(node.get("updatedAt")),
        facts=_team_facts(team),
    )


def cycle(node: dict[str, Any]) -> Record:
    """Return the record of a cycle."""
    team = node.get("team") or {}
    return Record(
        stream="cycles",
        vendor_id=node["id"],
        fields={
            "number": int(node["number"]),
            "name": node.get("name"),
            "starts_at": parse_time(node.get("startsAt")),
            "ends_at": parse_time(node.get("endsAt")),
            "completed_at": parse_time(node.get("completedAt")),
            "team_key": team.get("key"),
        },
        payload=node,
        created_at=parse_time(node.get("createdAt")),
        updated_at=parse_time(node.get("updatedAt")),
        facts=_team_facts(team),
    )


def issue(node: dict[str, Any]) -> Record:
    """Return the record of an issue. A trashed issue is a tombstone; an archived one is not."""
    current, team, workstream = node["state"], node["team"], node.get("project") or {}
    return Record(
        stream="issues",
        vendor_id=node["id"],
        fields={
            "identifier": node["identifier"],
            "title": node["title"],
            "description": node.get("description") or "",
            "priority": int(node.get("priority") or 0),
            "estimate": node.get("estimate"),
            "due_date": _date(node.get("dueDate")),
            "state_name": current["name"],
            "state_type": current["type"],
            "team_key": team["key"],
            "assignee_name": _name(node.get("assignee")),
            "creator_name": _name(node.get("creator")),
            "linear_project_vendor_id": workstream.get("id"),
            "linear_project_name": workstream.get("name"),
            "cycle_vendor_id": (node.get("cycle") or {}).get("id"),
            "labels": [label["name"] for label in (node.get("labels") or {}).get("nodes", [])],
            "started_at": parse_time(node.get("startedAt")),
            "completed_at": parse_time(node.get("completedAt")),
            "canceled_at": parse_time(node.get("canceledAt")),
            "archived_at": parse_time(node.get("archivedAt")),
            "trashed": bool(node.get("trashed")),
        },
        payload=node,
        url=node["url"],
        created_at=parse_time(node["createdAt"]),
        updated_at=parse_time(node["updatedAt"]),
        deleted=bool(node.get("trashed")),
        facts=_team_facts(team) | _project_facts(workstream),
    )


def issue_id(node: dict[str, Any]) -> Record:
    """Return an issue of which only the id is known, whether it is trashed, and what decides its project."""
    facts = _team_facts(node["team"]) | _project_facts(node.get("project") or {})
    return Record("issues", node["id"], {}, {}, deleted=bool(node.get("trashed")), facts=facts)


def comment_id(node: dict[str, Any]) -> Record:
    """Return a comment of which only the id is known, and its issue's."""
    return Record("comments", node["id"], {}, {}, parent=node["issue"]["id"])


def comment(node: dict[str, Any]) -> Record:
    """Return the record of a comment; its project is that of its issue. Raises KeyError when it has no issue."""
    author = node.get("user") or node.get("externalUser") or node.get("botActor")
    return Record(
        stream="comments",
        vendor_id=node["id"],
        fields={
            "body": node.get("body") or "",
            "author_name": _name(author),
            "edited_at": parse_time(node.get("editedAt")),
        },
        payload=node,
        url=node.get("url"),
        created_at=parse_time(node["createdAt"]),
        updated_at=parse_time(node["updatedAt"]),
        parent=node["issue"]["id"],
    )


def relation(node: dict[str, Any]) -> Record:
    """Return what a relation between two issues says; only of those that block are the two ends looked at."""
    fields: dict[str, Any] = {"type": node.get("type")}
    if node.get("type") == "blocks":
        fields["blocks"], fields["blocker"] = (
            str(node["relatedIssue"]["id"]),
            str(node["issue"]["identifier"]),
        )
    return Record("relations", str(node["id"]), fields, payload=node)


def _name(user: dict[str, Any] | None) -> str | None:
    return (user.get("name") or user.get("displayName")) if user else None


def _date(value: str | None) -> dt.date | None:
    return dt.date.fromisoformat(value) if value else None


def _team_facts(team: dict[str, Any]) -> frozenset[Fact]:
    return frozenset({("team", str(team["key"]).lower())}) if team.get("key") else frozenset()


def _project_facts(workstream: dict[str, Any]) -> frozenset[Fact]:
    if not workstream.get("id"):
        return frozenset()
    return frozenset(
        {("project", str(workstream["id"]).lower()), ("project", str(workstream["name"]).lower())}
    )
