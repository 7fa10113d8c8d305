"""Record pages: every link that a record carries opens something readable."""

from urllib.parse import urlsplit

from tests.jobs.sandbox.harness import Lab


def path_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def test_a_conversation_page_marks_the_asked_message(lab: Lab) -> None:
    number = lab.conversation("first")
    asked = lab.sandbox.tenants["main"].chatwoot_seed.messages["acme", "first/2"]
    answer = lab.chatwoot.get(f"/app/accounts/1/conversations/{number}", params={"messageId": asked})
    assert answer.status_code == 200
    page = answer.text
    marked = page.split('class="asked"')[1].split("</article>")[0]
    assert "By 29 May, promised." in marked
    assert page.count('class="asked"') == 1
    assert "Annie L." in page
    assert "<script" not in page


def test_pages_need_no_token(lab: Lab) -> None:
    answer = lab.chatwoot.get("/app/accounts/1/conversations/1", headers={"api_access_token": ""})
    assert answer.status_code == 200


def test_texts_are_escaped(lab: Lab) -> None:
    lab.event(kind="message", conversation="open", by="bob", text="<img src=x onerror=alert(1)>")
    page = lab.chatwoot.get(f"/app/accounts/1/conversations/{lab.conversation('open')}").text
    assert "<img" not in page
    assert "&lt;img" in page


def test_issue_comment_and_project_links_open(lab: Lab) -> None:
    data = lab.query(
        "{ issues { nodes { title url } } comments { nodes { body url } } projects { nodes { name url } } }"
    )
    for node in data["issues"]["nodes"]:
        assert node["title"] in lab.linear.get(path_of(node["url"])).text
    for node in data["comments"]["nodes"]:
        page = lab.linear.get(path_of(node["url"]))
        assert node["body"] in page.text
        assert f'id="{urlsplit(node["url"]).fragment}"' in page.text
    for node in data["projects"]["nodes"]:
        assert node["name"] in lab.linear.get(path_of(node["url"])).text


def test_company_person_deal_and_note_links_open(lab: Lab) -> None:
    for object_slug in ("companies", "people", "deals"):
        for row in lab.records(object_slug):
            assert lab.attio.get(path_of(row["web_url"])).status_code == 200, row["web_url"]
    note = lab.attio.get("/v2/notes").json()["data"][0]
    deal = lab.attio.get(f"/v2/objects/deals/records/{note['parent_record_id']}").json()["data"]
    page = lab.attio.get(f"{path_of(deal['web_url'])}/notes?modal=note&id={note['id']['note_id']}")
    assert note["content_plaintext"] in page.text.split('class="asked"')[1].split("</article>")[0]
    assert note["title"] in lab.attio.get(f"/small/notes/{note['id']['note_id']}").text


def test_a_missing_record_has_a_page_with_404(lab: Lab) -> None:
    for answer in (
        lab.chatwoot.get("/app/accounts/1/conversations/9999"),
        lab.chatwoot.get("/app/accounts/9/conversations/1"),
        lab.linear.get("/small/issue/ACM-99"),
        lab.attio.get("/small/company/nope"),
    ):
        assert answer.status_code == 404
        assert "does not exist" in answer.text


def test_an_attachment_opens_a_placeholder(lab: Lab) -> None:
    rows = lab.chatwoot.get(f"/api/v1/accounts/1/conversations/{lab.conversation('first')}/messages").json()
    attachment = next(m["attachments"][0] for m in rows["payload"] if m.get("attachments"))
    assert "plan.pdf" in lab.chatwoot.get(path_of(attachment["data_url"])).text


def test_a_contact_page_links_its_conversations(lab: Lab) -> None:
    contact = lab.sandbox.tenants["main"].chatwoot_seed.contacts["acme", "ann"]
    page = lab.chatwoot.get(f"/app/accounts/1/contacts/{contact}").text
    assert f"/app/accounts/1/conversations/{lab.conversation('first')}" in page
