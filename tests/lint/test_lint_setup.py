"""The lint finds slips in a competition's description, and runs to its end whatever the data does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from datauab import lint as linting
from datauab.cli import app
from datauab.lint import lint
from datauab.lint.finding import ORDER
from datauab.scaffold import Plan, scaffold
from datauab.settings import Settings
from tests.lint.conftest import Publish
from tests.lint.test_lint_leaks import found, noise


def honest(publish: Publish, *toml: tuple[str, str], rows: int = 900) -> Settings:
    frame = noise(rows, "a", "b", "c")
    frame["y"] = frame["a"] + np.random.default_rng(9).normal(size=rows)
    train, test = frame.iloc[: rows * 2 // 3], frame.iloc[rows * 2 // 3 :]
    return publish(train, test.drop(columns="y"), test["y"].to_numpy(), "y", toml=toml)


def opens(day: str, closes: str = "") -> str:
    end = f"closes = {closes}\n" if closes else ""
    return f'[[phases]]\nname = "x{day[:10]}"\nopens = {day}\n{end}'


@pytest.mark.parametrize(
    ("old", "new", "code", "severity"),
    [
        ("[quotas]", opens("2026-01-01T00:00:00Z") + "\n[quotas]", "phases-overlap", "error"),
        ("[quotas]", "[reveal]\nat = 2026-01-02T00:00:00Z\n[quotas]", "reveal-before-end", "error"),
        ("[quotas]", "[late]\ndays = 3\nranked = true\n[quotas]", "late-after-reveal", "warning"),
        ("[quotas]", opens("2025-10-26T01:30:00Z", "2025-10-27T00:00:00Z") + "[quotas]", "hour-shown-twice", "warning"),
        ("[quotas]", opens("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z") + "[quotas]", "clock-change", "note"),
        ("[quotas]", "[teams]\nmax_size = 3\n[quotas]", "no-rules", "warning"),
        ("tags = []", 'tags = ["prize"]', "no-rules", "warning"),
        ("full = 0.8", "full = 1.5", "points-out-of-reach", "error"),
        ("begin = 0.0\nfull = 0.8", "begin = 0.8\nfull = 0.0", "points-direction", "error"),
        ("begin = 0.0", "begin = -3.0", "points-for-nothing", "warning"),
        ('strategy = "mean"', 'strategy = "majority"', "baseline-impossible", "error"),
        ('name = "r2"', 'name = "accuracy"', "metric-undefined", "error"),
        ("daily_scored = 5", "daily_scored = 200", "quota-learns-rows", "warning"),
        ("img/cover.svg", "img/other.svg", "no-cover", "warning"),
        ('variable = "predictions"', 'variable = "answers"', "variable-missing", "error"),
        ("public_share = 0.4", "public_share = 0.02", "few-public-rows", "error"),
        ("public_share = 0.4", "public_share = 0.1", "few-public-rows", "warning"),
    ],
)  # fmt: skip
def test_a_slip_in_the_description_is_found(old: str, new: str, code: str, severity: str, publish: Publish) -> None:
    findings = found(honest(publish, (old, new)))
    assert code in findings, sorted(findings)
    assert findings[code].severity == severity


def test_an_honest_competition_is_fine(publish: Publish) -> None:
    findings = lint(honest(publish), "toy").findings
    assert {one.code for one in findings} <= {"quota-generous", "quota-learns-rows", "clock-change"}, findings


def test_one_class_and_missing_classes_are_found(publish: Publish) -> None:
    frame = noise(300, "a", "b")
    frame["y"] = np.random.default_rng(3).integers(0, 2, 300)
    truth = np.zeros(100, dtype=np.int64)
    plan = Plan("class", "y", classes=(0, 1, 2), common=0.5)
    findings = found(publish(frame.head(200), frame.tail(100).drop(columns="y"), truth, "y", plan=plan))
    assert findings["constant-side"].severity == "error"
    assert "has no public and no private row" in findings["class-missing"].message
    assert "class 2 has no training row" in findings["class-not-shown"].message


def test_missing_post_sample_and_data_are_found(publish: Publish, tmp_path: Path) -> None:
    settings = honest(publish)
    (settings.source / "toy" / "toy.ipynb").unlink()
    sample = settings.public / "toy" / "sample_submission.csv"
    sample.write_text(sample.read_text().replace("prediction", "x,prediction", 1))
    findings = found(settings)
    assert "no-post" in findings
    assert findings["sample-invalid"].severity == "error"
    other = Settings(root=tmp_path / "other")
    scaffold(other, "toy", Plan("real", "y"))
    assert "data-not-prepared" in found(other)


def test_a_check_that_fails_is_a_finding_and_the_others_still_run(
    publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = honest(publish, ("[quotas]", "[teams]\nmax_size = 3\n[quotas]"))
    path = settings.public / "toy" / "test.csv"
    path.write_bytes(b"\x00\xff" * 100)
    findings = lint(settings, "toy").findings
    failed = [one for one in findings if one.code == "check-failed"]
    assert failed
    assert all(one.severity == "warning" for one in failed)
    assert "no-rules" in {one.code for one in findings}
    assert [ORDER.index(one.severity) for one in findings] == sorted(ORDER.index(one.severity) for one in findings)
    (settings.source / "toy" / "competition.toml").write_text("nonsense")
    assert [one.code for one in lint(settings, "toy").findings] == ["description-wrong"]


@pytest.mark.sandbox
def test_a_competitions_own_metric_is_tried(publish: Publish) -> None:
    settings = honest(publish, ('name = "r2"', 'name = "metric.py"'))
    path = settings.source / "toy" / "metric.py"
    path.write_text("def score(solution, predictions):\n    return float(abs(solution - predictions).mean())\n")
    assert "own-metric-fails" not in found(settings)
    path.write_text("def score(solution, predictions):\n    return 1 / 0\n")
    finding = found(settings)["own-metric-fails"]
    assert finding.severity == "error"


def test_the_command_tells_by_its_exit_code(publish: Publish, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = honest(publish)
    (settings.root / "nbgrader_config.py").write_text("c = get_config()\n")
    monkeypatch.setenv("DATAUAB_ROOT", str(settings.root))
    assert CliRunner().invoke(app, ["lint", "toy"]).exit_code == 0
    (settings.public / "toy" / "sample_submission.csv").write_text("id,prediction\n0,x\n")
    result = CliRunner().invoke(app, ["lint", "toy", "--json"])
    assert result.exit_code == 1
    assert "sample-invalid" in {one["code"] for one in json.loads(result.stdout)["findings"]}
    result = CliRunner().invoke(app, ["lint", "toy"])
    assert result.exit_code == 1
    assert "error" in result.stdout


def test_every_check_is_registered_once() -> None:
    assert len({one.check for one in linting.CHECKS}) == len(linting.CHECKS)
    assert pd.Series([one.title for one in linting.CHECKS]).is_unique
