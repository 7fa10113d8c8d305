import pytest

from jobs.crm_stages import STAGES, UNMAPPED, known_stages, normalise_stage


@pytest.mark.parametrize(
    ("title", "stage"),
    [
        ("Lead", "lead"),
        ("In Progress", "negotiation"),
        ("Won 🎉", "won"),
        ("  closed-WON ", "won"),
        ("Proposal", "proposal"),
        ("Лид", "lead"),
        ("КП отправлено", "proposal"),
        ("Квалификация", "qualified"),
        ("Отказ.", "lost"),
        ("Someday", UNMAPPED),
        ("", UNMAPPED),
        (None, UNMAPPED),
        ("🎉", UNMAPPED),
    ],
)
def test_a_title_means_a_stage_whatever_its_case_and_decoration(title: str | None, stage: str) -> None:
    assert normalise_stage(title) == stage


def test_every_title_of_the_table_is_found_and_stands_once() -> None:
    titles = [title for each in STAGES.values() for title in each]
    assert len(titles) == len(set(titles))
    assert {title: normalise_stage(title) for title in titles} == {
        title: stage for stage, each in STAGES.items() for title in each
    }


def test_unknown_titles_are_left_out_of_what_is_known() -> None:
    assert known_stages(["Won 🎉", "Someday"]) == {"Won 🎉": "won"}
