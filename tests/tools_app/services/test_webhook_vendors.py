"""Which records a delivery names, and what cannot be one."""

import json
from typing import Any

import pytest

from models.queries.webhooks import OBJECT, SYNC, Hint
from tests import deliveries as made
from tools_app.services.webhook_vendors import VENDORS, Malformed

NAMED: list[tuple[str, dict[str, Any], set[Hint]]] = [
    ("chatwoot", {"event": "conversation_created", "id": 5}, {Hint("conversations", "5")}),
    ("chatwoot", {"event": "conversation_status_changed", "id": 5}, {Hint("conversations", "5")}),
    ("chatwoot", {"event": "contact_updated", "id": 5}, {Hint("contacts", "5")}),
    (
        "chatwoot",
        made.message(9, 5, "message_updated"),
        {Hint("conversations", "5"), Hint("messages", "9", "5")},
    ),
    ("chatwoot", {"event": "inbox_updated", "id": 5}, {Hint(SYNC)}),
    ("chatwoot", {"event": "conversation_typing_on", "id": 5}, set()),
    ("chatwoot", {"event": "webwidget_triggered"}, set()),
    ("linear", made.issue("a-1", "remove"), {Hint("issues", "a-1")}),
    ("linear", {"type": "Comment", "data": {"id": "c", "issueId": "i"}}, {Hint("comments", "c")}),
    ("linear", {"type": "Comment", "action": "remove", "data": {"id": "c"}}, {Hint("comments", "c")}),
    ("linear", {"type": "Comment", "data": {"id": "c", "projectUpdateId": "u"}}, set()),
    ("linear", {"type": "Project", "data": {"id": "p"}}, {Hint(SYNC)}),
    ("linear", {"type": "Reaction", "data": {"id": "r"}}, set()),
    ("attio", made.record("r", "o", "record.deleted"), {Hint(OBJECT, "r", "o")}),
    (
        "attio",
        made.record("new", "o", "record.merged", duplicate_record_id="old"),
        {Hint(OBJECT, "new", "o"), Hint(OBJECT, "old", "o"), Hint(SYNC)},
    ),
    ("attio", made.record("old", "o", "record.merged"), {Hint(OBJECT, "old", "o"), Hint(SYNC)}),
    ("attio", {"events": [{"event_type": "note.created", "id": {"note_id": "n"}}]}, {Hint(SYNC)}),
    ("attio", {"events": [{"event_type": "task.created", "id": {"task_id": "t"}}]}, {Hint(SYNC)}),
    (
        "attio",
        {"events": [{"event_type": "object-attribute.updated", "id": {"attribute_id": "a"}}]},
        {Hint(SYNC)},
    ),
    ("attio", {"events": [{"event_type": "comment.created", "id": {}}]}, set()),
    ("attio", {"events": []}, set()),
]


@pytest.mark.parametrize(("connector", "event", "named"), NAMED)
def test_a_delivery_names_records(connector: str, event: dict[str, Any], named: set[Hint]) -> None:
    assert set(VENDORS[connector].hints(event)) == named


@pytest.mark.parametrize(
    "vendor_id", [None, "", True, [], {}, 1.5, "a'; --", "x" * 65, "\u0131d", "a\x00b", "../a", "-", "_"]
)
def test_an_id_that_no_vendor_gives_is_malformed(vendor_id: object) -> None:
    for connector, event in (
        ("linear", {"type": "Issue", "data": {"id": vendor_id}}),
        ("chatwoot", {"event": "contact_updated", "id": vendor_id}),
        ("attio", made.record(vendor_id, "o")),  # type: ignore[arg-type]
    ):
        with pytest.raises(Malformed):
            VENDORS[connector].hints(event)


@pytest.mark.parametrize(
    "event", [{"events": None}, {"events": [1]}, {"events": [{"event_type": "record.updated"}]}, {}]
)
def test_attio_events_of_another_shape_are_malformed(event: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        VENDORS["attio"].hints(event)


def test_a_message_id_is_a_number() -> None:
    with pytest.raises(Malformed):
        VENDORS["chatwoot"].hints({"event": "message_created", "id": "x", "conversation": {"id": 1}})


@pytest.mark.parametrize("stamp", ["NaN", "Infinity", "-Infinity", "1e999", '"soon"', "null", "true", "[]"])
def test_a_signed_time_that_is_no_number_is_not_a_time(stamp: str) -> None:
    with pytest.raises(Malformed):
        VENDORS["linear"].sent_at({}, json.loads(f'{{"webhookTimestamp": {stamp}}}'))


def test_linear_signs_milliseconds_and_chatwoot_seconds() -> None:
    assert VENDORS["linear"].sent_at({}, {"webhookTimestamp": 1714478400000}) == 1714478400
    assert VENDORS["chatwoot"].sent_at({"x-chatwoot-timestamp": "1714478400"}, {}) == 1714478400
    assert VENDORS["attio"].sent_at({}, {}) is None
