"""Competitions go out as bundles and come in again with the same scores, to the last digit."""

from __future__ import annotations

import io
import itertools
import json
import stat
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from datauab import solutions
from datauab.archive import make_archive, read_archive, unpack
from datauab.autograde.assignment import Assignment, public_rows, score_predictions
from datauab.autograde.program import score_files
from datauab.bundles import BundleError, Exported, export_bundle, import_bundle
from datauab.cli import app
from datauab.competition import load_competition
from datauab.errors import InvalidSubmission
from datauab.settings import Settings
from datauab.submission import load_ids, to_npy, validate
from tests.bundles.conftest import COMPETITIONS
from tests.bundles.making import assignment

# The program finds numpy and scikit-learn, with what these two need, but nothing that the club needs beside them.
ALONE = """
import runpy, sys
folder, given, output = sys.argv[1:4]
refused = {"pydantic", "pydantic_core", "pandas", "pyarrow", "yaml", "torch", "sqlalchemy", "nbformat", "typer", "rich"}
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in refused:
            raise ImportError("not there: " + name)
sys.meta_path.insert(0, Refuse())
sys.path.insert(0, folder)
sys.argv = ["score.py", given, output]
try:
    runpy.run_path(folder + "/score.py", run_name="__main__")
except SystemExit as ended:
    own = [module for name, module in sys.modules.items() if name.partition(".")[0] == "datauab"]
    assert own and all(module.__file__.startswith(folder) for module in own), own
    raise
"""


@pytest.fixture(scope="module")
def bundles(club: Settings) -> dict[str, Exported]:
    """Every competition's bundle."""
    return {name: export_bundle(club, name) for name in COMPETITIONS}


def guesses(club: Settings, name: str) -> list[Any]:
    """Three different sets of predictions: near the truth, far from it, and constant."""
    found = Assignment.open(club, load_competition(club.source / name), {})
    truth, rng = found.solution.array, np.random.default_rng(7)
    kind = found.competition.predictions.kind
    if kind == "real":
        made = [truth * rng.normal(1, 0.1, len(truth)), rng.normal(800, 900, len(truth)), np.full(len(truth), 1 / 3)]
    elif kind == "probability":
        made = [np.clip(truth * 0.6 + rng.random(len(truth)) * 0.4, 0, 1), rng.random(len(truth)), truth * 0 + 0.7]
    else:
        classes = np.array(found.competition.predictions.classes)
        wrong = rng.choice(classes, len(truth))
        made = [np.where(rng.random(len(truth)) < 0.8, truth, wrong), wrong, np.full(len(truth), classes[1])]
    return [validate(one, competition=found.competition, rows=len(truth)) for one in made]


def ours(club: Settings, name: str, predictions: Any) -> dict[str, dict[str, float]]:
    """What the club's own scoring says, by side."""
    found, _ = score_predictions(Assignment.open(club, load_competition(club.source / name), {}), predictions)
    return {
        side: {found.metric: getattr(found, side), **{key: both[side] for key, both in found.secondary.items()}}
        for side in ("public", "private")
    }


def alone(files: dict[str, bytes], side: str, submission: dict[str, bytes], folder: Path) -> dict[str, float]:
    """What the bundle's scoring program writes in a process that has nothing of the club."""
    unpack(read_archive(files["scoring_program.zip"]), folder / "program")
    unpack(read_archive(files[f"reference_data_{side}.zip"]), folder / "input" / "ref")
    unpack(submission, folder / "input" / "res")
    command = [sys.executable, "-I", "-c", ALONE, *(str(folder / part) for part in ("program", "input", "output"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr
    found: dict[str, float] = json.loads((folder / "output" / "scores.json").read_text())
    return found


@pytest.mark.parametrize("name", COMPETITIONS)
def test_an_exported_scoring_program_run_alone_gives_the_same_digits(
    name: str, club: Settings, bundles: dict[str, Exported], tmp_path: Path
) -> None:
    files = read_archive(bundles[name].content)
    for number, predictions in enumerate(guesses(club, name)):
        expected = ours(club, name, predictions)
        for side in ("public", "private"):
            submission = {"predictions.npy": to_npy(predictions)}
            assert alone(files, side, submission, tmp_path / f"{number}{side}") == expected[side]


@pytest.mark.sandbox
@pytest.mark.parametrize("name", COMPETITIONS)
def test_a_competition_exported_and_imported_scores_the_same(
    name: str, club: Settings, bundles: dict[str, Exported], other_club: Settings
) -> None:
    imported = import_bundle(other_club, bundles[name].content, f"{name}-again").competition
    original = load_competition(club.source / name)
    for predictions in guesses(club, name)[:2]:
        expected = ours(club, name, predictions)
        scores, full = score_files(assignment(other_club, imported.name), make_archive({"my.npy": to_npy(predictions)}))
        metric = original.metric.name
        assert (scores.public, scores.private) == (expected["public"][metric], expected["private"][metric])
        assert full == scores.private
        for key in original.metric.secondary:
            assert scores.secondary[key] == {side: expected[side][key] for side in ("public", "private")}
    assert imported.title == original.title
    assert imported.metric.direction == original.metric.direction
    assert [(phase.name, phase.opens, phase.closes) for phase in imported.phases] == [
        (phase.name, phase.opens, phase.closes) for phase in original.phases
    ]
    assert imported.reveals == original.reveals
    assert imported.quotas.daily_scored == original.quotas.daily_scored
    assert imported.board.policy == original.board.policy


def test_a_csv_in_any_order_scores_as_the_array_does(
    club: Settings, bundles: dict[str, Exported], tmp_path: Path
) -> None:
    predictions = guesses(club, "got")[0]
    ids = load_ids(club.public / "got", len(predictions)).keys
    order = np.random.default_rng(3).permutation(len(ids))
    text = "id,prediction\n" + "".join(f"{ids[row]},{predictions[row]!r}\n" for row in order).replace("np.float64", "")
    files = read_archive(bundles["got"].content)
    found = alone(files, "public", {"in/answer.csv": text.replace("(", "").replace(")", "").encode()}, tmp_path)
    assert found == ours(club, "got", predictions)["public"]


@pytest.mark.parametrize("name", COMPETITIONS)
def test_nothing_public_in_a_bundle_tells_the_truth(name: str, club: Settings, bundles: dict[str, Exported]) -> None:
    found = Assignment.open(club, load_competition(club.source / name), {})
    mask = public_rows(club, found.competition, found.solution)
    files = read_archive(bundles[name].content)
    public = read_archive(files["public_data.zip"], max_files=20_000)
    secret = [found.solution.array, found.solution.array[mask], found.solution.array[~mask], mask, np.flatnonzero(mask)]
    kits = {**read_archive(files["starting_kit.zip"]), **read_archive(files["scoring_program.zip"]), **public}
    for content in kits.values():
        assert all(array.tobytes() not in content for array in secret)
    written = {path.relative_to(club.public / name).as_posix() for path in (club.public / name).rglob("*.*")}
    assert set(public) == written - {"competition.json", "dataset.json"}


def test_a_bundle_is_what_codabench_unpacks(bundles: dict[str, Exported]) -> None:
    files = read_archive(bundles["got"].content)
    raw = yaml.safe_load(files["competition.yaml"])
    assert raw["version"] == 2
    for path in (raw["image"], raw["terms"], *(page["file"] for page in raw["pages"])):
        assert files[path].strip()
    assert files[raw["image"]].startswith(b"\x89PNG")
    assert [task["index"] for task in raw["tasks"]] == [0, 1]
    for task in raw["tasks"]:
        assert yaml.safe_load(read_archive(files[task["scoring_program"]])["metadata.yaml"])["command"]
        assert task["reference_data"] in files
    phases = raw["phases"]
    assert all(isinstance(phase[key], str) for phase in phases for key in ("start", "end") if key in phase)
    for before, after in itertools.pairwise(phases):
        assert before["end"] <= after["start"]
    board = raw["leaderboards"][0]
    assert len(board["title"]) <= 64
    assert len(board["key"]) <= 36
    assert board["submission_rule"] == "Force_Best"
    assert [column["index"] for column in board["columns"]] == list(range(len(board["columns"])))


def test_exports_repeat_byte_for_byte(club: Settings, bundles: dict[str, Exported]) -> None:
    assert export_bundle(club, "bitcoin").content == bundles["bitcoin"].content


def test_a_bundle_without_data_is_small_and_imports(club: Settings, fresh: Settings) -> None:
    content = export_bundle(club, "lesions", data=False).content
    assert "public_data.zip" not in zipfile.ZipFile(io.BytesIO(content)).namelist()
    assert len(content) < 2**20
    import_bundle(fresh, content, "small")
    assert not (fresh.public / "small" / "test").exists()


def test_phases_with_ends_and_a_reveal_go_over_and_back(club: Settings, fresh: Settings) -> None:
    folder = club.source / "phased"
    (folder / "img").mkdir(parents=True)
    text = (club.source / "got" / "competition.toml").read_text()
    head, _, tail = text.partition("[[phases]]")
    _, _, tail = tail.partition("[quotas]")
    phases = """
[board]
policy = "last"
[reveal]
at = 2026-03-01T10:00:00Z
[rules]
text = "Be good."
[[phases]]
name = "warm-up"
opens = 2026-01-01T00:00:00Z
closes = 2026-02-01T06:30:15Z
daily_scored = 7
[[phases]]
name = "race"
opens = 2026-02-01T06:30:15Z
closes = 2026-02-20T00:00:00Z
total_scored = 12
[quotas]"""
    (folder / "competition.toml").write_text(head + phases + tail)
    found = solutions.read(club, "got")
    solutions.write(club, "phased", found.array, found.fingerprint)
    imported = import_bundle(fresh, export_bundle(club, "phased").content, "phased").competition
    original = load_competition(folder)
    assert [(one.name, one.opens, one.closes, one.total_scored) for one in imported.phases] == [
        (one.name, one.opens, one.closes, one.total_scored) for one in original.phases
    ]
    assert [one.daily_scored for one in imported.phases] == [7, 5]
    assert imported.reveals == original.reveals
    assert imported.board.policy == "last"
    assert imported.rules.text == "Be good."


@pytest.mark.sandbox
def test_an_imported_competition_goes_out_again(bundles: dict[str, Exported], fresh: Settings, club: Settings) -> None:
    import_bundle(fresh, bundles["got"].content, "first")
    again = import_bundle(fresh, export_bundle(fresh, "first").content, "second").competition
    predictions = guesses(club, "got")[0]
    handed_in = make_archive({"p.npy": to_npy(predictions)})
    one, _ = score_files(assignment(fresh, "first"), handed_in)
    two, _ = score_files(assignment(fresh, again.name), handed_in)
    assert (two.public, two.private, two.secondary) == (one.public, one.private, one.secondary)


@pytest.mark.sandbox
def test_a_wrong_row_is_the_members_fault_and_is_not_told_with_labels(
    bundles: dict[str, Exported], fresh: Settings
) -> None:
    import_bundle(fresh, bundles["got"].content, "got-again")
    handed_in = make_archive({"p.npy": to_npy(np.full(389, 2.5))})
    with pytest.raises(InvalidSubmission, match="ended with status 1") as caught:
        score_files(assignment(fresh, "got-again"), handed_in)
    assert "probability between 0 and 1" in caught.value.detail
    assert "probability" not in str(caught.value)


@pytest.mark.sandbox
def test_a_metric_of_the_competitions_own_goes_along_and_gives_the_same_digits(club: Settings, tmp_path: Path) -> None:
    folder = club.source / "owned"
    folder.mkdir()
    text = (club.source / "bitcoin" / "competition.toml").read_text()
    text = text.replace('name = "r2"', 'name = "metric.py"').replace('secondary = ["rmse"]', "")
    (folder / "competition.toml").write_text(text)
    (folder / "metric.py").write_text(
        "def score(solution, predictions):\n    return ((solution - predictions) ** 2).mean() ** (1 / 3)\n"
    )
    found = solutions.read(club, "bitcoin")
    solutions.write(club, "owned", found.array, found.fingerprint)
    mask = public_rows(club, load_competition(folder), solutions.read(club, "owned"))
    predictions = guesses(club, "bitcoin")[0]
    own, _ = score_predictions(Assignment.open(club, load_competition(folder), {}), predictions)
    files = read_archive(export_bundle(club, "owned", data=False).content)
    for side, rows in (("public", mask), ("private", ~mask)):
        written = alone(files, side, {"p.npy": to_npy(predictions)}, tmp_path / side)
        assert written == {"score": ((found.array - predictions)[rows] ** 2).mean() ** (1 / 3)}
        assert written == {"score": getattr(own, side)}, "the club's own sandbox says another digit"


def test_the_commands_write_privately_and_say_what_did_not_go_over(
    club: Settings, tmp_path: Path, fresh: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATAUAB_ROOT", str(club.root))
    exported = CliRunner().invoke(app, ["bundle", "export", "got"])
    assert exported.exit_code == 0, exported.output
    assert "unused: competition.toml: baselines" in exported.output
    path = tmp_path / "got-bundle.zip"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    monkeypatch.setenv("DATAUAB_ROOT", str(fresh.root))
    imported = CliRunner().invoke(app, ["bundle", "import", str(path), "--name", "thrones"])
    assert imported.exit_code == 0, imported.output
    assert "becomes the private board" in imported.output
    assert load_competition(fresh.source / "thrones").predictions.kind == "files"
    refused = CliRunner().invoke(app, ["bundle", "import", str(path), "--name", "thrones"])
    assert isinstance(refused.exception, BundleError)
