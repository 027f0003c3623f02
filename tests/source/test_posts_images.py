"""The posts about digits and about skin lesions: what nbgrader relies on, what they must explain, what they claim."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from nbgrader.nbgraderformat import MetadataValidator, ValidationError
from nbgrader.preprocessors import ClearHiddenTests, ClearSolutions, LockCells

from datauab.competition import load_competition

POSTS = ("mnist", "lesions")

#: What each post must contain, as patterns for its text and code, case-insensitive.
TOPICS = {
    "mnist": {
        "neuron": r"\*\*neuron\*\*",
        "activation function": r"\\operatorname\{ReLU\}\(z\)",
        "sliding window": r"window that slides",
        "convolution's formula": r"\\sum_\{i=0\}\^\{4\}",
        "arrays H x W x C": r"H × W × C",
        "tensors C x H x W": r"C × H × W",
        "transforms": r"\*\*transform\*\*",
        "Dataset": r"class Digits\(Dataset\)",
        "DataLoader": r"\*\*`DataLoader`\*\*",
        "workers": r"num_workers=count",
        "20 filters of 5 x 5": r"nn\.Conv2d\(1, 20, 5\)",
        "50 filters of 5 x 5": r"nn\.Conv2d\(20, 50, 5\)",
        "100 hidden units": r"nn\.Linear\(50 \* 4 \* 4, 100\)",
        "softmax": r"e\^\{z_k\}",
        "cross-entropy": r"-\\ln p_y",
        "SGD with momentum": r"v \\leftarrow \\mu\\, v \+ g",
        "training loop": r"def train_epoch",
        "validation loop": r"def evaluate",
        "curves": r"Loss|\.capitalize\(\)\} after each epoch",
        "activation maps": r"\*\*activation map\*\*",
        "what they show": r"edge detectors",
        "device": r"torch\.cuda\.is_available",
    },
    "lesions": {
        "why fine-tune": r"why fine-tune\?",
        "new layer only": r"\*\*new layer\*\* only",
        "first layers frozen": r"first layers are frozen",
        "everything, higher rate": r"\*\*everything\*\* \| all weights \| higher",
        "flips": r"v2\.RandomVerticalFlip\(\)",
        "random crops": r"v2\.RandomResizedCrop\(SIZE",
        "rescaling to 224": r"rescaled to 224 × 224",
        "ImageNet's normalisation": r"\(0\.485, 0\.456, 0\.406\)",
        "ResNet-18": r"resnet18\(\)",
        "weights": r"ResNet18_Weights\.IMAGENET1K_V1",
        "TORCH_HOME": r"TORCH_HOME",
        "from scratch": r"FROM SCRATCH",
        "several GPUs": r"nn\.DataParallel\(model\)",
        "class imbalance": r"WeightedRandomSampler",
        "balanced accuracy": r"\\text\{recall\}_k",
        "curves": r"Balanced accuracy on validation",
        "annealing": r"learning-rate annealing\.\*\*",
        "early stopping": r"early stopping\.\*\*",
        "random search": r"random search\.\*\*",
        "small setting": r"SMALL = not torch\.cuda\.is_available\(\)",
        "the club's figure": r"79\.4 %",
    },
}


def _read(checkout: Path, name: str) -> nbformat.NotebookNode:
    return nbformat.read(checkout / "source" / name / f"{name}.ipynb", as_version=4)


@pytest.fixture(params=POSTS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def post(checkout: Path, name: str) -> nbformat.NotebookNode:
    return _read(checkout, name)


def _of(cell: nbformat.NotebookNode, key: str) -> bool:
    return bool(cell.metadata.get("nbgrader", {}).get(key, False))


def _released(post: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """What students get: nbgrader's own preprocessors, in the order of `generate_assignment`."""
    for preprocessor in (LockCells(), ClearSolutions(), ClearHiddenTests()):
        post, _ = preprocessor.preprocess(post, {})
    return post


def test_notebook_is_valid_and_clean(post: nbformat.NotebookNode) -> None:
    nbformat.validate(post)
    assert (post.nbformat, post.nbformat_minor) == (4, 5)
    assert post.metadata.kernelspec.name == "python3"
    ids = [cell.id for cell in post.cells]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z0-9-]+", cell_id) for cell_id in ids)
    for cell in post.cells:
        if cell.cell_type == "code":
            assert not cell.outputs, cell.id
            assert cell.execution_count is None, cell.id
            compile(cell.source, cell.id, "exec")


def test_nbgrader_metadata(post: nbformat.NotebookNode) -> None:
    try:
        MetadataValidator().validate_nb(post)
    except ValidationError as error:
        pytest.fail(str(error))
    graded = [cell.metadata.nbgrader for cell in post.cells if "nbgrader" in cell.metadata]
    assert {item.schema_version for item in graded} == {3}
    assert len({item.grade_id for item in graded}) == len(graded)


def test_one_autograder_cell_at_the_end(post: nbformat.NotebookNode) -> None:
    cells = [cell for cell in post.cells if _of(cell, "grade")]
    assert len(cells) == 1
    assert cells[0] is post.cells[-1]
    assert cells[0].metadata.nbgrader.points == 10
    assert _of(cells[0], "locked")
    assert not _of(cells[0], "solution")
    assert "report(" in cells[0].source


def test_solutions_and_hidden_tests_stand_only_where_they_may(post: nbformat.NotebookNode) -> None:
    for cell in post.cells:
        begins, ends = cell.source.count("### BEGIN SOLUTION"), cell.source.count("### END SOLUTION")
        assert begins == ends, cell.id
        assert (begins > 0) == _of(cell, "solution"), cell.id
        hidden = cell.source.count("### BEGIN HIDDEN TESTS"), cell.source.count("### END HIDDEN TESTS")
        assert hidden == ((1, 1) if _of(cell, "grade") else (0, 0)), cell.id


def test_each_exercise_is_checked_before_the_next(post: nbformat.NotebookNode) -> None:
    waiting, exercises = None, 0
    for cell in post.cells:
        if _of(cell, "solution"):
            assert waiting is None, f"{waiting} has no visible check"
            waiting, exercises = cell.id, exercises + 1
        elif _of(cell, "locked") and not _of(cell, "grade") and waiting:
            assert "assert" in cell.source
            waiting = None
    assert waiting is None, f"{waiting} has no visible check"
    assert exercises >= 5
    instructions = "\n".join(cell.source for cell in post.cells if cell.cell_type == "markdown")
    assert len(re.findall(r"^### Exercise \d+: ", instructions, flags=re.MULTILINE)) == exercises


def test_predictions_are_checked_before_they_are_graded(post: nbformat.NotebookNode, name: str) -> None:
    checks = [i for i, cell in enumerate(post.cells) if f'datauab.check("{name}", predictions)' in cell.source]
    assert checks
    assert checks[-1] < len(post.cells) - 1


def test_student_version_shows_no_solution_and_runs_at_its_end(post: nbformat.NotebookNode) -> None:
    released = _released(post)
    text = "\n".join(cell.source for cell in released.cells)
    assert not re.search(r"(BEGIN|END) (SOLUTION|HIDDEN)", text)
    assert "solution" not in released.cells[-1].source
    exec(compile(released.cells[-1].source, "autograder cell", "exec"), {})  # noqa: S102 - what a student runs
    for cell in released.cells:
        if _of(cell, "solution"):
            assert "# YOUR CODE HERE" in cell.source
            compile(cell.source, cell.id, "exec")


def test_every_topic_is_there(post: nbformat.NotebookNode, name: str) -> None:
    text = "\n".join(cell.source for cell in post.cells)
    missing = [topic for topic, pattern in TOPICS[name].items() if not re.search(pattern, text, re.IGNORECASE)]
    assert not missing


def test_figures_are_titled_labelled_and_read_to_the_reader(post: nbformat.NotebookNode) -> None:
    figures = [i for i, cell in enumerate(post.cells) if cell.cell_type == "code" and "plt.show()" in cell.source]
    assert len(figures) >= 6
    for i in figures:
        source = post.cells[i].source
        assert re.search(r"suptitle\(|set_title\(|title=", source), post.cells[i].id
        drawn_in_axes = not re.search(r"set_axis_off\(\)|axes: pixels", source)
        assert not drawn_in_axes or ("xlabel=" in source and "ylabel" in source) or "barh" in source, post.cells[i].id
        following = next(cell for cell in post.cells[i + 1 :] if not _of(cell, "locked"))
        assert following.cell_type == "markdown", f"{post.cells[i].id} is followed by no words"


def test_competition_and_cover(checkout: Path, name: str) -> None:
    folder = checkout / "source" / name
    competition = load_competition(folder)
    assert competition.dataset == name
    assert competition.predictions.kind == "class"
    assert competition.metric.name in _read(checkout, name).cells[-1].source
    cover = (folder / competition.cover).read_bytes()
    assert cover.lstrip().startswith(b"<?xml")
    assert b"<svg" in cover
    assert len(cover) < 200_000


@dataclass
class Run:
    """A notebook that ran from top to bottom: variables asked for, what its autograder cell reported, its figures."""

    values: dict[str, Any]
    reported: dict[str, float]
    figures: int
    figure_cells: int


def _run(checkout: Path, raw: Path, folder: Path, name: str, asked: dict[str, str]) -> Run:
    """Run ``source/<name>`` in a clean kernel on real prepared data; its autograder cell runs here, with the labels.

    No folder of downloaded weights is visible, so that the run is the same everywhere.
    """
    from datauab import datasets
    from datauab.datasets.publishing import put_file
    from datauab.settings import Settings

    settings = Settings(root=checkout, raw=raw, public=folder / "public", state=folder / "state")
    prepared = datasets.prepare(settings, name, secret=b"any secret will do: the claims hold for each of them")
    competition = load_competition(checkout / "source" / name)
    put_file(prepared.public_dir, "competition.json", competition.model_dump_json().encode())

    notebook = _read(checkout, name)
    autograder = notebook.cells.pop()
    pairs = ", ".join(f"{key!r}: {expression}" for key, expression in asked.items())
    last = f"import json\nnp.save({str(folder / 'predictions.npy')!r}, predictions)\nprint(json.dumps({{{pairs}}}))"
    notebook.cells.append(nbformat.v4.new_code_cell(last))
    # The kernel's own environment names the data and nothing else of this process's deployment.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DATAUAB_")}
    environment |= {
        "DATAUAB_PUBLIC": str(settings.public),
        "PYTHONPATH": str(checkout),
        "TORCH_HOME": str(folder / "torch"),
    }
    client = NotebookClient(notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    client.execute(env=environment)

    reported: dict[str, float] = {}
    predictions = np.load(folder / "predictions.npy")
    scope = {"solution": prepared.solution, "predictions": predictions, "np": np, "report": reported.update}
    exec(compile(autograder.source, "autograder cell", "exec"), scope)  # noqa: S102 - our own cell, as the grader runs it
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return Run(
        values=json.loads(notebook.cells[-1].outputs[-1].text),
        reported=reported,
        figures=sum("image/png" in output.get("data", {}) for output in outputs),
        figure_cells=sum("plt.show()" in cell.source for cell in notebook.cells if cell.cell_type == "code"),
    )


#: Seconds that the kernel would need if both of its threads had a core for themselves all the time: a busy machine
#: lengthens the wall time of a notebook, but not this.
SECONDS_ON_TWO_CORES = "time.process_time() / 2"


@pytest.mark.training
@pytest.mark.timeout(1500)
def test_digits_reach_99_percent_on_validation_within_five_minutes(checkout: Path, raw: Path, tmp_path: Path) -> None:
    asked = {"validation": "validation_accuracy", "threads": "torch.get_num_threads()", "seconds": SECONDS_ON_TWO_CORES}
    run = _run(checkout, raw, tmp_path, "mnist", asked)
    assert run.values["threads"] <= 2
    assert run.values["validation"] >= 0.99
    assert run.values["seconds"] < 300
    assert run.reported["accuracy"] >= 0.989
    assert run.figures == run.figure_cells


@pytest.mark.training
@pytest.mark.timeout(1500)
def test_lesions_in_the_small_setting_beat_chance_within_two_minutes(checkout: Path, raw: Path, tmp_path: Path) -> None:
    asked = {
        "small": "SMALL",
        "validation": "validation_score",
        "borrowed": "borrowed is not None",
        "seconds": SECONDS_ON_TWO_CORES,
    }
    run = _run(checkout, raw, tmp_path, "lesions", asked)
    chance = 1 / 7
    assert run.values["validation"] > 2 * chance
    assert run.reported["balanced_accuracy"] > 2 * chance
    assert 0 < run.reported["accuracy"] <= 1
    assert not run.values["small"] or run.values["seconds"] < 120
    assert run.figures == run.figure_cells
