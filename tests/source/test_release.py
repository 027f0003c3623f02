"""``release/`` is what ``nbgrader generate_assignment`` makes of ``source/``, and holds nothing hidden."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from datauab import course
from datauab.settings import load_settings

CHECKOUT = Path(__file__).resolve().parents[2]
NAMES = sorted(path.parent.name for path in CHECKOUT.glob("source/*/*.ipynb"))


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    settings = load_settings(CHECKOUT, database=f"sqlite:///{folder}/gradebook.db")
    for name in NAMES:
        course.generate(settings, name, release=folder / "release")
    return folder / "release"


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_student_version_is_not_stale(fresh: Path, name: str) -> None:
    committed, generated = files(CHECKOUT / "release" / name), files(fresh / name)
    stale = sorted(path for path in committed | generated if committed.get(path) != generated.get(path))
    assert not stale, (
        f"release/{name} is stale: {stale} differ from what source/{name} gives; "
        f"run `nbgrader generate_assignment {name} --force` and commit release/{name}"
    )


@pytest.mark.parametrize("name", NAMES)
def test_students_get_no_solution_no_hidden_test_and_no_configuration(name: str) -> None:
    shown = files(CHECKOUT / "release" / name)
    assert "competition.toml" not in shown
    text = nbformat.reads(shown[f"{name}.ipynb"].decode(), as_version=4)
    for cell in text.cells:
        for word in ("BEGIN SOLUTION", "END SOLUTION", "BEGIN HIDDEN", "report("):
            assert word not in cell.source, (cell.id, word)
