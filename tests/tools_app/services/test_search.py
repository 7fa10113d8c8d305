"""What a card says above a record."""

import datetime as dt
from typing import Any

import pytest

from models.infra.ids import new_id
from retrieval.chunking import build_chunks
from retrieval.records import ConversationThread, MessageRecord, Party, Place
from retrieval.schemas import Answer, Evidence
from tests.tools_app.world import World
from tools_app.services import search

AT = dt.datetime(2026, 5, 24, 9, tzinfo=dt.UTC)
YERLAN = Party("Ерлан Ахметов", "CTO", "Voltline", "electric scooters, Almaty")


def header(project: str, channel: str, contact: Party = YERLAN, **more: Any) -> str:
    """The header of a message, as retrieval writes it and takes for a title when there is no subject."""
    place = Place(new_id(), new_id(), new_id(), project)
    said = MessageRecord(new_id(), "1", more.pop("author", contact.name), "Когда?", AT, True, **more)
    return build_chunks(ConversationThread(new_id(), place, channel, contact, None, (said,)))[0].header


def evidence(title: str, **more: Any) -> Evidence:
    values: dict[str, Any] = {
        "id": "message:1", "source_type": "message", "source_id": "1", "project_id": new_id(), "url": None, "score": 1,
        "title": title, "snippet": "Когда?", "author": "Ерлан Ахметов", "created_at": AT, **more,
    }  # fmt: skip
    return Evidence(**values)


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        (header("Voltline", "Voltline telegram"), "telegram · Ерлан Ахметов"),
        (header("Voltline", "Voltline telegram", author="Marta", private=True), "telegram · Ерлан Ахметов"),
        (header("Voltline", "Web chat", Party("Anna", None, None, "law firm")), "Web chat · Anna"),
        (header("Voltline", "Voltline", Party("Anna")), "Voltline · Anna"),
        (header("", "Studio website", Party("Visitor 4")), "Studio website · Visitor 4"),
        ("Move to Chatwoot · Linear", "Move to Chatwoot · Linear"),
        ("Invoice 12, paid (late)", "Invoice 12, paid (late)"),
        ("Voltline · Attio · Voltline GmbH", "Voltline · Attio · Voltline GmbH"),
    ],
)
def test_a_conversation_without_a_subject_is_called_by_channel_and_person(title: str, shown: str):
    assert search._title(evidence(title), "Voltline") == shown


def test_the_title_of_another_record_is_left_alone():
    title = "HPN-12 Mail · Chatwoot · retries"
    assert search._title(evidence(title, source_type="issue"), "Voltline") == title


def test_a_card_bears_the_short_title(worlds: dict[str, World], monkeypatch: pytest.MonkeyPatch):
    place = worlds["one"].places["alpha"]
    found = Answer(
        query="?", answer="", answerable=True, code="", lang="ru", mode="hybrid", took_ms=1, query_run_id=new_id(),
        evidence=(evidence(header("Renamed since", "telegram"), project_id=place.project),),
    )  # fmt: skip
    monkeypatch.setattr(search, "answer", lambda *_: found)
    view = search.ask(worlds["one"].of(), search.Question("?"))
    assert [each.title for each in view.evidence] == ["telegram · Ерлан Ахметов"]
