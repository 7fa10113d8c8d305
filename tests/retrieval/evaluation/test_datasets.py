"""The judged questions keep what is tuned on apart from what is measured on."""

import json
from pathlib import Path

import pytest

from retrieval.evaluation.datasets import all_questions, development_questions, load_collection
from retrieval.schemas import GROUP_OF


def test_no_development_question_is_held_out() -> None:
    assert not [question.id for question in development_questions() if question.held_out]


def test_no_held_out_wording_appears_among_the_development_questions() -> None:
    held_out = {question.question.casefold() for question in all_questions() if question.held_out}
    assert held_out.isdisjoint(question.question.casefold() for question in development_questions())


def test_development_and_held_out_questions_together_are_all_questions() -> None:
    held_out = [question for question in all_questions() if question.held_out]
    assert {question.id for question in development_questions()} == {
        question.id for question in all_questions()
    } - {question.id for question in held_out}


def test_half_of_the_questions_are_held_out() -> None:
    questions = all_questions()
    assert len(questions) == 456
    assert len(development_questions()) == 228


def test_every_question_has_an_id_of_its_own() -> None:
    ids = [question.id for question in all_questions()]
    assert len(set(ids)) == len(ids)


def test_both_halves_ask_in_both_languages_and_of_every_kind() -> None:
    development = development_questions()
    held_out = [question for question in all_questions() if question.held_out]
    asked = {(question.lang, question.kind) for question in all_questions()}
    assert {(question.lang, question.kind) for question in development} == asked
    assert {(question.lang, question.kind) for question in held_out} == asked


def test_an_answerable_question_names_its_evidence() -> None:
    assert not [question.id for question in all_questions() if question.answerable and not question.evidence]


def test_evidence_is_of_the_kinds_that_retrieval_knows() -> None:
    kinds = {kind for question in all_questions() for kind, _ in question.evidence}
    assert kinds <= set(GROUP_OF)


def test_a_question_that_does_not_say_false_is_not_for_development(tmp_path: Path) -> None:
    row = {
        "id": "q1", "lang": "en", "kind": "fact", "scope": "project", "project": "p", "question": "Q?",
        "evidence": [{"source_type": "message", "vendor_id": 7}],
    }  # fmt: skip
    file = tmp_path / "world.jsonl"
    file.write_text("\n".join(json.dumps({**row, "held_out": value}) for value in (True, False, None)))
    assert [question.held_out for question in development_questions(file)] == [False]


def test_a_collection_is_read_from_its_three_files(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text('{"id": "d1", "lang": "ru", "text": "Да"}\n\n')
    (tmp_path / "queries.jsonl").write_text('{"id": "q1", "lang": "en", "text": "Yes?"}\n')
    (tmp_path / "qrels.tsv").write_text("q1\td1\t1\nq1\td2\t1\n")
    collection = load_collection(tmp_path)
    assert collection.name == tmp_path.name
    assert collection.documents == {"d1": ("ru", "Да")}
    assert collection.queries == {"q1": ("en", "Yes?")}
    assert collection.relevant == {"q1": frozenset({"d1", "d2"})}


def test_a_collection_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_collection(tmp_path / "nowhere")
