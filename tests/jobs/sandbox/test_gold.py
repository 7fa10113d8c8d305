"""Gold questions, identities and agreements: enough of them, rightly spread, up to date, and out of reach."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from jobs.sandbox.tenant import Tenant
from jobs.sandbox.world.authored import ProjectWorld, StudioWorld
from jobs.sandbox.world.calendar import MINUTES_A_WEEK
from jobs.sandbox.world.gold import Line, agreements, compile_all, identities, questions, stale
from jobs.sandbox.world.gold_files import DATASETS, KINDS, GoldQuestion, read_gold
from jobs.sandbox.world.reading import WorldError
from tests.jobs.sandbox.harness import ORIGINS
from tests.jobs.sandbox.text_stems import stems


@pytest.fixture(scope="module")
def gold(demo: Tenant) -> list[Line]:
    return list(questions(demo))


def authored(world: StudioWorld) -> Iterator[tuple[str, GoldQuestion]]:
    for project in world.projects.values():
        for question in read_gold(project):
            yield project.info.slug, question


def test_the_data_sets_are_what_the_authored_world_says() -> None:
    assert stale() == [], "run python -m jobs.sandbox.world.gold"


def test_there_are_300_questions_of_six_kinds_in_both_languages(gold: list[Line]) -> None:
    assert len(gold) >= 300
    kinds = Counter(line["kind"] for line in gold)
    assert set(kinds) == set(KINDS)
    assert min(kinds.values()) >= 30
    languages = Counter(line["lang"] for line in gold)
    assert min(languages["en"], languages["ru"]) >= 120
    assert {line["scope"] for line in gold} == {"project", "portfolio"}
    assert len({line["id"] for line in gold}) == len(gold)


def test_half_of_the_questions_are_held_out_in_every_kind_and_language(gold: list[Line]) -> None:
    assert sum(line["held_out"] for line in gold) * 2 == len(gold)
    for field in ("kind", "lang"):
        total = Counter(line[field] for line in gold)
        held = Counter(line[field] for line in gold if line["held_out"])
        assert all(0.35 <= held[value] / count <= 0.65 for value, count in total.items()), field


def test_an_answerable_question_has_one_to_four_records_and_the_others_none(gold: list[Line]) -> None:
    for line in gold:
        expected = range(1) if line["kind"] == "not-answerable" else range(1, 5)
        assert len(line["evidence"]) in expected, line["id"]


def test_cross_source_questions_need_records_of_two_vendors(gold: list[Line]) -> None:
    vendor = {"message": "chatwoot", "issue": "linear", "comment": "linear"}
    for line in gold:
        if line["kind"] == "cross-source":
            vendors = {vendor.get(record["source_type"], "attio") for record in line["evidence"]}
            assert len(vendors) >= 2, line["id"]


def test_each_client_is_asked_about_the_deadline_in_both_languages(gold: list[Line]) -> None:
    asked: dict[str, set[str]] = {}
    for line in gold:
        about = {"en": ("promise", "deadline"), "ru": ("обещал", "срок")}[line["lang"]]
        text = line["question"].lower().replace("дедлайн", "срок")
        if (
            line["kind"] == "commitment"
            and line["scope"] == "portfolio"
            and all(word in text for word in about)
        ):
            asked.setdefault(line["project"], set()).add(line["lang"])
            assert any(record["source_type"] == "message" for record in line["evidence"])
    assert {project for project, langs in asked.items() if langs == {"en", "ru"}} == {
        "harbor-pine", "severny-bereg", "lumen-health", "tochka-rosta", "voltline", "orchard-lane",
    }  # fmt: skip


def test_at_least_half_of_the_answerable_share_under_30_percent_of_their_stems_with_the_evidence(
    gold: list[Line], demo: Tenant
) -> None:
    answerable = [line for line in gold if line["evidence"]]
    low = 0
    for line in answerable:
        asked = stems(line["question"])
        found = stems(" ".join(text_of(demo, record) for record in line["evidence"]))
        low += len(asked & found) / len(asked) < 0.30
    assert low * 2 >= len(answerable)


def text_of(demo: Tenant, record: Line) -> str:
    vendor_id, linear, attio = record["vendor_id"], demo.linear.tables, demo.attio
    match record["source_type"]:
        case "message":
            return demo.account.find_message(int(vendor_id))[1].content or ""
        case "issue":
            issue = linear["issues"][vendor_id]
            return f"{issue['title']} {issue['description'] or ''}"
        case "comment":
            return str(linear["comments"][vendor_id]["body"])
        case "note":
            return f"{attio.notes[vendor_id].title} {attio.notes[vendor_id].text}"
        case "deal":
            deal = attio.records["deals"][vendor_id]
            return f"{deal.first('name', 'value')} {deal.first('next_step', 'value') or ''}"
        case _:
            company = attio.records["companies"][vendor_id]
            return f"{company.first('name', 'value')} {company.first('description', 'value') or ''}"


def test_evidence_is_older_than_the_anchors_week(world: StudioWorld) -> None:
    for slug, question in authored(world):
        for reference in question.evidence:
            kind, _, key = reference.partition(":")
            if kind == "msg":
                conversation, _, number = key.rpartition("/")
                said = world.projects[slug].conversations[conversation].messages[int(number) - 1].at
                assert said < 0, (question.id, reference)
            if kind == "note":
                assert world.projects[slug].notes[key].at < 0, (question.id, reference)
    assert MINUTES_A_WEEK == 10_080


def test_ticks_never_touch_evidence(world: StudioWorld) -> None:
    for slug, project in world.projects.items():
        evidence = {r for s, question in authored(world) if s == slug for r in question.evidence}
        touched = {f"msg:{e.target}" for e in project.ticks if e.kind in ("edit_message", "delete_message")}
        touched |= {f"issue:{e.target}" for e in project.ticks if e.kind == "delete_issue"}
        touched |= {
            f"company:{k}" for e in project.ticks if e.kind == "merge_companies" for k in (e.target, e.other)
        }
        assert not evidence & touched, slug


def test_identities_name_every_person_at_the_vendors_that_know_them(demo: Tenant) -> None:
    rows = [line for line in identities(demo) if line["kind"] == "person"]
    both = [line for line in rows if line["chatwoot"] and line["attio"]]
    assert len(both) >= 110
    for line in rows:
        person = demo.studio.projects[line["project"]].people[line["key"]]
        assert bool(line["attio"]) is ("attio" in person.present), line
        assert line["chatwoot"] or "cw" not in person.present, line


def test_agreements_point_to_messages_and_tell_their_due_day(demo: Tenant) -> None:
    rows = list(agreements(demo))
    assert len(rows) >= 60
    assert {line["status"] for line in rows} == {"kept", "broken", "open"}
    for line in rows:
        assert int(line["message_vendor_id"]) in demo.account.message_home
    due = [line["due_days_after_message"] for line in rows if line["due_days_after_message"] is not None]
    assert len(due) >= len(rows) * 0.7


def test_compiling_is_the_same_whatever_the_day_of_the_first_run(demo: Tenant) -> None:
    once = compile_all()
    assert once["world.jsonl"] == b"".join(orjson.dumps(line) + b"\n" for line in questions(demo))
    for name, body in once.items():
        assert ORIGINS.attio.encode() not in body, name


def test_evidence_that_does_not_exist_is_named(demo: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = GoldQuestion(
        "x-q1", "en", "fact", "project", "What?", "That.", ("msg:nowhere/1",), held_out=False
    )

    def only_wrong(_: ProjectWorld) -> tuple[GoldQuestion, ...]:
        return (wrong,)

    monkeypatch.setattr("jobs.sandbox.world.gold.read_gold", only_wrong)
    with pytest.raises(WorldError, match="msg:nowhere/1"):
        list(questions(demo))


def test_the_data_sets_lie_where_the_evaluation_reads_them() -> None:
    expected = {"world.jsonl", "world-identities.jsonl", "world-agreements.jsonl"}
    assert expected <= {path.name for path in Path(DATASETS).iterdir()}
