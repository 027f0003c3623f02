"""The posts about bitcoin and Game of Thrones: well-formed as assignments, complete as posts, true as prose."""

from __future__ import annotations

import ast
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from nbgrader.apps import NbGraderAPI
from nbgrader.nbgraderformat import MetadataValidator
from sklearn.metrics import accuracy_score, r2_score, roc_auc_score, root_mean_squared_error
from traitlets.config import Config

from datauab.competition import Competition, load_competition

POSTS = ("bitcoin", "got")

# What each post must speak about, as regular expressions over its Markdown (case-insensitive).
TOPICS = {
    "bitcoin": [
        r"^## Missing values",
        r"21 missing values, all of them in `btc_trade_volume`",
        r"\*\*Drop the rows\.\*\*",
        r"Pearson's correlation coefficient",
        r"\\bar x\)\(y_i - \\bar y\)",
        r"heat map",
        r"\*redundant\*",
        r"^## Choosing features by reasoning",
        r"logarithmic axis",
        r"Difficulty.*Transactions.*Market capitalisation",
        r"^## The columns that make the task too easy",
        r"^## Linear regression",
        r"\\mathrm\{RMSE\} = \\sqrt",
        r"R\^2 = 1 - \\frac",
        r"R² has no lower bound",
        r"^## Prediction plot",
        r"^## Residual plot",
        r"\*\*Noise\*\*.*\*\*Bend\*\*.*\*\*Funnel\*\*",
    ],
    "got": [
        r"^## Missing values, and three ways to treat them",
        r"\*\*Drop\*\*.*\*\*Fill in the mean\*\*.*\$-1\$ for numbers, an empty text for words",
        r"^## Two ages that are wrong",
        r"-277\{,\}980.*-298\{,\}001",
        r"^## Box plots and violin plots",
        r"^## Useless columns, and columns that reveal the answer",
        r"^## One people, many spellings",
        r"factorising or one-hot",
        r"split into train and test",
        r"k-fold cross-validation",
        r"\*\*Logistic regression\*\*",
        r"\*\*Decision tree\*\*",
        r"\*\*Random forest\*\*",
        r"\*\*k nearest neighbours\*\* \(KNN\)",
        r"\*\*Support vector machine\*\*",
        r"Cartesian product",
        r"\*\*Normalised\*\* by rows",
        r"^## Class imbalance",
        r"^## ROC curve and AUC",
        r"^## Precision, recall and F1",
        r"\*\*precision-recall curve\*\*",
    ],
}


@dataclass(frozen=True)
class Post:
    name: str
    folder: Path
    notebook: nbformat.NotebookNode
    competition: Competition

    @property
    def code(self) -> list[nbformat.NotebookNode]:
        return [cell for cell in self.notebook.cells if cell.cell_type == "code"]

    @property
    def prose(self) -> str:
        return "\n\n".join(cell.source for cell in self.notebook.cells if cell.cell_type == "markdown")

    def cells(self, **wanted: bool) -> list[nbformat.NotebookNode]:
        """Cells whose nbgrader metadata has all of `wanted`."""
        marked = [cell for cell in self.notebook.cells if "nbgrader" in cell.metadata]
        return [cell for cell in marked if all(cell.metadata.nbgrader[key] == value for key, value in wanted.items())]


@pytest.fixture(params=POSTS)
def post(request: pytest.FixtureRequest, checkout: Path) -> Post:
    name = request.param
    folder = checkout / "source" / name
    notebook = nbformat.read(folder / f"{name}.ipynb", as_version=nbformat.NO_CONVERT)
    return Post(name, folder, notebook, load_competition(folder))


def test_notebook_is_clean_and_of_the_current_format(post: Post) -> None:
    nbformat.validate(post.notebook)
    assert (post.notebook.nbformat, post.notebook.nbformat_minor) == (4, 5)
    assert post.notebook.metadata.kernelspec.name == "python3"
    assert all(cell.outputs == [] and cell.execution_count is None for cell in post.code)
    assert all(re.fullmatch(r"[a-z0-9-]+", cell.id) for cell in post.notebook.cells), "ids are names, not random"


def test_nbgrader_metadata_is_valid(post: Post) -> None:
    MetadataValidator().validate_nb(post.notebook)
    marked = [cell.metadata.nbgrader for cell in post.cells()]
    assert {entry.schema_version for entry in marked} == {3}
    assert len({entry.grade_id for entry in marked}) == len(marked)


def test_one_autograder_cell_ends_the_notebook(post: Post) -> None:
    (grade,) = post.cells(grade=True)
    assert grade is post.notebook.cells[-1]
    assert grade.metadata.nbgrader.points == 10
    assert grade.metadata.nbgrader.locked
    assert not grade.metadata.nbgrader.solution
    assert "report(" in grade.source


def test_solution_and_hidden_regions_stand_only_where_they_are_cut(post: Post) -> None:
    for cell in post.notebook.cells:
        role = cell.metadata.get("nbgrader", {})
        for region, allowed in (("SOLUTION", role.get("solution", False)), ("HIDDEN TESTS", role.get("grade", False))):
            marks = re.findall(rf"### (BEGIN|END) {region}", cell.source)
            assert marks == ["BEGIN", "END"] * (len(marks) // 2), f"{cell.id}: {region} is not balanced"
            assert bool(marks) == allowed, f"{cell.id}: {region}"


def test_every_exercise_is_told_before_it_and_checked_after_it(post: Post) -> None:
    cells = post.notebook.cells
    exercises = [cells.index(cell) for cell in post.cells(solution=True)]
    assert len(exercises) >= 6
    for number, place in enumerate(exercises, start=1):
        assert cells[place - 1].source.startswith(f"### Exercise {number} · ")
        check = cells[place + 1]
        role = check.metadata.nbgrader
        assert (role.locked, role.grade, role.solution) == (True, False, False)
        asserts = [node for node in ast.walk(ast.parse(check.source)) if isinstance(node, ast.Assert)]
        assert asserts or "datauab.check(" in check.source
        assert all(node.msg is not None for node in asserts), f"{check.id}: an assert says nothing to the student"


def test_every_topic_is_there(post: Post) -> None:
    missing = [
        topic
        for topic in TOPICS[post.name]
        if not re.search(topic, post.prose, re.MULTILINE | re.IGNORECASE | (re.DOTALL if ".*" in topic else 0))
    ]
    assert not missing


def test_every_figure_is_titled_labelled_and_read_to_the_reader(post: Post) -> None:
    cells = post.notebook.cells
    figures = [cell for cell in post.code if "plt.show()" in cell.source]
    assert len(figures) >= 12
    for cell in figures:
        for word in ("title", "xlabel", "ylabel"):
            assert word in cell.source, f"{cell.id} has no {word}"
        following = next(other for other in cells[cells.index(cell) + 1 :] if other.cell_type == "markdown")
        assert len(following.source) > 200, f"{cell.id}: nobody says in words what it shows"


def test_cover_is_a_small_figure_described_in_words(post: Post) -> None:
    cover = post.folder / post.competition.cover
    text = cover.read_text(encoding="utf-8")
    assert "<svg" in text
    assert "<script" not in text
    assert cover.stat().st_size < 150_000
    (alt,) = re.findall(rf"!\[(.*?)\]\({re.escape(post.competition.cover)}\)", post.prose)
    assert len(alt) > 60


def test_competition_agrees_with_the_autograder_cell(post: Post) -> None:
    (grade,) = post.cells(grade=True)
    for metric in (post.competition.metric.name, *post.competition.metric.secondary):
        assert f"{metric}={metric}" in grade.source
    assert f'datauab.check("{post.name}", predictions)' in "\n".join(cell.source for cell in post.code)


def test_release_has_neither_solutions_nor_hidden_tests(
    post: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # nbgrader calls alembic by its name when it makes the gradebook
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    released = _generate(post, tmp_path)
    text = "\n".join(cell.source for cell in released.cells)
    assert "BEGIN SOLUTION" not in text
    assert "HIDDEN" not in text
    assert "report(" not in text
    for solved in post.cells(solution=True):
        (cell,) = [cell for cell in released.cells if cell.id == solved.id]
        assert "raise NotImplementedError()" in cell.source
        compile(cell.source, cell.id, "exec")
        for block in re.findall(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", solved.source, re.DOTALL):
            assert block.strip() not in cell.source
    exec(compile(released.cells[-1].source, "autograder cell", "exec"), {})  # noqa: S102 - harmless in a student's copy


def _generate(post: Post, course: Path) -> nbformat.NotebookNode:
    folder = course / "source" / post.name
    folder.mkdir(parents=True)
    (folder / f"{post.name}.ipynb").write_bytes((post.folder / f"{post.name}.ipynb").read_bytes())
    config = Config()
    config.CourseDirectory.root = str(course)
    config.CourseDirectory.db_url = f"sqlite:///{course / 'gradebook.db'}"
    result = NbGraderAPI(config=config).generate_assignment(post.name)
    assert result["success"], result.get("log") or result.get("error")
    return nbformat.read(course / "release" / post.name / f"{post.name}.ipynb", as_version=4)


# --- the claims of the prose, on real data -----------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """What a finished notebook knew: the values asked for, what it printed, and how many figures it drew."""

    values: dict[str, Any]
    printed: str
    figures: int
    solution: np.ndarray
    predictions: np.ndarray
    reported: dict[str, float]


def _run(checkout: Path, raw: Path, folder: Path, name: str, asked: dict[str, str]) -> Run:
    """Run ``source/<name>`` from a clean kernel on real prepared data; its autograder cell runs here, not there."""
    from datauab import datasets
    from datauab.settings import load_settings

    settings = load_settings(checkout, raw=raw, public=folder / "public", state=folder / "state")
    prepared = datasets.prepare(settings, name, secret=b"any secret will do: the prose holds for each of them")
    competition = load_competition(checkout / "source" / name)
    publish = prepared.public_dir
    publish.chmod(0o755)
    (publish / "competition.json").write_text(competition.model_dump_json(), encoding="utf-8")

    notebook = nbformat.read(checkout / "source" / name / f"{name}.ipynb", as_version=4)
    grade = notebook.cells.pop()
    expressions = ", ".join(f"{key!r}: {expression}" for key, expression in asked.items())
    last = f"""
import json
np.save({str(folder / "predictions.npy")!r}, predictions)
print(json.dumps({{{expressions}}}))
"""
    notebook.cells.append(nbformat.v4.new_code_cell(last))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DATAUAB_")}
    environment |= {"DATAUAB_PUBLIC": str(folder / "public"), "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "2"}
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    client.execute(env=environment)

    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    predictions = np.load(folder / "predictions.npy")
    reported: dict[str, float] = {}
    scope = {"solution": prepared.solution, "predictions": predictions, "np": np, "report": reported.update}
    exec(compile(grade.source, "autograder cell", "exec"), scope)  # noqa: S102 - our own cell, as the grader runs it
    return Run(
        values=json.loads(printed.strip().splitlines()[-1]),
        printed=printed,
        figures=sum("image/png" in output.get("data", {}) for output in outputs),
        solution=np.asarray(prepared.solution),
        predictions=predictions,
        reported=reported,
    )


@pytest.mark.training
def test_bitcoin_runs_and_its_prose_is_true(checkout: Path, raw: Path, tmp_path: Path) -> None:
    run = _run(
        checkout,
        raw,
        tmp_path,
        "bitcoin",
        {
            "missing": "n_missing",
            "holes": "[column for column in train if train[column].isna().any()]",
            "stand_in": "bool(data.stand_in)",
            "difficulty": "pearson(clean['btc_difficulty'], clean[TARGET])",
            "twins": "pearson(clean['btc_difficulty'], clean['btc_hash_rate'])",
            "market_cap": "pearson(clean['btc_market_cap'], clean[TARGET])",
            "leaks": "[r2_score(clean[TARGET][ok], v[ok]) for v in rebuilt.values() for ok in [np.isfinite(v)]]",
            "withheld": "withheld",
            "columns": "train.select_dtypes('number').shape[1]",
            "largest": "effect.abs().sort_values().index[-2:].tolist()",
            "validation": "r_squared(truth, fitted_validation)",
            "mean": "r_squared(truth, np.full_like(truth, truth.mean()))",
            "future": "r_squared(future[TARGET], forecast)",
            "cheap": "float(np.quantile(clean[TARGET], 0.75))",
            "early": "float(residuals[cheap].std())",
            "late": "float(residuals[~cheap].std())",
        },
    )
    values = run.values
    assert not values["stand_in"]
    assert (values["missing"], values["holes"]) == (21, ["btc_trade_volume"])
    assert values["columns"] == 23
    assert values["difficulty"] == pytest.approx(0.9, abs=0.03)
    assert values["twins"] > 0.985
    assert values["market_cap"] > 0.999
    assert min(values["leaks"]) > 0.999
    assert {"Date", "btc_market_price", "btc_market_cap"} <= set(values["withheld"])
    assert set(values["largest"]) == {"hash rate", "trade volume"}
    assert values["cheap"] == pytest.approx(600, rel=0.15)
    assert values["validation"] > 0.6
    assert values["mean"] == pytest.approx(0)
    assert values["future"] < values["validation"]
    assert values["late"] > 1.5 * values["early"]
    assert run.figures >= 16
    assert run.reported["r2"] == pytest.approx(r2_score(run.solution, run.predictions), abs=1e-12)
    assert run.reported["rmse"] == pytest.approx(root_mean_squared_error(run.solution, run.predictions))
    _earns_most_points(checkout, "bitcoin", run.reported["r2"])


@pytest.mark.training
def test_got_runs_and_its_prose_is_true(checkout: Path, raw: Path, tmp_path: Path) -> None:
    run = _run(
        checkout,
        raw,
        tmp_path,
        "got",
        {
            "stand_in": "bool(data.stand_in)",
            "wrong": "sum(_wrong.values())",
            "majority": "float(majority)",
            "revealing": "sorted({'S.No', 'name', 'pred', 'alive', 'plod', 'isAlive', 'DateoFdeath'} & set(train))",
            "leak": "float((at_the_end == (born[TARGET] == 1)).mean())",
            "svm": "float(np.mean(svm_scores))",
            "without": "float(svm_accuracy['without the date of birth'].mean())",
            "factorised": "float(svm_accuracy['words factorised'].mean())",
            "means": "scores.mean().to_dict()",
            "found": "{name: normalised_confusion(y, guess).diagonal().tolist() for name, guess in guesses.items()}",
            "auc": "{name: roc_auc_score(y, score) for name, score in confidence.items()}",
            "pairs": "float(pairs)",
            "spellings": "[train['culture'].nunique(), int(cultures[cultures != ''].nunique())]",
            "balanced": "summary.loc['SVM, balanced weights'].tolist()",
            "plain": "summary.loc['SVM'].tolist()",
        },
    )
    values = run.values
    assert not values["stand_in"]
    assert values["wrong"] == 2, "both wrong ages are somewhere in train and test"
    assert values["revealing"] == []
    assert values["majority"] == pytest.approx(0.7456, abs=0.001)
    assert values["leak"] > 0.99
    assert values["svm"] == pytest.approx(0.829, abs=0.015), "what the club's post printed"
    assert values["svm"] - values["without"] == pytest.approx(0.05, abs=0.02)
    assert values["factorised"] < values["majority"] + 0.02
    assert set(sorted(values["means"], key=values["means"].get)[-3:]) == {"SVM", "KNN", "random forest"}
    assert all(alive > 0.9 for name, (_, alive) in values["found"].items() if name != "decision tree")
    assert max(dead for dead, _ in values["found"].values()) < 0.65
    assert values["auc"]["random forest"] > max(values["auc"].values()) - 0.01
    assert min(values["auc"], key=values["auc"].get) == "decision tree"
    assert values["pairs"] == pytest.approx(values["auc"]["random forest"])
    assert values["spellings"][1] < values["spellings"][0] - 8
    assert values["balanced"][0] < values["plain"][0], "balanced weights pay with accuracy"
    assert values["balanced"][2] > values["plain"][2], "and find more of the dead"
    assert run.figures >= 15
    assert np.all((run.predictions >= 0) & (run.predictions <= 1))
    assert run.reported["accuracy"] == pytest.approx(accuracy_score(run.solution, run.predictions >= 0.5))
    assert run.reported["roc_auc"] == pytest.approx(roc_auc_score(run.solution, run.predictions))
    _earns_most_points(checkout, "got", run.reported["accuracy"])


def _earns_most_points(checkout: Path, name: str, score: float) -> None:
    points = load_competition(checkout / "source" / name).points
    assert points.share(score) > 0.6
    trivial = {"bitcoin": 0.0, "got": 0.7456}[name]
    assert points.share(trivial) < 0.15
