"""Identity through the API: what is suggested and why, accepting and dismissing, undo, and who sees a pair."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlmodel import select

from jobs import tasks
from models.infra.database import reading, transaction
from models.infra.ids import new_id
from models.tables.attio import Company, Person
from models.tables.chatwoot import Contact
from models.tables.identity import IdentityLink
from models.tables.platform import AuditEvent, JobRun
from tests.tools_app.api.identity_calls import LINKS, SUGGESTIONS, fill_suggestions, propose, scoped
from tests.tools_app.commerce import error_code
from tests.tools_app.world import Place, World


@pytest.fixture
def place(worlds: dict[str, World]) -> Place:
    return worlds["one"].places["alpha"]


@pytest.fixture
def pair(place: Place) -> str:
    """A proposed contact and person."""
    return str(fill_suggestions(place)[0])


def listed(client: httpx.Client, path: str = SUGGESTIONS, **query: Any) -> list[dict[str, Any]]:
    answer = client.get(path, params={"project_id": "alpha", **query})
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def post(client: httpx.Client, verb: str, project: str = "alpha", **body: Any) -> httpx.Response:
    return client.post(f"/api/identity/{verb}", json={"project_id": project, **body})


def accept(client: httpx.Client, *ids: str, project: str = "alpha") -> list[dict[str, Any]]:
    answer = post(client, "apply", project, suggestion_ids=list(ids))
    assert answer.status_code == 201, answer.text
    return answer.json()["links"]


def execute(statement: str, **values: Any) -> None:
    with transaction() as session:
        session.execute(text(statement), values)


def across(worlds: dict[str, World], confidence: str = "0.6") -> str:
    """A proposed pair of a contact of beta and a person of alpha."""
    alpha, beta = worlds["one"].places["alpha"], worlds["one"].places["beta"]
    with transaction() as session:
        alpha.session = beta.session = session
        contact = beta.row(Contact, "chatwoot", name="Anna Orlova")
        person = alpha.row(Person, "attio", name="Анна Орлова")
        values = {"contact_id": contact.id, "person_id": person.id, **scoped(beta, alpha)}
        return str(propose(beta, kind="contact_person", confidence=Decimal(confidence), **values))


def test_a_suggestion_shows_both_records_and_what_speaks_for_it(
    client: httpx.Client, place: Place, pair: str
) -> None:
    found = {each["id"]: each for each in listed(client)}[pair]
    assert (found["kind"], found["status"], found["confidence"]) == ("contact_person", "proposed", 0.9)
    assert (found["left"]["kind"], found["left"]["name"]) == ("contact", f"Анна {place.marker}")
    assert (found["right"]["kind"], found["right"]["detail"]) == ("person", f"anna@{place.marker}.example")
    assert found["left"]["url"].startswith("http://vendor.example/")
    assert found["features"] == [
        {"code": "same_email", "weight": 0.9, "left": f"A@{place.marker}", "right": f"a@{place.marker}"}
    ]


def test_suggestions_are_narrowed_sorted_and_paged_without_loss(client: httpx.Client, place: Place) -> None:
    with transaction() as session:
        place.session = session
        contact = place.row(Contact, "chatwoot", name="Anna")
        for at in range(7):
            company = place.row(Company, "attio", name=f"Firm {at}")
            values = {"contact_id": contact.id, "company_id": company.id, **scoped(place)}
            propose(place, kind="contact_company", confidence=Decimal(50 + at // 2) / 100, **values)
    everything = listed(client)
    assert [each["confidence"] for each in everything] == [0.53, 0.52, 0.52, 0.51, 0.51, 0.5, 0.5]
    for sort in ("confidence", "-confidence", "created_at", "-created_at"):
        whole = [each["id"] for each in listed(client, sort=sort)]
        seen: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            query = {
                "project_id": "alpha",
                "limit": 2,
                "sort": sort,
                **({"cursor": cursor} if cursor else {}),
            }
            page = client.get(SUGGESTIONS, params=query).json()
            seen += [each["id"] for each in page["items"]]
            cursor = page["next_cursor"]
        assert seen == whole
        assert len(set(seen)) == 7
    assert len(listed(client, min_confidence=0.52)) == 3
    assert listed(client, kind="contact_person") == listed(client, status="accepted") == []
    assert len(listed(client, record_id=str(contact.id))) == 7
    assert len(listed(client, record_id=everything[0]["right"]["id"])) == 1


@pytest.mark.parametrize(
    "query",
    [
        {"sort": "name"}, {"cursor": "x"}, {"min_confidence": 2}, {"min_confidence": "nan"}, {"kind": "person_person"},
        {"status": "merged"}, {"limit": 0}, {"record_id": "x"},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_400(client: httpx.Client, query: dict[str, Any]) -> None:
    assert client.get(SUGGESTIONS, params={"project_id": "alpha", **query}).status_code == 400


def test_a_cursor_of_another_order_is_400(client: httpx.Client, pair: str) -> None:
    page = client.get(SUGGESTIONS, params={"project_id": "alpha", "limit": 1}).json()
    query = {"project_id": "alpha", "cursor": page["next_cursor"], "sort": "created_at"}
    assert error_code(client.get(SUGGESTIONS, params=query), 400) == "invalid_cursor"


def test_an_accepted_suggestion_is_a_link(client: httpx.Client, pair: str) -> None:
    [link] = accept(client, pair)
    assert (link["suggestion_id"], link["kind"], link["created_by"]) == (pair, "contact_person", "owner")
    assert listed(client, LINKS) == [link]
    [held] = listed(client, status="accepted")
    assert (held["id"], held["decided_by"]) == (pair, "owner")
    assert listed(client, LINKS, record_id=link["left"]["id"]) == [link]
    assert (
        listed(client, LINKS, record_id=str(new_id())) == listed(client, LINKS, kind="contact_company") == []
    )


def test_contacts_say_who_they_are_as_long_as_both_are_there(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    made = across(worlds)

    def linked(project: str) -> list[list[str]]:
        found = listed(client, "/api/contacts", project_id=project, q="Anna Orlova")
        return [each["linked_people"] + each["linked_companies"] for each in found]

    assert linked("all") == [[]]
    [link] = accept(client, made, project="all")
    assert linked("all") == [[link["right"]["id"]]]
    # The person is of another project.
    assert linked("beta") == [[]]
    execute("UPDATE attio_people SET deleted_at = now()")
    assert linked("all") == [[]]


def test_undo_restores_exactly_what_was_there(client: httpx.Client, pair: str) -> None:
    before = listed(client)
    [link] = accept(client, pair)
    assert listed(client) != before
    answer = post(client, "unlink", link_ids=[link["id"]])
    assert (answer.status_code, listed(client), listed(client, LINKS)) == (200, before, [])
    assert answer.json()["suggestions"] == [each for each in before if each["id"] == pair]


def test_an_undone_pair_may_be_dismissed_at_once_and_proposed_again(client: httpx.Client, pair: str) -> None:
    before = listed(client)
    [link] = accept(client, pair)
    [found] = post(client, "unlink", link_ids=[link["id"]], back_to="dismissed").json()["suggestions"]
    assert (found["status"], found["decided_by"]) == ("dismissed", "owner")
    assert error_code(post(client, "apply", suggestion_ids=[pair]), 409) == "wrong_status"
    assert post(client, "dismiss", suggestion_ids=[pair], dismissed=False).status_code == 200
    assert listed(client) == before


def test_what_was_decided_is_decided(client: httpx.Client, pair: str) -> None:
    [link] = accept(client, pair)
    for verb in ("apply", "dismiss"):
        assert error_code(post(client, verb, suggestion_ids=[pair]), 409) == "wrong_status"
    assert error_code(post(client, "dismiss", suggestion_ids=[pair], dismissed=False), 409) == "wrong_status"
    assert listed(client, LINKS) == [link]
    post(client, "unlink", link_ids=[link["id"]])
    assert error_code(post(client, "unlink", link_ids=[link["id"]]), 404) == "not_found"


def test_several_are_accepted_all_or_none(client: httpx.Client, place: Place) -> None:
    one, other = (str(each) for each in fill_suggestions(place))
    accept(client, one)
    assert post(client, "apply", suggestion_ids=[other, one]).status_code == 409
    assert post(client, "apply", suggestion_ids=[other, str(new_id())]).status_code == 404
    assert [each["id"] for each in listed(client, status="proposed")] == [other]
    assert len(accept(client, other, other)) == 1
    links = [each["id"] for each in listed(client, LINKS)]
    assert post(client, "unlink", link_ids=[*links, str(new_id())]).status_code == 404
    assert len(listed(client, LINKS)) == 2
    assert len(post(client, "unlink", link_ids=links).json()["suggestions"]) == 2


@pytest.mark.parametrize("ids", [[], ["x"], [str(new_id())] * 101, None])
def test_a_body_that_names_no_pairs_is_400(client: httpx.Client, ids: object) -> None:
    assert post(client, "apply", suggestion_ids=ids).status_code == 400


def test_the_same_request_under_a_key_accepts_once(client: httpx.Client, pair: str) -> None:
    body = {"project_id": "alpha", "suggestion_ids": [pair]}
    answers = [
        client.post("/api/identity/apply", json=body, headers={"idempotency-key": "accept-1"})
        for _ in range(2)
    ]
    assert [each.status_code for each in answers] == [201, 201]
    assert answers[0].json()["links"] == answers[1].json()["links"]
    assert answers[1].headers["idempotency-replayed"] == "true"
    with reading() as session:
        assert len(session.exec(select(IdentityLink)).all()) == 1


def test_pairs_of_deleted_records_are_not_listed_and_not_accepted(client: httpx.Client, pair: str) -> None:
    execute("UPDATE attio_people SET deleted_at = now()")
    assert pair not in {each["id"] for each in listed(client)}
    assert error_code(post(client, "apply", suggestion_ids=[pair]), 409) == "record_gone"
    execute("UPDATE attio_people SET deleted_at = NULL")
    [link] = accept(client, pair)
    execute("UPDATE cw_contacts SET deleted_at = now()")
    assert listed(client, LINKS) == []
    # It can be undone all the same.
    assert post(client, "unlink", link_ids=[link["id"]]).json()["suggestions"] == []


def test_a_record_that_is_being_moved_is_waited_for_and_taken_with_its_new_project(
    client: httpx.Client, worlds: dict[str, World], pair: str
) -> None:
    beta = worlds["one"].places["beta"].project
    with ThreadPoolExecutor(1) as pool, transaction() as session:
        session.execute(
            text("UPDATE cw_contacts SET project_id = :beta WHERE email IS NOT NULL"), {"beta": beta}
        )
        asked = pool.submit(accept, client, pair, project="all")
        with pytest.raises(TimeoutError):
            asked.result(timeout=0.5)
        session.commit()
        [link] = asked.result(timeout=30)
    assert (link["left"]["project_id"], link["right"]["project_id"]) == (
        str(beta), str(worlds["one"].places["alpha"].project),
    )  # fmt: skip
    assert listed(client, LINKS) == []
    assert listed(client, LINKS, project_id="all") == [link]


def test_a_pair_across_projects_shows_where_both_are_read(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    made = across(worlds)
    for slug in ("alpha", "beta", "unassigned"):
        assert listed(client, project_id=slug) == []
        assert post(client, "apply", slug, suggestion_ids=[made]).status_code == 404
    assert [each["id"] for each in listed(client, project_id="all")] == [made]
    [link] = accept(client, made, project="all")
    for slug in ("alpha", "beta"):
        assert listed(client, LINKS, project_id=slug) == []
        assert post(client, "unlink", slug, link_ids=[link["id"]]).status_code == 404
    assert listed(client, LINKS, project_id="all") == [link]
    # Nor does the trail of one project tell of the other.
    for slug in ("alpha", "beta"):
        query = {"project_id": slug, "action": "identity.*"}
        assert client.get("/api/audit", params=query).json()["items"] == []
    query = {"project_id": "all", "action": "identity.*"}
    assert [each["entity_id"] for each in client.get("/api/audit", params=query).json()["items"]] == [made]


def test_another_account_scope_can_neither_see_nor_decide(
    client: httpx.Client, login: Callable[..., httpx.Client], pair: str
) -> None:
    [link] = accept(client, pair)
    other = login("two")
    assert listed(other, project_id="all") == listed(other, LINKS, project_id="all") == []
    for body in ({"suggestion_ids": [pair]}, {"suggestion_ids": [pair], "dismissed": False}):
        verb = "dismiss" if "dismissed" in body else "apply"
        assert post(other, verb, "all", **body).status_code == 404
    assert post(other, "unlink", "all", link_ids=[link["id"]]).status_code == 404
    assert listed(client, LINKS) == [link]


def test_a_key_limited_to_a_project_decides_about_its_pairs_only(
    client: httpx.Client, base_url: str, worlds: dict[str, World], pair: str
) -> None:
    made = across(worlds)
    project = str(worlds["one"].places["alpha"].project)
    token = client.post(
        "/api/auth/keys", json={"name": "crm", "project_ids": [project], "read_only": False}
    ).json()["token"]
    with httpx.Client(base_url=base_url, headers={"authorization": f"Bearer {token}"}) as holder:
        assert made not in {each["id"] for each in listed(holder, project_id="all")}
        assert post(holder, "apply", "all", suggestion_ids=[made]).status_code == 404
        assert post(holder, "apply", "beta", suggestion_ids=[pair]).status_code == 404
        assert holder.post(f"{SUGGESTIONS}/preview").status_code == 403
        assert accept(holder, pair)[0]["suggestion_id"] == pair


def test_without_the_csrf_token_nothing_is_decided(client: httpx.Client, pair: str) -> None:
    del client.headers["x-csrf-token"]
    assert post(client, "apply", suggestion_ids=[pair]).status_code == 403
    assert client.post(f"{SUGGESTIONS}/preview").status_code == 403


def test_every_decision_is_audited_with_before_and_after(client: httpx.Client, pair: str) -> None:
    [link] = accept(client, pair)
    post(client, "unlink", link_ids=[link["id"]])
    post(client, "dismiss", suggestion_ids=[pair])
    post(client, "dismiss", suggestion_ids=[pair], dismissed=False)
    with reading() as session:
        rows = session.exec(select(AuditEvent).where(AuditEvent.entity_id == pair)).all()
        trail = {row.action: (row.before, row.after) for row in rows}
    assert {action: (before["status"], after["status"]) for action, (before, after) in trail.items()} == {  # type: ignore[index]
        "identity.apply": ("proposed", "accepted"),
        "identity.unlink": ("accepted", "proposed"),
        "identity.dismiss": ("proposed", "dismissed"),
        "identity.reopen": ("dismissed", "proposed"),
    }
    assert trail["identity.apply"][1]["link_id"] == link["id"]  # type: ignore[index]
    assert trail["identity.unlink"][0]["link_id"] == link["id"]  # type: ignore[index]


def test_a_preview_is_asked_for_joined_and_finds_what_may_be_the_same(
    client: httpx.Client, place: Place
) -> None:
    with transaction() as session:
        place.session = session
        place.row(Person, "attio", name="Anna Orlova", emails=["anna@harbor.example"])
        place.row(Contact, "chatwoot", name="Анна Орлова", email="anna@harbor.example")
    first, second = (client.post(f"{SUGGESTIONS}/preview") for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 202)
    [run] = first.json()["items"]
    assert (run["job"], run["joined"]) == ("identity", False)
    assert second.json()["items"] == [{**run, "joined": True}]
    tasks.preview_identity(str(place.scope), run["run_id"])
    with reading() as session:
        assert session.get_one(JobRun, UUID(run["run_id"])).status == "succeeded"
    [found] = listed(client, kind="contact_person")
    assert [each["code"] for each in found["features"]] == [
        "same_email",
        "same_name",
        "same_company",
        "same_project",
    ]
