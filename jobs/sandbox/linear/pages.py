"""The pages of an issue with its comments and of a project with its issues."""

from datetime import datetime

from starlette.responses import Response

from jobs.sandbox.linear.workspace import Record, Workspace
from jobs.sandbox.serving.html import Block, Page, missing, render
from jobs.sandbox.world.calendar import STUDIO_ZONE


def issue_page(workspace: Workspace | None, identifier: str) -> Response:
    """The HTML page of an issue; a comment's link names its block in the fragment."""
    issue = workspace.issue_by(identifier) if workspace else None
    if issue is None:
        return missing("Linear", "issue")
    blockers = [r["issue"]["identifier"] for r in issue["inverseRelations"] if r["type"] == "blocks"]
    blocked = [r["relatedIssue"]["identifier"] for r in issue["relations"] if r["type"] == "blocks"]
    state = "In the trash" if issue.get("trashed") else issue["state"]["name"]
    return render(
        Page(
            vendor="Linear",
            title=f"{issue['identifier']} {issue['title']}",
            chips=(state, *(label["name"] for label in issue["labels"])),
            facts=(
                ("Team", issue["team"]["name"]),
                ("Project", _name(issue.get("project"))),
                ("Assignee", _name(issue.get("assignee")) or "nobody"),
                ("Priority", issue["priorityLabel"]),
                ("Due", str(issue.get("dueDate") or "")),
                ("Blocked by", ", ".join(blockers)),
                ("Blocks", ", ".join(blocked)),
                ("Updated", _time(issue["updatedAt"])),
            ),
            text=issue.get("description") or "",
            blocks_title="Comments" if issue["comments"] else "",
            blocks=tuple(
                Block(f"comment-{c['id'][:8]}", f"{c['user']['name']}, {_time(c['createdAt'])}", c["body"])
                for c in issue["comments"]
            ),
        )
    )


def project_page(workspace: Workspace | None, slug: str) -> Response:
    """The HTML page of a project; its address ends in the slug id."""
    projects = workspace.tables["projects"].values() if workspace else ()
    project = next((p for p in projects if slug.endswith(p["slugId"])), None)
    if workspace is None or project is None:
        return missing("Linear", "project")
    issues = [i for i in workspace.tables["issues"].values() if i.get("project") is project]
    return render(
        Page(
            vendor="Linear",
            title=project["name"],
            chips=(project["status"]["name"], *((project["health"],) if project["health"] else ())),
            facts=(
                ("Lead", _name(project.get("lead"))),
                ("Start", str(project.get("startDate") or "")),
                ("Target", str(project.get("targetDate") or "")),
            ),
            text=project["content"],
            links=tuple((f"{i['identifier']} {i['title']} ({i['state']['name']})", i["url"]) for i in issues),
        )
    )


def _name(record: Record | None) -> str:
    return "" if record is None else str(record["name"])


def _time(at: datetime) -> str:
    return at.astimezone(STUDIO_ZONE).strftime("%a %d %b %Y, %H:%M")
