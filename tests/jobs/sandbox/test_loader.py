"""The loader of the authored world names file, record and field of every mistake."""

from pathlib import Path
from typing import Any

import pytest

from jobs.sandbox.world.reading import WorldError
from tests.jobs.sandbox.harness import CONVERSATIONS, DEALS, ISSUES, PEOPLE, write_studio


def changed(rows: list[dict[str, Any]], **fields: Any) -> list[dict[str, Any]]:
    """The rows with fields of the first one replaced."""
    return [{**rows[0], **fields}, *rows[1:]]


def test_the_small_studio_loads(tmp_path: Path) -> None:
    studio = write_studio(tmp_path)
    acme = studio.projects["acme"]
    assert (len(acme.conversations), len(acme.issues), len(acme.deals), len(acme.notes)) == (4, 4, 2, 55)
    assert acme.people["ann"].cw.name == "Annie L."
    assert acme.people["ann"].attio.name == "Ann Lee"
    assert acme.people["ghost"].cw.email is None
    assert acme.conversations["first"].messages[2].private


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"conversations": changed(CONVERSATIONS, contact="nobody")}, r"conversations-1\.yaml: first, field 'contact'"),
        ({"conversations": changed(CONVERSATIONS, at="soon")}, r"first, field 'at': expected a time"),
        ({"conversations": changed(CONVERSATIONS, inbox="fax")}, r"field 'inbox': 'fax' is none of"),
        ({"conversations": changed(CONVERSATIONS, messages=[["x", "0m", "Hi"]])}, r"field 'message 1': 'x' is neither"),
        ({"conversations": changed(CONVERSATIONS, messages=[])}, r"field 'messages': is empty"),
        ({"conversations": [CONVERSATIONS[0], CONVERSATIONS[0]]}, r"field 'key': is used twice"),
        ({"conversations": {"a": 1}}, r"expected a list of records"),
        ({"issues": {**ISSUES, "issues": changed(ISSUES["issues"], state="Paused")}}, r"issues\.yaml.*fire, field 'state'"),
        ({"issues": {**ISSUES, "issues": changed(ISSUES["issues"], blocked_by=["x"])}}, r"'x', named by fire"),
        ({"deals": {**DEALS, "deals": changed(DEALS["deals"], stage="Lead")}}, r"deals\.yaml.*must end in"),
        ({"deals": {**DEALS, "notes": changed(DEALS["notes"], parent="deal:x")}}, r"n0, field 'parent'"),
        ({"people": {**PEOPLE, "people": changed(PEOPLE["people"], company="x")}}, r"people\.yaml.*ann, field 'company'"),
        ({"ticks": [{"kind": "dance"}]}, r"ticks\.yaml: event 1, field 'kind'"),
        ({"ticks": [{"kind": "edit_message", "message": "first/9", "text": ""}]}, r"'first/9' is no message"),
        (
            {"truth": {"agreements": [{"key": "a", "who": "ann", "what": "x", "message": "first/9", "status": "kept"}]}},
            r"truth\.yaml.*a, field 'message'",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_file_record_and_field(
    tmp_path: Path, files: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(WorldError, match=complaint):
        write_studio(tmp_path, **files)


def test_yaml_that_cannot_be_read_names_the_file(tmp_path: Path) -> None:
    studio = tmp_path / "acme" / "conversations-0.yaml"
    studio.parent.mkdir(parents=True)
    studio.write_text("- {key: [", encoding="utf-8")
    with pytest.raises(WorldError, match=r"acme/conversations-0\.yaml"):
        write_studio(tmp_path)
