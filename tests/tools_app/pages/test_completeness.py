"""The completeness section: figures of the page's project, work asked for by the page's own session and audited."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlmodel import select

from models.infra.database import reading, transaction
from models.tables.platform import AuditEvent, JobRun
from tests.tools_app.world import World, compare
from tools_app import live
from tools_app.pages.completeness import CompletenessState
from tools_app.pages.dashboard import DashboardState
from tools_app.pages.jobs import JobsState
from tools_app.pages.shell_state import ShellState
from tools_app.pages.sync_action import SyncState

Tab = Callable[[str], Any]


def part(root: Any, state: Any) -> Any:
    return root.substates[state.get_name()]


@pytest.fixture
def compared(worlds: dict[str, World]) -> dict[str, World]:
    with transaction() as session:
        compare(session, worlds["one"])
    return worlds


def test_the_section_shows_the_project_of_the_address_with_or_without_its_anchor(tab: Tab, compared: object):
    for path, vendor in (("/jobs?project=all", "12"), ("/jobs?project=alpha#completeness", "4")):
        root = tab(path)
        asyncio.run(part(root, JobsState).refresh())
        blocks = {each.connector: each for each in part(root, CompletenessState).blocks}
        assert set(blocks) == {"chatwoot", "linear", "attio"}
        (line,) = blocks["linear"].lines
        assert line.counts[0].value == vendor
        assert (blocks["linear"].total, blocks["attio"].total) == ("75%", "not measured yet")


@pytest.mark.parametrize(
    ("event", "job", "words"),
    [
        (CompletenessState.compare, "reconcile", "Linear: the comparison with the vendor starts."),
        (CompletenessState.repair, "repair", "Linear: what differs is fetched again."),
    ],
)
def test_work_is_asked_for_said_and_audited(tab: Tab, compared: object, event: Any, job: str, words: str):
    root = tab("/jobs?project=alpha")
    asyncio.run(event.fn(part(root, CompletenessState), "linear"))
    with reading() as session:
        (run,) = session.exec(select(JobRun).where(JobRun.status == "queued")).all()
        (audited,) = session.exec(select(AuditEvent).where(AuditEvent.action == f"connector.{job}")).all()
    assert (run.job, run.connector, audited.after) == (job, "linear", {"run_id": str(run.id)})
    assert [each.message for each in part(root, ShellState).toasts] == [words]
    assert part(root, SyncState).asked == [str(run.id)]
    assert [each.job for each in part(root, CompletenessState).blocks if each.run_id] == [job]


def test_without_a_session_nothing_is_asked_for(tab: Tab):
    root = tab("/jobs?project=all")
    root._update_router_vars(
        {"headers": {"cookie": ""}, "pathname": "/jobs", "asPath": "/jobs?project=all"}, {}
    )
    answer = asyncio.run(CompletenessState.compare.fn(part(root, CompletenessState), "linear"))
    assert "/login" in str(answer.args)
    with reading() as session:
        assert session.exec(select(JobRun).where(JobRun.status == "queued")).all() == []


def test_tile_and_trust_bar_lead_to_the_section(tab: Tab, compared: object):
    root = tab("/?project=alpha")
    asyncio.run(part(root, DashboardState).refresh())
    shown = part(root, DashboardState)
    (tile,) = [each for each in shown.tiles if each.key == "completeness"]
    assert tile.href == shown.trust.completeness_href == "/jobs?project=alpha#completeness"


@pytest.mark.parametrize(
    ("payload", "words", "tone"),
    [
        ({"job": "reconcile", "counts": {"missing": 2, "stale": 1}}, "Linear: 3 records differ.", "ok"),
        ({"job": "reconcile", "counts": {"missing": 0}}, "Linear: nothing differs.", "ok"),
        (
            {"job": "reconcile", "counts": {"unknown": 1}},
            "Linear: the vendor could not be read in full",
            "bad",
        ),
        ({"job": "repair", "counts": {"written": 1}}, "Linear: one record mended.", "ok"),
        ({"job": "repair", "counts": {}}, "Linear: nothing to mend.", "ok"),
        ({"job": "repair", "counts": {}, "status": "failed"}, "Linear: the repair failed", "bad"),
        ({"job": "sync", "counts": {"written": 5}}, "Linear: 5 rows updated.", "ok"),
    ],
)
def test_how_asked_for_work_ended_is_said(payload: dict[str, Any], words: str, tone: str):
    said, its_tone = live._outcome({"connector": "linear", "status": "succeeded", **payload}, "en")
    assert said.startswith(words)
    assert its_tone == tone


def test_progress_of_a_comparison_is_shown_in_its_block_and_starts_no_sync_button(tab: Tab, compared: object):
    root = tab("/jobs?project=all")
    asyncio.run(CompletenessState.compare.fn(part(root, CompletenessState), "linear"))
    (run_id,) = part(root, SyncState).asked
    part(root, ShellState).user = "owner"
    event = {"job": "reconcile", "run_id": run_id, "connector": "linear", "stream": "issues", "rows": 7}
    asyncio.run(live._show_progress(root, event))
    (block,) = [each for each in part(root, CompletenessState).blocks if each.run_id]
    assert block.progress == "Completeness check · Issues: 7 rows"
    assert part(root, SyncState).running == []
