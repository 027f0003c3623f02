"""A teacher's table becomes a competition: scaffolded, prepared, released, linted, entered and scored."""

from __future__ import annotations

import io
import stat
from datetime import date
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from datauab import course, solutions
from datauab.autograde.outcome import read_outcome
from datauab.cli import app
from datauab.competition import load_competition
from datauab.errors import ConfigurationError, DataError
from datauab.grader.job import grade
from datauab.ledger import Ledger
from datauab.scaffold import KINDS, Plan, look_at, scaffold
from datauab.settings import Settings, load_settings

CONFIG = """
from datauab.autograde.config import configure_autograde
from datauab.course import configure_course
from datauab.settings import load_settings

c = get_config()
configure_course(c, load_settings())
configure_autograde(c)
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty course that commands find."""
    (tmp_path / "club" / "source").mkdir(parents=True)
    (tmp_path / "club" / "nbgrader_config.py").write_text(CONFIG)
    monkeypatch.setenv("DATAUAB_ROOT", str(tmp_path / "club"))
    return tmp_path / "club"


def wine(path: Path, rows: int = 600) -> pd.DataFrame:
    """A table of wines whose quality grows with alcohol and falls with acid."""
    random = np.random.default_rng(3)
    table = pd.DataFrame({
        "id": [f"w{number:04d}" for number in random.permutation(rows)],
        "alcohol": random.normal(10.5, 1.0, rows).round(2),
        "acid": random.gamma(4.0, 0.1, rows).round(3),
        "colour": random.choice(["red", "white"], rows),
    })  # fmt: skip
    quality = table["alcohol"] - 4 * table["acid"] + random.normal(0, 0.5, rows)
    table.loc[random.choice(rows, 30, replace=False), "acid"] = np.nan
    table["quality"] = quality.round(3)
    table.to_csv(path, index=False)
    return table


def club(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


@pytest.mark.sandbox
def test_a_new_competition_goes_from_a_table_to_a_score(root: Path, tmp_path: Path) -> None:
    table = wine(tmp_path / "wine.csv")
    said = club("new", "wine", "--title", "Good wine", "--csv", str(tmp_path / "wine.csv"))
    assert "predictions of kind real, target 'quality'" in said
    club("data", "prepare", "wine")
    settings = load_settings(root)
    public = settings.public / "wine"
    train, test = pd.read_csv(public / "train.csv"), pd.read_csv(public / "test.csv")
    assert "quality" not in test.columns
    assert len(train) + len(pd.read_csv(public / "validation.csv")) + len(test) == len(table)
    truth = table.set_index("id")["quality"][test["id"]].to_numpy()
    assert np.array_equal(solutions.read(settings, "wine").array, truth)
    with Ledger.open(settings) as ledger:
        assert course.ensure_released(settings, ledger, lambda name: None) == ["wine"]
        sample = (public / "sample_submission.csv").read_text()
        exact = pd.DataFrame({"id": test["id"], "prediction": truth}).sample(frac=1, random_state=1)
        buffer = io.StringIO()
        exact.to_csv(buffer, index=False)
        scores = []
        for number, text in enumerate((sample, buffer.getvalue())):
            blob = text.encode()
            attempt = ledger.add_attempt(
                competition="wine", member="ana", blob=blob, kind="predictions", filename="wine.csv"
            )
            folder = tmp_path / str(number)
            folder.mkdir()
            grade(settings, attempt.id, folder)
            outcome = read_outcome(folder / "outcome.json")
            assert outcome is not None
            assert outcome.scores is not None, outcome
            scores.append(outcome.scores.public)
    assert -0.5 < scores[0] <= 0  # a constant never explains anything, whichever rows the secret made public
    assert scores[1] == 1.0


def test_the_table_is_for_the_clubs_own_programs_only(root: Path, tmp_path: Path) -> None:
    wine(tmp_path / "wine.csv")
    club("new", "wine", "--csv", str(tmp_path / "wine.csv"))
    settings = load_settings(root)
    for path in (settings.own_raw, settings.own_raw / "wine", settings.own_raw / "wine" / "wine.csv"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    assert not list(settings.source.rglob("*.csv"))
    club("data", "prepare", "wine")
    released = course.generate(settings, "wine")
    text = "".join(cell.source for cell in nbformat.read(released / "wine.ipynb", as_version=4).cells)
    assert "report(" not in text
    assert "Ridge()" not in text
    assert {path.name for path in released.rglob("*") if path.is_file()} == {"wine.ipynb", "cover.svg"}


def test_who_has_another_secret_gets_another_split(tmp_path: Path) -> None:
    wine(tmp_path / "wine.csv")
    from datauab import datasets

    ids = []
    for number, secret in enumerate((b"a" * 32, b"a" * 32, b"b" * 32)):
        settings = Settings(root=tmp_path / str(number))
        scaffold(settings, "wine", look_at(tmp_path / "wine.csv"), table=tmp_path / "wine.csv")
        prepared = datasets.prepare(settings, "wine", secret)
        ids.append(list(pd.read_csv(prepared.public_dir / "test.csv")["id"]))
    assert ids[0] == ids[1]
    assert set(ids[0]) != set(ids[2])
    assert ids[0] != sorted(ids[0])


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_begins_with_a_valid_description_and_notebook(kind: str, tmp_path: Path) -> None:
    settings = Settings(root=tmp_path)
    made = scaffold(settings, "wine", Plan(kind), today=date(2026, 2, 1))
    competition = load_competition(made.folder)
    assert competition.predictions.kind == kind
    assert competition.data is not None
    assert competition.metric.name in __import__("datauab.metrics").metrics.METRICS
    nbformat.validate(nbformat.read(made.folder / "wine.ipynb", as_version=4))
    assert (made.folder / competition.cover).is_file()


def test_words_become_classes_and_are_split_alike(tmp_path: Path) -> None:
    from datauab import datasets

    wine(tmp_path / "wine.csv")
    settings = Settings(root=tmp_path)
    plan = look_at(tmp_path / "wine.csv", target="colour")
    assert (plan.kind, plan.classes, plan.class_names, plan.id) == ("class", (0, 1), ("red", "white"), "id")
    scaffold(settings, "wine", plan, table=tmp_path / "wine.csv")
    prepared = datasets.prepare(settings, "wine", b"a" * 32)
    train = pd.read_csv(prepared.public_dir / "train.csv")
    assert set(train["colour"]) == {0, 1}
    assert prepared.solution.mean() == pytest.approx(train["colour"].mean(), abs=0.01)


def test_rows_of_one_group_stay_together(tmp_path: Path) -> None:
    from datauab import datasets

    table = wine(tmp_path / "wine.csv").assign(cellar=lambda rows: [f"c{number % 40}" for number in range(len(rows))])
    table.to_csv(tmp_path / "wine.csv", index=False)
    settings = Settings(root=tmp_path)
    scaffold(settings, "wine", look_at(tmp_path / "wine.csv", target="quality"), table=tmp_path / "wine.csv")
    path = settings.source / "wine" / "competition.toml"
    path.write_text(path.read_text().replace("[predictions]", 'group = "cellar"\n[predictions]', 1))
    folder = datasets.prepare(settings, "wine", b"a" * 32).public_dir
    parts = [set(pd.read_csv(folder / f"{part}.csv")["cellar"]) for part in ("train", "validation", "test")]
    assert sum(map(len, parts)) == 40


def test_wrong_tables_are_refused_with_their_reason(tmp_path: Path) -> None:
    from datauab import datasets

    settings = Settings(root=tmp_path)
    scaffold(settings, "wine", Plan("real", "quality", "id"))
    with pytest.raises(DataError, match=r"expected CSV files in .*gradebook/raw/wine, found none"):
        datasets.prepare(settings, "wine", b"a" * 32)
    path = settings.own_raw / "wine" / "wine.csv"
    table = wine(path)
    for wrong, reason in (
        (table.drop(columns="quality"), "expected the columns quality"),
        (table.assign(quality=table["quality"].where(table.index != 3)), "expected a value in every row"),
        (table.assign(id="same"), "expected another id in each row"),
        (table.assign(quality="good"), "expected a finite number in every row, found 'good'"),
        (table.head(5), "expected at least 20 rows"),
    ):
        wrong.to_csv(path, index=False)
        with pytest.raises(DataError, match=reason):
            datasets.prepare(settings, "wine", b"a" * 32)


@pytest.mark.parametrize("name", ["Wine", "../wine", "", "mnist"])
def test_a_name_that_is_none_or_taken_writes_nothing(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        scaffold(Settings(root=tmp_path), name, Plan("real"))
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    settings = Settings(root=tmp_path)
    scaffold(settings, "wine", Plan("real"))
    (settings.source / "wine" / "wine.ipynb").write_text("mine")
    with pytest.raises(ConfigurationError, match="is there already"):
        scaffold(settings, "wine", Plan("class"))
    assert (settings.source / "wine" / "wine.ipynb").read_text() == "mine"
