"""The authored gold questions of a project: where they lie and what they say. No vendor ever sees them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from jobs.sandbox.world.authored import ProjectWorld
from jobs.sandbox.world.reading import Fields, WorldError, read_yaml

REPOSITORY: Final = Path(__file__).resolve().parents[3]
DATASETS: Final = REPOSITORY / "retrieval" / "evaluation" / "datasets"

KINDS: Final = ("fact", "commitment", "status", "cross-source", "person", "not-answerable")
_SCOPES: Final = ("project", "portfolio")


@dataclass(frozen=True, slots=True)
class GoldQuestion:
    """One question with the authored records (`msg:conversation/3`, `issue:key`, …) that answer it."""

    id: str
    lang: str
    kind: str
    scope: str
    question: str
    answer: str
    evidence: tuple[str, ...]
    held_out: bool


def gold_file(project: ProjectWorld) -> Path | None:
    """The file with a project's questions, null when it has none."""
    path = project.folder / "gold.yaml"
    return path if path.exists() else None


def read_gold(project: ProjectWorld) -> tuple[GoldQuestion, ...]:
    """A project's questions in their order. Raises WorldError on a wrong record."""
    path = gold_file(project)
    if path is None:
        return ()
    document: Any = read_yaml(path) or []
    if not isinstance(document, list):
        raise WorldError(f"{path.name}: expected a list of questions")
    rows = [Fields(f"{path.parent.name}/{path.name}", row) for row in cast("list[Any]", document)]
    return tuple(
        GoldQuestion(
            id=item.text("id"),
            lang=item.one_of("lang", ("en", "ru")),
            kind=item.one_of("kind", KINDS),
            scope=item.one_of("scope", _SCOPES),
            question=item.text("question").strip(),
            answer=item.text("answer").strip(),
            evidence=item.texts("evidence"),
            held_out=item.flag("held_out"),
        )
        for item in rows
    )
