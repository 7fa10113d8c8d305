"""The demo world: how much there is, that it hangs together across vendors, and that people wrote it."""

import re
from collections import Counter
from collections.abc import Iterator

import pytest

from jobs.sandbox.bindings import demo_bindings
from jobs.sandbox.tenant import Tenant
from jobs.sandbox.world.authored import ProjectWorld, StudioWorld
from jobs.sandbox.world.loader import TWIN_FOLDER, WORLD_FOLDER, load_studio
from jobs.sandbox.world.reading import Fields, WorldError, read_yaml


def clients(world: StudioWorld) -> list[ProjectWorld]:
    return [project for project in world.projects.values() if project.info.team is not None]


def texts(world: StudioWorld) -> Iterator[tuple[str, str]]:
    for project in world.projects.values():
        for conversation in project.conversations.values():
            for number, message in enumerate(conversation.messages, 1):
                yield f"{project.info.slug}/{conversation.key}/{number}", message.text


def test_there_are_six_clients_over_nine_months_in_two_languages(world: StudioWorld) -> None:
    assert len(clients(world)) == 6
    weeks = {m.at // (7 * 1440) for p in clients(world) for c in p.conversations.values() for m in c.messages}
    assert set(range(-38, 0)) <= weeks
    spoken = Counter(c.lang for p in clients(world) for c in p.conversations.values() for _ in c.messages)
    assert min(spoken["en"], spoken["ru"]) > 1000


def test_there_is_as_much_as_a_studio_would_have(world: StudioWorld) -> None:
    totals = {
        "messages": sum(len(c.messages) for p in clients(world) for c in p.conversations.values()),
        "conversations": sum(len(p.conversations) for p in clients(world)),
        "issues": sum(len(p.issues) for p in clients(world)),
        "comments": sum(len(i.comments) for p in clients(world) for i in p.issues.values()),
        "companies": sum(len(p.companies) for p in clients(world)),
        "people": sum(len(p.people) for p in clients(world)),
        "deals": sum(len(p.deals) for p in clients(world)),
        "notes": sum(len(p.notes) for p in clients(world)),
    }
    least = {"messages": 2900, "conversations": 400, "issues": 500, "comments": 600, "companies": 78, "people": 195,
             "deals": 120, "notes": 130}  # fmt: skip
    assert {name: count for name, count in totals.items() if count < least[name]} == {}


def test_every_project_has_storylines_that_cross_the_vendors(world: StudioWorld) -> None:
    for project in clients(world):
        assert len(project.storylines) >= 8
        crossing = [{r.partition(":")[0] for r in story.records} for story in project.storylines]
        assert sum(1 for kinds in crossing if len(kinds) >= 2) >= 6, project.info.slug


def test_people_and_companies_appear_in_both_systems_often_spelled_differently(world: StudioWorld) -> None:
    for project in clients(world):
        both = [p for p in project.people.values() if p.present == frozenset(("cw", "attio"))]
        assert len(both) >= 18, project.info.slug
        differing = [p for p in both if (p.cw.name, p.cw.email) != (p.attio.name, p.attio.email)]
        assert len(differing) >= len(both) * 0.35, project.info.slug
        assert any(c.cw_name != c.name for c in project.companies.values())
        names = Counter(p.attio.name for p in project.people.values())
        assert sum(1 for count in names.values() if count > 1) >= 1, f"{project.info.slug} has no namesakes"


def test_e_mails_and_phones_are_unique_at_a_vendor_as_the_vendor_demands(demo: Tenant) -> None:
    contacts = demo.account.contacts.values()
    for values in ([c.email for c in contacts if c.email], [c.phone for c in contacts if c.phone]):
        assert [value for value, count in Counter(values).items() if count > 1] == []
    for object_slug, slug, key in (
        ("people", "email_addresses", "email_address"),
        ("companies", "domains", "domain"),
    ):
        held = [v.body[key] for e in demo.attio.records[object_slug].values() for v in e.current(slug)]
        assert [value for value, count in Counter(held).items() if count > 1] == []


def test_what_the_vendors_show_is_consistent(demo: Tenant) -> None:
    for conversation in demo.account.conversations.values():
        assert conversation.contact_id in demo.account.contacts
        times = [message.created_at for message in conversation.messages]
        assert times == sorted(times)
        ids = [message.id for message in conversation.messages]
        assert ids == sorted(ids)
    for issue in demo.linear.tables["issues"].values():
        assert issue["createdAt"] <= issue["updatedAt"]
        done = issue["state"]["type"] == "completed"
        assert (issue.get("completedAt") is not None) is done, issue["identifier"]
        assert all(comment["createdAt"] >= issue["createdAt"] for comment in issue["comments"])
    records = demo.attio.records
    for note in demo.attio.notes.values():
        assert note.parent_id in records[note.parent_object]


def test_no_vendor_text_keeps_a_date_slot(demo: Tenant) -> None:
    shown = [m.content or "" for c in demo.account.conversations.values() for m in c.messages]
    shown += [c.subject or "" for c in demo.account.conversations.values()]
    for issue in demo.linear.tables["issues"].values():
        shown += [issue["title"], issue["description"] or "", *(c["body"] for c in issue["comments"])]
    shown += [text for note in demo.attio.notes.values() for text in (note.title, note.text)]
    for entries in demo.attio.records.values():
        shown += [
            str(v.body.get("value", "")) for e in entries.values() for vs in e.values.values() for v in vs
        ]
    assert [text for text in shown if "{d " in text or "{d}" in text] == []


def test_conversations_of_two_projects_share_the_hotline_and_can_be_told_apart(demo: Tenant) -> None:
    bindings = {binding.slug: binding for binding in demo_bindings(demo.studio)}
    assert demo.studio.hotline is not None
    labelled, by_domain = demo.studio.hotline.by_label, demo.studio.hotline.by_domain
    hotline = demo.chatwoot_seed.inboxes["", "hotline"]
    found: Counter[str] = Counter()
    for (slug, _), number in demo.chatwoot_seed.conversations.items():
        conversation = demo.account.conversations[number]
        domain = (demo.account.contacts[conversation.contact_id].email or "").rpartition("@")[2]
        if conversation.inbox_id == hotline:
            found[slug] += 1
            assert (f"project-{labelled}" in conversation.labels) is (slug == labelled)
            assert slug == labelled or domain in bindings[by_domain].chatwoot_company_domains
        if slug != by_domain:
            assert domain not in bindings[by_domain].chatwoot_company_domains
    assert set(found) == {labelled, by_domain}
    assert min(found.values()) >= 8


def test_leads_belong_to_no_project(demo: Tenant) -> None:
    listed = {entry.record_id for entry in demo.attio.listed.values()}
    leads = [cid for (slug, _), cid in demo.attio_seed.companies.items() if slug == "unassigned"]
    assert 3 <= len(leads) <= 4
    assert not listed & set(leads)
    inboxes = {name for binding in demo_bindings(demo.studio) for name in binding.chatwoot_inboxes}
    assert "Studio website" not in inboxes


# --- the texts --------------------------------------------------------------------------------------------------


def test_no_long_message_is_said_twice(world: StudioWorld) -> None:
    seen: dict[str, list[str]] = {}
    for where, text in texts(world):
        plain = " ".join(text.lower().split())
        if len(plain) > 25:
            seen.setdefault(plain, []).append(where)
    assert {text: where for text, where in seen.items() if len(where) > 1} == {}


def skeleton(text: str, names: frozenset[str]) -> str:
    """A text with names, numbers and dates masked: what a template would leave."""
    masked = re.sub(r"\{d [^}]*\}", "#", text)
    words = re.findall(r"[A-Za-zА-Яа-яЁёÀ-ž]+|\d+", masked)
    return " ".join("@" if w in names else "#" if w.isdigit() else w.lower() for w in words)


def test_no_message_is_another_with_names_and_numbers_changed(world: StudioWorld) -> None:
    people = [person for project in world.projects.values() for person in project.people.values()]
    spelled = [f"{person.cw.name} {person.attio.name}" for person in people]
    spelled += [member.name for member in world.staff.values()]
    names = frozenset(word for name in spelled for word in re.findall(r"\w+", name))
    shapes: dict[str, list[str]] = {}
    for where, text in texts(world):
        shape = skeleton(text, names)
        if len(shape.split()) >= 5:
            shapes.setdefault(shape, []).append(where)
    assert {shape: where for shape, where in shapes.items() if len(where) > 2} == {}


def test_openings_and_endings_of_messages_vary(world: StudioWorld) -> None:
    """No six words open or close more than a handful of messages."""
    openings: Counter[str] = Counter()
    endings: Counter[str] = Counter()
    for _, text in texts(world):
        words = skeleton(text, frozenset()).split()
        if len(words) >= 12:
            openings[" ".join(words[:6])] += 1
            endings[" ".join(words[-6:])] += 1
    assert {words: count for words, count in openings.items() if count > 3} == {}
    assert {words: count for words, count in endings.items() if count > 4} == {}


def test_hardly_any_phrase_of_seven_words_is_used_twice(world: StudioWorld) -> None:
    used: dict[str, set[str]] = {}
    for where, text in texts(world):
        words = re.findall(r"\w+", text.lower())
        for start in range(len(words) - 6):
            used.setdefault(" ".join(words[start : start + 7]), set()).add(where)
    shared = {phrase: where for phrase, where in used.items() if len(where) > 1}
    assert len(shared) <= 10, shared


def test_messages_are_short_and_long_as_people_write(world: StudioWorld) -> None:
    lengths = sorted(len(text.split()) for _, text in texts(world))
    assert lengths[len(lengths) // 20] <= 6
    assert lengths[-len(lengths) // 20] >= 35


@pytest.mark.parametrize("word", ["lorem", "ipsum", "foo bar", "language model", "as an ai"])
def test_nothing_gives_the_fiction_away(world: StudioWorld, word: str) -> None:
    assert [where for where, text in texts(world) if word in text.lower()] == []


def test_everyday_messages_are_many_and_different() -> None:
    head = Fields("everyday", read_yaml(WORLD_FOLDER / "everyday.yaml"))
    for lang in ("en", "ru"):
        pool = head.texts(lang)
        assert len(pool) >= 60
        assert len(set(pool)) == len(pool)


def test_the_twin_looks_alike_and_every_text_of_it_is_its_own(world: StudioWorld) -> None:
    twin = load_studio(TWIN_FOLDER)
    assert set(twin.projects) <= set(world.projects)
    ours = {" ".join(text.split()) for _, text in texts(world)}
    assert not {" ".join(text.split()) for _, text in texts(twin)} & ours
    for slug, project in twin.projects.items():
        shared = {p.attio.name for p in project.people.values()} & {
            p.attio.name for p in world.projects[slug].people.values()
        }
        assert shared, slug
        assert {c.name for c in project.companies.values()} <= {
            c.name for c in world.projects[slug].companies.values()
        }


def test_a_part_of_the_studio_holds_the_named_projects_alone(world: StudioWorld) -> None:
    part = world.only(("harbor-pine", "voltline"))
    assert list(part.projects) == ["harbor-pine", "voltline"]
    assert part.projects["voltline"] is world.projects["voltline"]
    assert part.staff == world.staff
    with pytest.raises(WorldError, match="nowhere"):
        world.only(("voltline", "nowhere"))
