"""The GraphQL documents the connector sends. A test validates each against the vendor's published schema.

Nested connections are bounded: an unbounded one counts as 50 towards the 10,000 points a query may cost.
"""

from __future__ import annotations

_PAGE_INFO = "pageInfo { hasNextPage endCursor }"

_ISSUE = """
  id identifier number title description url priority estimate dueDate
  createdAt updatedAt startedAt completedAt canceledAt archivedAt trashed
  state { id name type } team { id key name }
  assignee { id name displayName } creator { id name displayName }
  project { id name } cycle { id }
  labels(first: 20) { nodes { id name } pageInfo { hasNextPage endCursor } }
"""

_COMMENT = """
  id body url createdAt updatedAt editedAt archivedAt
  issue { id } user { id name displayName } externalUser { id name } botActor { id name }
"""

ISSUES = (
    "query Issues($first: Int!, $after: String, $filter: IssueFilter) {"
    " issues(first: $first, after: $after, filter: $filter, orderBy: updatedAt, includeArchived: true) {"
    f" nodes {{ {_ISSUE} }} {_PAGE_INFO} }} }}"
)

# Under the same names as the lists they are read instead of.
ISSUE_IDS = (
    "query Issues($first: Int!, $after: String, $filter: IssueFilter) {"
    " issues(first: $first, after: $after, filter: $filter, orderBy: updatedAt, includeArchived: true) {"
    f" nodes {{ id trashed team {{ key }} project {{ id name }} }} {_PAGE_INFO} }} }}"
)

ISSUE = f"query Issue($id: String!) {{ issue(id: $id) {{ {_ISSUE} }} }}"

LABELS = (
    "query Labels($id: String!, $after: String) {"
    f" issue(id: $id) {{ labels(first: 100, after: $after) {{ nodes {{ id name }} {_PAGE_INFO} }} }} }}"
)

COMMENTS = (
    "query Comments($first: Int!, $after: String, $filter: CommentFilter) {"
    " comments(first: $first, after: $after, filter: $filter, orderBy: updatedAt, includeArchived: true) {"
    f" nodes {{ {_COMMENT} }} {_PAGE_INFO} }} }}"
)

COMMENT_IDS = (
    "query Comments($first: Int!, $after: String, $filter: CommentFilter) {"
    " comments(first: $first, after: $after, filter: $filter, orderBy: updatedAt, includeArchived: true) {"
    f" nodes {{ id issue {{ id }} }} {_PAGE_INFO} }} }}"
)

COMMENT = f"query Comment($id: String!) {{ comment(id: $id) {{ {_COMMENT} }} }}"

PROJECTS = (
    "query Projects($first: Int!, $after: String) {"
    " projects(first: $first, after: $after, includeArchived: true) {"
    " nodes { id name slugId url status { id name type } health progress startDate targetDate trashed archivedAt"
    " createdAt updatedAt lead { id name displayName } teams(first: 5) { nodes { id key } } }"
    f" {_PAGE_INFO} }} }}"
)

STATES = (
    "query States($first: Int!, $after: String) {"
    " workflowStates(first: $first, after: $after, includeArchived: true) {"
    " nodes { id name type position createdAt updatedAt archivedAt team { id key } }"
    f" {_PAGE_INFO} }} }}"
)

CYCLES = (
    "query Cycles($first: Int!, $after: String) {"
    " cycles(first: $first, after: $after, includeArchived: true) {"
    " nodes { id number name startsAt endsAt completedAt createdAt updatedAt archivedAt team { id key } }"
    f" {_PAGE_INFO} }} }}"
)

RELATIONS = (
    "query Relations($first: Int!, $after: String) {"
    " issueRelations(first: $first, after: $after) {"
    " nodes { id type issue { id identifier } relatedIssue { id identifier } }"
    f" {_PAGE_INFO} }} }}"
)
