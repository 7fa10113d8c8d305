"""Ask: an answer with citations that resolve, evidence that opens at the vendor, a verdict that is kept."""

import json
import re
from html import unescape

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Tower
from tests.conftest import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

ENGLISH = "What did we promise Harbor & Pine about the deadline?"
RUSSIAN = "Что мы обещали Harbor & Pine по сроку?"


def _ask(page: Page, tower: Tower, question: str) -> None:
    page.goto(f"{tower.url}/search?project=all")
    page.wait_for_selector("[data-suggested]")
    page.fill("#question", question)
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-answer]")


def _share_words(quote: str, document: str) -> bool:
    """Whether three words in a row of a quote stand in a vendor's page (a quote may begin with our own summary line)."""
    shown = " ".join(unescape(re.sub(r"<[^>]+>", " ", document)).split())
    words = quote.split()
    return any(" ".join(words[at : at + 3]) in shown for at in range(max(1, len(words) - 2)))


CLIENTS = {
    "harbor-pine": ("Harbor & Pine", "Harbor & Pine"), "severny-bereg": ("Severny Bereg", "Северному Берегу"),
    "lumen-health": ("Lumen Health", "Lumen Health"), "tochka-rosta": ("Tochka Rosta", "Точке Роста"),
    "voltline": ("Voltline", "Voltline"), "orchard-lane": ("Orchard & Lane", "Orchard & Lane"),
}  # fmt: skip


def _promises(client: str) -> set[str]:
    """The vendor ids of the messages in which the studio promised something to a client, as the world knows them."""
    lines = (ROOT / "retrieval/evaluation/datasets/world-agreements.jsonl").read_text().splitlines()
    return {each["message_vendor_id"] for each in map(json.loads, lines) if each["project"] == client}


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("lang", ["en", "ru"])
def test_what_was_promised_to_any_client_is_answered_with_a_message_that_promises_it(
    page: Page, tower: Tower, client: str, lang: str
):
    english, russian = CLIENTS[client]
    question = (
        f"What did we promise {english} about the deadline?"
        if lang == "en"
        else f"Что мы обещали {russian} по сроку?"
    )
    _ask(page, tower, question)
    expect(page.locator("[data-answer]")).to_have_attribute("data-answer", "answered")
    links = [
        page.locator(f"[data-evidence='{citation.inner_text()}'] [data-vendor-link]").get_attribute("href")
        for citation in page.locator("[data-jump]").all()
    ]
    cited = {number for link in links for number in re.findall(r"[?&]messageId=(\d+)", str(link))}
    assert cited & _promises(client), links


@pytest.mark.parametrize("question", [ENGLISH, RUSSIAN])
def test_a_question_is_answered_with_citations_that_open_their_records(
    page: Page, tower: Tower, question: str
):
    _ask(page, tower, question)
    expect(page.locator("[data-answer]")).to_have_attribute("data-answer", "answered")
    citations = page.locator("[data-jump]")
    assert citations.count() > 0
    for citation in citations.all():
        number = citation.inner_text()
        card = page.locator(f"[data-evidence='{number}']")
        expect(card).to_have_count(1)
        link = card.locator("[data-vendor-link]").get_attribute("href")
        assert link is not None
        opened = page.request.get(link)
        assert opened.ok
        assert _share_words(card.locator("mark").inner_text(), opened.text())


def test_a_citation_jumps_to_its_evidence_and_gives_it_the_focus(page: Page, tower: Tower):
    _ask(page, tower, ENGLISH)
    page.locator("[data-jump]").last.click()
    number = page.locator("[data-jump]").last.inner_text()
    expect(page.locator(f"#evidence-{number}")).to_be_focused()
    expect(page.locator(f"#evidence-{number}")).to_be_in_viewport()


def test_an_answer_names_how_complete_and_how_old_each_of_its_sources_is(page: Page, tower: Tower):
    _ask(page, tower, ENGLISH)
    sources = page.locator("[data-answer-source]")
    expect(sources.first).to_contain_text("completeness 100%")
    expect(sources.first.locator("ct-time")).to_be_visible()
    shown = {
        line
        for each in page.locator("[data-evidence] header").all()
        for line in each.inner_text().split("\n")
    }
    of = {"Message": "Chatwoot", "Issue": "Linear", "Comment": "Linear", "Deal": "Attio", "Note": "Attio"}
    of["Company"] = "Attio"
    named = {each.inner_text().partition(":")[0] for each in sources.all()}
    assert named == {of[line] for line in shown & of.keys()}


def test_the_question_is_in_the_url_and_survives_a_reload(page: Page, tower: Tower):
    _ask(page, tower, ENGLISH)
    page.reload()
    page.wait_for_selector("[data-answer]")
    expect(page.locator("#question")).to_have_value(ENGLISH)


def test_a_source_that_is_switched_off_brings_no_evidence(page: Page, tower: Tower):
    page.goto(f"{tower.url}/search?project=all")
    page.wait_for_selector("[data-suggested]")
    page.fill("#question", ENGLISH)
    for source in ("issues", "deals"):
        page.locator(f"label:has(input[name=source_{source}])").click()
    page.get_by_role("button", name="Ask").click()
    page.wait_for_selector("[data-evidence]")
    assert "source=messages" in page.url
    kinds = {each.locator("header").inner_text().split("\n")[1 if each.get_attribute("data-evidence") else 0]
             for each in page.locator("[data-evidence]").all()}  # fmt: skip
    assert kinds == {"Message"}


def test_a_thumb_down_with_a_comment_is_kept(page: Page, tower: Tower):
    _ask(page, tower, ENGLISH)
    page.get_by_role("button", name="Bad answer").click()
    page.fill("#feedback-comment", "Names the wrong hotel")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#feedback-comment")).to_have_count(0)
    expect(page.get_by_role("status").filter(has_text="Thank you")).to_be_visible()
    kept = tower.rows("select rating from lightrag_feedback where comment = 'Names the wrong hotel'")
    assert [str(rating) for (rating,) in kept] == ["down"]


def test_a_suggested_question_is_asked_by_one_click_and_is_recent_afterwards(page: Page, tower: Tower):
    page.goto(f"{tower.url}/search?project=voltline")
    suggested = page.locator("[data-suggested]").first
    words = suggested.inner_text()
    suggested.click()
    page.wait_for_selector("[data-answer]")
    page.goto(f"{tower.url}/search?project=voltline")
    expect(page.get_by_role("link", name=words)).to_have_count(2)


def test_inside_a_project_only_its_records_are_evidence(page: Page, tower: Tower):
    page.goto(f"{tower.url}/search?project=voltline&q={ENGLISH.replace('&', '%26')}")
    page.wait_for_selector("[data-answer]")
    for card in page.locator("[data-evidence]").all():
        expect(card.locator("header")).to_contain_text("Voltline")
