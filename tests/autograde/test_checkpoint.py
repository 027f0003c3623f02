"""Cells that train are skipped while grading: the model handed in is loaded, and its predictions are reproduced."""

from __future__ import annotations

import json
import pickle
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
import torch
from nbformat.v4 import new_code_cell

import datauab
from datauab.autograde import checkpoint
from datauab.autograde.kernels import use_warm
from datauab.autograde.warm import WarmKernels
from datauab.competition import Checkpoint, load_competition
from datauab.errors import InvalidSubmission
from datauab.submission.checkpoint import check_checkpoint
from tests.autograde.toy_course import COMPETITION, NAME, ROWS, Toy, make_course, npy, truth

pytestmark = pytest.mark.timeout(300)

CHECKPOINT = "model.safetensors"
PREDICTIONS = "predictions.npy"
DEFINE = "import torch, datauab\nmodel = torch.nn.Linear(1, 1)\ntrained = []"
INFER = """
with torch.no_grad():
    predictions = model(torch.arange(40.).reshape(-1, 1)).numpy().ravel()
print("training", model.training, trained)"""


def train(source: str) -> Any:
    cell = new_code_cell(source)
    cell.metadata.tags = ["train"]
    return cell


CELLS = [DEFINE, train("trained.append(1)\nraise SystemError('this would take days')"), train("1 / 0"), INFER]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toy]:
    """Give a course whose notebooks may leave their training out, and warm kernels."""
    root: Path = tmp_path_factory.mktemp("course")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATAUAB_ROOT", str(root))
        made = make_course(root)
        text = COMPETITION.replace("memory_mb = 600", "memory_mb = 2048")
        (made.settings.source / NAME / "competition.toml").write_text(text + "[run.checkpoint]\nmost_mb = 1\n")
        with WarmKernels.start(packages=("torch", "safetensors.torch", "datauab.client")) as warm, use_warm(warm, None):
            yield made


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Give the checkpoint of a model that predicts without error."""
    trained = torch.nn.Linear(1, 1)
    with torch.no_grad():
        trained.weight.fill_(1.25)
        trained.bias.fill_(7.0625)
    path = tmp_path_factory.mktemp("model") / CHECKPOINT
    datauab.save_checkpoint(trained, str(path))
    return path.read_bytes()


def files(model: bytes, predictions: Any) -> dict[str, bytes]:
    return {CHECKPOINT: model, PREDICTIONS: npy(predictions)}


@pytest.mark.sandbox
def test_training_is_skipped_and_the_models_predictions_are_scored(toy: Toy, model: bytes) -> None:
    notebook = toy.grade("ada", CELLS, **files(model, truth().astype("f4")))
    assert toy.attempt("ada").state == "scored", toy.attempt("ada").reason
    assert toy.points("ada") == (pytest.approx(12), 12.0)
    said = [output.text for cell in notebook.cells for output in cell.get("outputs", []) if "text" in output]
    assert f"Training is skipped while grading; {CHECKPOINT} was loaded into model.\n" in said
    assert "training False []\n" in said
    assert "SystemError" not in nbformat.writes(notebook).replace(CELLS[1].source, "").replace("SystemError('this", "")


@pytest.mark.sandbox
def test_a_notebook_without_such_cells_trains_as_ever(toy: Toy) -> None:
    fit = "torch.nn.init.constant_(model.weight, 1.25); torch.nn.init.constant_(model.bias, 7.0625)"
    toy.grade("ben", [DEFINE, fit, INFER])
    assert toy.points("ben") == (pytest.approx(12), 12.0)


@pytest.mark.sandbox
@pytest.mark.parametrize(
    ("student", "handed", "words"),
    [
        ("no-model", {PREDICTIONS: npy(truth())}, f"expected the checkpoint {CHECKPOINT} beside the notebook"),
        ("no-predictions", {}, f"expected your predictions in {PREDICTIONS}"),
        ("other", {PREDICTIONS: npy(truth() + np.where(np.arange(ROWS) % 8 == 3, 1, 0))}, "in 5 of 40 rows (row 3: "),
        ("shape", {PREDICTIONS: npy(truth()[:-1])}, "expected the (40,) numbers"),
        ("objects", {PREDICTIONS: pickle.dumps(truth())}, PREDICTIONS),
        ("renamed", {CHECKPOINT: b"PK\3\4" + bytes(100), PREDICTIONS: npy(truth())}, "as torch.save writes it"),
    ],
)
def test_what_cannot_be_reproduced_earns_nothing_and_says_why(
    toy: Toy, model: bytes, student: str, handed: dict[str, bytes], words: str
) -> None:
    given = handed if student == "no-model" else {CHECKPOINT: model, **handed}
    toy.grade(student, CELLS, **given)
    attempt = toy.attempt(student)
    assert attempt.state == "failed"
    assert words in (attempt.reason or "")
    points = toy.points(student)
    assert points is None or points[0] == 0


@pytest.mark.sandbox
def test_a_checkpoint_of_another_model_is_told_by_its_tensors(toy: Toy, tmp_path: Path) -> None:
    datauab.save_checkpoint(torch.nn.Linear(2, 2), str(tmp_path / CHECKPOINT))
    toy.grade("cas", CELLS, **files((tmp_path / CHECKPOINT).read_bytes(), truth()))
    assert "in 40 of 40 rows" in (toy.attempt("cas").reason or "")
    assert "its tensors are not those of this model" in (toy.attempt("cas").reason or "")


def test_a_pickle_is_refused_by_its_name_without_being_opened() -> None:
    with pytest.raises(InvalidSubmission, match=r"found model\.pt, which may hold code"):
        checkpoint.check({"model.pt": b"anything", PREDICTIONS: npy(truth())}, Checkpoint())


def header(entries: Any, data: bytes = b"") -> bytes:
    text = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(begin: int = 0, end: int = 8, shape: Any = (2,), dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "0 bytes"),
        (b"1234567", "7 bytes"),
        (struct.pack("<Q", 2**64 - 1) + bytes(64), "the bytes"),
        (struct.pack("<Q", 100) + b"{}", "the bytes"),
        (b"PK\3\4" + bytes(100), "zip archive"),
        (pickle.dumps({"weight": [1.0]}), "the bytes"),
        (header(b"{not json"), "no JSON"),
        (header(b"[" * 100_000), "no JSON"),
        (header(b'{"a": ' + b"9" * 100_000 + b"}"), "no JSON"),
        (header([1, 2]), "no object"),
        (header({"w": 1}), "no type, shape and place"),
        (header({"w": {"dtype": "F32"}}), "no type, shape and place"),
        (header({"w": tensor(dtype="OBJECT")}, bytes(8)), "no type, shape and place"),
        (header({"w": tensor(dtype=["F32"])}, bytes(8)), "no type, shape and place"),
        (header({"w": tensor(dtype="F64")}, bytes(8)), "a size that its type and shape do not give"),
        (header({"w": tensor(shape=[-2])}, bytes(8)), "a size"),
        (header({"w": tensor(shape=[True, 2])}, bytes(8)), "a size"),
        (header({"w": tensor(shape="2")}, bytes(8)), "a size"),
        (header({"w": tensor(shape=[2.0])}, bytes(8)), "a size"),
        (header({"w": tensor(shape=[9] * 300_000)}, bytes(8)), "a size"),
        (header({"w": tensor(shape=[2**62, 2**62])}, bytes(8)), "a size"),
        (header({"w": tensor(8, 0)}, bytes(8)), "a size"),
        (header({"v": tensor(0, 8), "w": tensor(4, 12)}, bytes(12)), "overlap"),
        (header({"v": tensor(0, 8), "w": tensor(0, 8)}, bytes(8)), "overlap"),
        (header({"v": tensor(0, 8), "w": tensor(12, 20)}, bytes(20)), "gaps"),
        (header({"w": tensor(0, 8)}, bytes(9)), "9 bytes of tensors, where its header tells of 8"),
        (header({"w": tensor(0, 8)}, bytes(7)), "7 bytes of tensors, where its header tells of 8"),
        (bytes(2**20 + 1), "at most 1 MiB"),
    ],
)
def test_damaged_and_hostile_headers_are_refused(content: bytes, words: str) -> None:
    with pytest.raises(InvalidSubmission, match=r"model\.safetensors: expected") as raised:
        check_checkpoint(content, CHECKPOINT, 1)
    assert words in str(raised.value)
    assert len(str(raised.value)) < 600


def test_what_the_library_writes_is_accepted(model: bytes) -> None:
    assert check_checkpoint(model, CHECKPOINT, 1) == {"weight": ("F32", (1, 1)), "bias": ("F32", (1,))}
    assert check_checkpoint(header({"__metadata__": {"format": "pt"}}), CHECKPOINT, 1) == {}


def test_numbers_may_differ_by_the_tolerance_and_classes_may_not(tmp_path: Path) -> None:
    folder = tmp_path / NAME
    folder.mkdir()
    (folder / "competition.toml").write_text(COMPETITION, encoding="utf-8")
    real = load_competition(folder)
    spec = Checkpoint(tolerance=1e-3)
    checkpoint.reproduces({PREDICTIONS: npy(truth() * 1.0005)}, truth(), spec, real)
    with pytest.raises(InvalidSubmission, match="in 40 of 40 rows"):
        checkpoint.reproduces({PREDICTIONS: npy(truth() * 1.01)}, truth(), spec, real)
    handed = truth()
    handed[7] = np.nan
    with pytest.raises(InvalidSubmission, match=r"in 1 of 40 rows \(row 7: handed in nan"):
        checkpoint.reproduces({PREDICTIONS: npy(handed)}, truth(), spec, real)
    kinds = COMPETITION.replace('kind = "real"', 'kind = "class"\nclasses = [0, 1, 2]').replace('"r2"', '"accuracy"')
    (folder / "competition.toml").write_text(kinds.replace('secondary = ["rmse"]', ""), encoding="utf-8")
    classes = np.arange(ROWS) % 3
    checkpoint.reproduces({PREDICTIONS: npy(classes)}, classes, spec, load_competition(folder))
    other = classes.copy()
    other[39] = 1
    with pytest.raises(InvalidSubmission, match=r"in 1 of 40 rows \(row 39: handed in 1, computed 0"):
        checkpoint.reproduces({PREDICTIONS: npy(other)}, classes, spec, load_competition(folder))


def test_a_model_comes_back_as_it_was_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / CHECKPOINT)
    written = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Dropout())
    read = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Dropout())
    datauab.save_checkpoint(written, path)
    assert capsys.readouterr().out.startswith(f"checkpoint written: {path}, 0.0 MiB")
    datauab.load_checkpoint(read, path)
    assert not read.training
    for mine, theirs in zip(written.state_dict().values(), read.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)
    with pytest.raises(InvalidSubmission, match="its tensors are not those of this model"):
        datauab.load_checkpoint(torch.nn.Linear(3, 3), path)
    with pytest.raises(InvalidSubmission, match=r"expected a checkpoint here, found none"):
        datauab.load_checkpoint(read, str(tmp_path / "none.safetensors"))
    datauab.save_predictions([1, 2, 3], str(tmp_path / PREDICTIONS))
    assert np.load(tmp_path / PREDICTIONS).tolist() == [1, 2, 3]


def test_every_key_and_call_is_documented(checkout: Path) -> None:
    text = (checkout / "docs" / "competitions.md").read_text(encoding="utf-8")
    for name in (*Checkpoint.model_fields, "[run.checkpoint]", "`train`", "warm", "datauab.save_checkpoint",
                 "datauab.save_predictions", "datauab.load_checkpoint"):  # fmt: skip
        assert name in text, name
