"""The page where a person switches faults on and off: plain forms, no script."""

import re
from html.parser import HTMLParser
from urllib.parse import urlencode

import httpx

from jobs.sandbox.serving.fault_kinds import VENDORS, kinds_of
from tests.jobs.sandbox.harness import Lab

PAGE = "/_sandbox/control"
FORM = {"content-type": "application/x-www-form-urlencoded"}


class Forms(HTMLParser):
    """The forms of a page: their fields and the label of their button."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[dict[str, str]] = []
        self.tags: list[str] = []
        self._button = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            assert (given["method"], given["action"]) == ("post", PAGE)
            self.found.append({})
        if tag == "input" and given.get("type") == "hidden":
            self.found[-1][given["name"]] = given["value"]
        self._button = tag == "button"

    def handle_data(self, data: str) -> None:
        if self._button:
            self.found[-1]["label"] = data
            self._button = False


def send(lab: Lab, **fields: str) -> httpx.Response:
    return lab.chatwoot.post(PAGE, content=urlencode(fields), headers=FORM)


def press(lab: Lab, label: str, **fields: str) -> httpx.Response:
    """Press the one button of that label whose form has those fields."""
    forms = Forms(lab.chatwoot.get(PAGE).text).found
    (form,) = [f for f in forms if f.get("label") == label and fields.items() <= f.items()]
    return send(lab, **{name: value for name, value in form.items() if name != "label"})


def in_force(lab: Lab) -> list[tuple[str, str, int | None]]:
    faults = lab.chatwoot.get("/_sandbox/faults").json()["faults"]
    return [(each["vendor"], each["kind"], each["times"]) for each in faults]


def test_the_index_leads_to_the_switches(lab: Lab) -> None:
    for path in ("/", "/_sandbox"):
        page = lab.chatwoot.get(path)
        assert page.status_code == 200
        assert f'href="{PAGE}"' in page.text
        assert "http://linear.test/graphql" in page.text


def test_the_page_needs_no_script_and_nothing_from_elsewhere(lab: Lab) -> None:
    page = lab.chatwoot.get(PAGE).text
    assert not {"script", "img", "iframe"} & set(Forms(page).tags)
    assert not re.search(r'(src|href)="(https?:)?//', page)


def test_every_fault_can_be_switched_on_and_off(lab: Lab) -> None:
    for vendor in VENDORS:
        for kind in kinds_of(vendor):
            answer = press(lab, "Until off", vendor=vendor, kind=kind.name)
            assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
            assert in_force(lab) == [(vendor, kind.name, None)]
            (fault,) = lab.chatwoot.get("/_sandbox/faults").json()["faults"]
            page = Forms(lab.chatwoot.get(PAGE).text).found
            off = [f for f in page if f.get("label") == "Switch off"]
            assert [f["id"] for f in off] == [str(fault["id"])] * 2  # in the list, and at its kind
            send(lab, action="end", id=str(fault["id"]))
            assert in_force(lab) == []


def test_a_fault_for_once_and_the_end_of_all(lab: Lab) -> None:
    press(lab, "Once", vendor="attio", kind="500")
    press(lab, "Until off", vendor="linear", kind="429")
    assert in_force(lab) == [("attio", "500", 1), ("linear", "429", None)]
    assert press(lab, "Switch all off").status_code == 303
    assert in_force(lab) == []


def test_a_schedule_is_shown_as_it_was_given(lab: Lab) -> None:
    send(
        lab, action="add", vendor="chatwoot", kind="slow", route="/api/*", contains="<i>", skip="2", times="3",
        probability="0.5", seed="7", seconds="1.5",
    )  # fmt: skip
    page = lab.chatwoot.get(PAGE).text
    assert "after 2 more, 3 more times, each with probability 0.5, seed 7, 1.5 s" in page
    assert "&lt;i&gt;" in page
    assert "<i>" not in page


def test_what_is_refused_is_said_and_changes_nothing(lab: Lab) -> None:
    for fields, said in (
        ({"action": "add", "vendor": "attio", "kind": "errors_200"}, "errors_200 is a fault of linear only"),
        (
            {"action": "add", "vendor": "attio", "kind": "500", "times": "many"},
            "times must be a whole number",
        ),
        ({"action": "hook", "vendor": "attio", "url": "http://example.com:80/"}, "of this machine"),
        ({"action": "dance"}, "no such action: &#x27;dance&#x27;"),
        ({"action": "end", "id": "x"}, "invalid literal"),
    ):
        answer = send(lab, **fields)
        assert answer.status_code == 400
        assert said in answer.text
    assert in_force(lab) == []


def test_a_webhook_target_is_shown_and_its_secret_once(lab: Lab) -> None:
    answer = send(lab, action="hook", vendor="attio", url="http://127.0.0.1:9/hook", secret="")
    secret = re.search(r"signed with ([0-9a-f]{48});", answer.text)
    assert secret
    page = lab.chatwoot.get(PAGE).text
    assert "http://127.0.0.1:9/hook" in page
    assert secret[1] not in page
    press(lab, "Remove")
    assert lab.chatwoot.get("/_sandbox/webhooks").json()["targets"] == []


def test_the_world_moves_and_requests_are_listed(lab: Lab) -> None:
    press(lab, "Let the next things happen at the vendors")
    assert lab.sandbox.ticks.done == 1
    lab.chatwoot.get("/api/v1/accounts/1/labels")
    assert "GET /api/v1/accounts/1/labels" in lab.chatwoot.get(PAGE).text


def test_a_page_of_another_site_may_not_steer(lab: Lab) -> None:
    for origin in ("https://evil.example", "null", "http://127.0.0.1.evil.example:3101"):
        for path, body in (
            (PAGE, b"action=tick"),
            ("/_sandbox/faults", b'{"vendor": "attio", "kind": "500"}'),
        ):
            answer = lab.chatwoot.post(path, content=body, headers={"origin": origin})
            assert answer.status_code == 403
    assert (lab.sandbox.ticks.done, in_force(lab)) == (0, [])
    own = lab.chatwoot.post(PAGE, content=b"action=tick", headers={**FORM, "origin": "http://127.0.0.1:3101"})
    assert own.status_code == 303


def test_a_body_without_end_is_not_read(lab: Lab) -> None:
    answer = lab.chatwoot.post("/_sandbox/faults", content=b"x" * 1_000_001)
    assert answer.status_code == 400
    assert "a body of over" in answer.json()["error"]
