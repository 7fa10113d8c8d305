"""Linear's GraphQL as its documentation, schema and SDK describe it."""

import re
from typing import Any

import pytest

from tests.jobs.sandbox.harness import NOON, Lab

ISSUES = """query Issues($first: Int, $after: String, $filter: IssueFilter, $archived: Boolean) {
  issues(first: $first, after: $after, filter: $filter, includeArchived: $archived, orderBy: updatedAt) {
    nodes { id identifier title updatedAt } pageInfo { hasNextPage endCursor } } }"""


def titles(lab: Lab, condition: dict[str, Any] | None = None, *, archived: bool = False) -> list[str]:
    data = lab.query(ISSUES, filter=condition, archived=archived)
    return [issue["title"] for issue in data["issues"]["nodes"]]


@pytest.mark.parametrize("sent", ["", "wrong", "Bearer wrong"])
def test_a_bad_key_is_http_401(lab: Lab, sent: str) -> None:
    answer = lab.linear.post("/graphql", json={"query": "{ viewer { id } }"}, headers={"authorization": sent})
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["extensions"]["type"] == "authentication error"


def test_an_api_key_is_sent_bare_not_as_bearer(lab: Lab) -> None:
    key = lab.sandbox.state.tokens["linear"]
    assert key.startswith("lin_api_")
    answer = lab.linear.post(
        "/graphql", json={"query": "{ viewer { id } }"}, headers={"authorization": f"Bearer {key}"}
    )
    assert answer.status_code == 401


def test_issues_come_newest_first_by_updated_at(lab: Lab) -> None:
    nodes = lab.query(ISSUES)["issues"]["nodes"]
    assert [n["title"] for n in nodes] == ["Buy iron", "Light the fire"]
    times = [n["updatedAt"] for n in nodes]
    assert times == sorted(times, reverse=True)


def test_times_are_iso_with_milliseconds_and_dates_are_bare(lab: Lab) -> None:
    data = lab.query("{ issues { nodes { createdAt dueDate } } projects { nodes { targetDate health } } }")
    assert all(
        re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", n["createdAt"])
        for n in data["issues"]["nodes"]
    )
    assert data["issues"]["nodes"][1]["dueDate"] is None
    assert {n["dueDate"] for n in data["issues"]["nodes"]} == {None, "2026-06-26"}
    assert data["projects"]["nodes"] == [{"targetDate": "2026-07-03", "health": "atRisk"}]


def test_archived_issues_are_hidden_unless_asked_for(lab: Lab) -> None:
    assert "Old thing" not in titles(lab)
    assert "Old thing" in titles(lab, archived=True)


def test_a_deleted_issue_is_trashed_and_archived(lab: Lab) -> None:
    lab.event(kind="delete_issue", issue="iron")
    assert "Buy iron" not in titles(lab)
    data = lab.query(
        "{ issues(includeArchived: true, first: 1, orderBy: updatedAt) { nodes { title trashed archivedAt } } }"
    )
    node = data["issues"]["nodes"][0]
    assert (node["title"], node["trashed"]) == ("Buy iron", True)
    assert node["archivedAt"]


def test_cursor_pages_cover_everything_once(lab: Lab) -> None:
    seen: list[str] = []
    after = None
    for _ in range(4):
        page = lab.query(ISSUES, first=1, after=after, archived=True)["issues"]
        seen += [node["title"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == ["Buy iron", "Light the fire", "Old thing"]


def test_an_issue_changed_while_paging_moves_to_the_front_and_is_not_served_twice(lab: Lab) -> None:
    first = lab.query(ISSUES, first=1, archived=True)["issues"]
    lab.event(kind="issue_state", issue="fire", state="In Progress")
    rest = lab.query(ISSUES, first=10, after=first["pageInfo"]["endCursor"], archived=True)["issues"]
    assert [node["title"] for node in rest["nodes"]] == ["Old thing"]


def test_more_than_250_rows_are_refused_and_errors_come_with_http_200(lab: Lab) -> None:
    answer = lab.linear.post("/graphql", json={"query": "{ users(first: 251) { nodes { id } } }"})
    assert answer.status_code == 200
    body = answer.json()
    assert body["data"] is None
    assert body["errors"][0]["extensions"]["type"] == "invalid input"


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"updatedAt": {"gte": "-P3W"}}, ["Buy iron"]),
        (
            {"updatedAt": {"gt": "2026-05-01T00:00:00Z", "lte": "2026-05-20T00:00:00.000Z"}},
            ["Light the fire"],
        ),
        ({"team": {"key": {"in": ["ACM"]}}, "state": {"type": {"eq": "completed"}}}, ["Light the fire"]),
        ({"team": {"key": {"eq": "BET"}}}, []),
        ({"project": {"name": {"containsIgnoreCase": "for"}}}, ["Buy iron", "Light the fire"]),
        (
            {"or": [{"title": {"startsWith": "Buy"}}, {"title": {"endsWith": "fire"}}]},
            ["Buy iron", "Light the fire"],
        ),
        ({"and": [{"priority": {"lt": 2}}, {"labels": {"name": {"eq": "Bug"}}}]}, ["Buy iron"]),
        ({"hasBlockedByRelations": {"eq": True}}, ["Buy iron"]),
        ({"hasBlockingRelations": {"eq": True}}, ["Light the fire"]),
        ({"dueDate": {"null": True}}, ["Light the fire"]),
        ({"completedAt": {"null": False}}, ["Light the fire"]),
        ({"assignee": {"null": True}}, []),
        ({"id": {"in": ["ACM-2"]}}, ["Light the fire"]),
    ],
)
def test_filters_select_by_comparison_nesting_and_alternatives(
    lab: Lab, condition: dict[str, Any], expected: list[str]
) -> None:
    assert titles(lab, condition) == expected


def test_identifiers_count_up_in_the_order_of_creation(lab: Lab) -> None:
    data = lab.query("{ issues(includeArchived: true) { nodes { identifier number title url } } }")
    found = {n["title"]: (n["identifier"], n["number"]) for n in data["issues"]["nodes"]}
    assert found == {"Old thing": ("ACM-1", 1), "Light the fire": ("ACM-2", 2), "Buy iron": ("ACM-3", 3)}
    assert data["issues"]["nodes"][0]["url"] == "http://linear.test/small/issue/ACM-3/buy-iron"


def test_blocking_is_a_relation_on_the_blocker_and_inverse_on_the_blocked(lab: Lab) -> None:
    text = """query($id: String!) { issue(id: $id) { identifier
      relations { nodes { type relatedIssue { identifier } } } inverseRelations { nodes { type issue { identifier } } } } }"""
    blocked = lab.query(text, id="ACM-3")["issue"]
    assert blocked["inverseRelations"]["nodes"] == [{"type": "blocks", "issue": {"identifier": "ACM-2"}}]
    assert blocked["relations"]["nodes"] == []
    blocker = lab.query(text, id="ACM-2")["issue"]
    assert blocker["relations"]["nodes"] == [{"type": "blocks", "relatedIssue": {"identifier": "ACM-3"}}]
    assert len(lab.query("{ issueRelations { nodes { type } } }")["issueRelations"]["nodes"]) == 1


def test_a_comment_is_a_stream_of_its_own_and_leaves_the_issue_as_it_was(lab: Lab) -> None:
    before = lab.query(ISSUES)["issues"]["nodes"]
    lab.clock.forward(hours=1)
    lab.event(kind="comment", issue="iron", by="marta-kovac", text="Still no iron.")
    assert lab.query(ISSUES)["issues"]["nodes"] == before
    data = lab.query(
        "query($f: CommentFilter) { comments(filter: $f) { nodes { body url user { name } issue { identifier } } } }",
        f={"updatedAt": {"gte": "-PT1H"}},
    )
    node = data["comments"]["nodes"][0]
    assert (node["body"], node["user"]["name"]) == ("Still no iron.", "Marta Kovač")
    assert "#comment-" in node["url"]


def test_a_clients_comment_comes_from_a_guest(lab: Lab) -> None:
    data = lab.query("{ comments { nodes { user { name guest } } } users { nodes { name guest } } }")
    assert data["comments"]["nodes"] == [{"user": {"name": "Ann Lee", "guest": True}}]


def test_teams_have_workflow_states_and_two_week_cycles(lab: Lab) -> None:
    data = lab.query(
        """{ teams { nodes { key states { nodes { name type } } activeCycle { number startsAt endsAt isActive } } } }"""
    )
    team = next(t for t in data["teams"]["nodes"] if t["key"] == "ACM")
    kinds = {state["type"] for state in team["states"]["nodes"]}
    assert kinds == {"triage", "backlog", "unstarted", "started", "completed", "canceled", "duplicate"}
    cycle = team["activeCycle"]
    assert cycle["isActive"] is True
    assert cycle["startsAt"] == "2026-06-07T22:00:00.000Z"  # Monday 00:00 in the studio's zone
    assert cycle["endsAt"] == "2026-06-21T22:00:00.000Z"


def test_an_unknown_id_is_an_error_with_http_200(lab: Lab) -> None:
    answer = lab.linear.post("/graphql", json={"query": '{ issue(id: "NOPE-1") { id } }'})
    assert answer.status_code == 200
    assert answer.json()["errors"][0]["extensions"]["userPresentableMessage"] == "Entity not found: Issue"


def test_a_query_that_does_not_validate_is_400(lab: Lab) -> None:
    answer = lab.linear.post("/graphql", json={"query": "{ issues { nodes { blockedBy { id } } } }"})
    assert answer.status_code == 400
    assert "blockedBy" in answer.json()["errors"][0]["message"]


# --- complexity and quotas --------------------------------------------------------------------------------------


def cost(lab: Lab, text: str, **variables: Any) -> int:
    answer = lab.linear.post("/graphql", json={"query": text, "variables": variables})
    return int(answer.headers["x-complexity"])


def test_complexity_counts_scalars_objects_and_connections_times_their_size(lab: Lab) -> None:
    assert cost(lab, "{ viewer { id name } }") == 2  # 1 + 2 × 0.1, rounded up
    assert cost(lab, "{ issues(first: 10) { nodes { id } } }") == 11  # 10 × (1 + 0.1)
    assert cost(lab, "{ issues { nodes { id } } }") == 55  # 50 when omitted
    assert cost(lab, "query($n: Int) { issues(first: $n) { nodes { id } } }", n=20) == 22
    assert (
        cost(lab, "{ issues(first: 10) { nodes { labels(first: 5) { nodes { id } } } } }") == 70
    )  # 10 × (1 + 6)


def test_above_10000_points_a_query_is_400_before_it_runs(lab: Lab) -> None:
    text = "{ issues(first: 250) { nodes { labels { nodes { id } } } } }"
    answer = lab.linear.post("/graphql", json={"query": text})
    assert answer.status_code == 400
    assert "too complex. Complexity: 14000. Maximum allowed complexity: 10000" in answer.text


def test_every_answer_carries_quota_headers_with_reset_in_milliseconds(lab: Lab) -> None:
    headers = lab.linear.post("/graphql", json={"query": "{ viewer { id } }"}).headers
    assert headers["x-ratelimit-requests-limit"] == "2500"
    assert headers["x-ratelimit-requests-remaining"] == "2499"
    assert int(headers["x-ratelimit-complexity-remaining"]) == 3_000_000 - 2
    assert int(headers["x-ratelimit-requests-reset"]) > NOON.timestamp() * 1000


def test_an_exhausted_quota_is_http_400_with_code_ratelimited(lab: Lab) -> None:
    lab.chatwoot.post("/_sandbox/quotas", json={"name": "linear_requests", "allowed": 2})
    answers = [lab.linear.post("/graphql", json={"query": "{ viewer { id } }"}) for _ in range(3)]
    assert [a.status_code for a in answers] == [200, 200, 400]
    assert answers[2].json()["errors"][0]["extensions"]["code"] == "RATELIMITED"
    assert answers[2].headers["x-ratelimit-requests-remaining"] == "0"
    lab.clock.forward(minutes=31)  # the bucket refills evenly
    assert lab.linear.post("/graphql", json={"query": "{ viewer { id } }"}).status_code == 200


def test_the_quota_can_be_asked_for(lab: Lab) -> None:
    limits = lab.query("{ rateLimitStatus { kind limits { type allowedAmount remainingAmount reset } } }")
    rows = {row["type"]: row for row in limits["rateLimitStatus"]["limits"]}
    assert rows["REQUESTS"]["allowedAmount"] == 2500
    assert rows["COMPLEXITY"]["reset"] > NOON.timestamp() * 1000
