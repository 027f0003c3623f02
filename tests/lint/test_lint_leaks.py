"""The lint finds what gives a target away, and is silent where nothing does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from datauab.datasets.bitcoin import FILE
from datauab.lint import lint
from datauab.scaffold import Plan
from datauab.settings import Settings
from datauab.task_results import LintFinding
from tests.lint.conftest import Publish


def found(settings: Settings, name: str = "toy") -> dict[str, LintFinding]:
    """Findings by code, the first of each."""
    findings = lint(settings, name).findings
    assert not [one for one in findings if one.code == "check-failed"], findings
    return {one.code: one for one in reversed(findings)}


def noise(rows: int, *names: str, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame({name: random.normal(size=rows) for name in names})


def test_the_leak_of_the_clubs_old_regression_kit_is_found(raw: Path, publish: Publish) -> None:
    # CodaLab 20122: 1,999 training days and 300 test days in the order of the file, the last column the target
    frame = pd.read_csv(raw / "bitcoin" / FILE).drop(columns="Date")
    target = frame.columns[-1]
    assert target == "btc_estimated_transaction_volume_usd"
    train, test = frame.iloc[:1999], frame.iloc[1999:2299]
    assert train.shape == (1999, 23)
    features = test.drop(columns=target)
    assert features.shape == (300, 22)
    settings = publish(train, features, test[target].to_numpy(dtype=np.float64), target)
    findings = lint(settings, "toy").findings
    leaks = [one for one in findings if one.code == "target-derived"]
    assert all(one.severity == "error" for one in leaks)
    (leak,) = [
        one
        for one in leaks
        if "btc_market_price * btc_estimated_transaction_volume:" in one.message
        or "btc_estimated_transaction_volume * btc_market_price:" in one.message
    ]
    assert float(leak.message.split("R² = ")[1].split(";")[0]) > 0.9999
    codes = {one.code for one in findings}
    # its days stand in the order of the calendar, and its test days come after all training days
    assert {"order-tells-target", "rows-sorted", "sides-told-apart"} <= codes


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        (lambda a, b: a * 3 + 7, "a"),
        (lambda a, b: np.exp(a), "a (the order of its values)"),
        (lambda a, b: a * b, "a * b"),
        (lambda a, b: a / b, "a / b"),
        (lambda a, b: 2 * a - 5 * b, "a + b (weighted)"),
        (lambda a, b: np.log(np.abs(a * b)) * 1e6, ""),
    ],
)
def test_one_or_two_columns_that_give_a_number_away_are_named(formula, words: str, publish: Publish) -> None:  # type: ignore[no-untyped-def]
    frame = noise(900, "a", "b", "c", "d")
    frame["y"] = formula(frame["a"], frame["b"])
    train, test = frame.iloc[:600], frame.iloc[600:]
    findings = found(publish(train, test.drop(columns="y"), test["y"].to_numpy(), "y"))
    assert ("target-derived" in findings) == bool(words)
    if words:
        assert f"y follows from {words}: R²" in findings["target-derived"].message


def test_an_honest_table_has_no_leak_and_no_overlap(publish: Publish) -> None:
    frame = noise(1200, "a", "b", "c")
    frame["y"] = frame["a"] * frame["b"] + 0.3 * np.random.default_rng(9).normal(size=1200)
    train, test = frame.iloc[:800], frame.iloc[800:]
    findings = found(publish(train, test.drop(columns="y"), test["y"].to_numpy(), "y"))
    assert not [one for one in findings.values() if one.severity == "error"], findings
    assert not set(findings) & {"near-rows", "rows-repeated", "sides-told-apart", "rows-sorted", "id-as-feature"}


def test_a_rule_that_tells_the_class_is_found_and_chance_is_not(publish: Publish) -> None:
    frame = noise(900, "a", "b", "c")
    frame["y"] = (frame["a"] + frame["b"] > 0).astype(int)
    train, test = frame.iloc[:600], frame.iloc[600:]
    plan = Plan("class", "y", classes=(0, 1), common=0.5)
    findings = found(publish(train, test.drop(columns="y"), test["y"].to_numpy(), "y", plan=plan))
    assert findings["class-derived"].message.startswith("a + b tells the class of 100% of the rows")
    assert findings["class-derived"].severity == "error"


def test_a_gap_that_tells_the_class_is_found(publish: Publish) -> None:
    frame = noise(900, "a", "b")
    frame["y"] = np.random.default_rng(1).integers(0, 2, 900)
    frame.loc[frame["y"] == 1, "b"] = np.nan
    frame["word"] = np.random.default_rng(2).choice(["x", "y", "z"], 900)
    train, test = frame.iloc[:600], frame.iloc[600:]
    plan = Plan("class", "y", classes=(0, 1), common=0.5)
    findings = found(publish(train, test.drop(columns="y"), test["y"].to_numpy(), "y", plan=plan))
    assert "b (whether it is missing)" in findings["class-derived"].message


def test_repeated_and_nearly_repeated_rows_are_found(publish: Publish) -> None:
    frame = noise(900, "a", "b", "c")
    frame["y"] = np.random.default_rng(3).normal(size=900)
    train, test = frame.iloc[:600], frame.iloc[600:].reset_index(drop=True)
    copied = test.copy()
    copied.loc[:49] = train.head(50).to_numpy()
    findings = found(publish(train, copied.drop(columns="y"), copied["y"].to_numpy(), "y"))
    assert findings["rows-on-both-sides"].severity == "error"
    assert "50 of 300 test rows (16.7%)" in findings["rows-on-both-sides"].message
    assert "right for 100% of them" in findings["rows-on-both-sides"].message


def test_rows_that_are_copies_with_a_little_noise_are_found(publish: Publish) -> None:
    frame = noise(900, "a", "b", "c")
    frame["y"] = np.random.default_rng(3).normal(size=900)
    train, test = frame.iloc[:600], frame.iloc[600:].reset_index(drop=True)
    test.loc[:49, ["a", "b", "c"]] = train[["a", "b", "c"]].head(50).to_numpy() + 1e-7
    assert "near-rows" in found(publish(train, test.drop(columns="y"), test["y"].to_numpy(), "y"))


def test_order_ids_and_a_shifted_split_are_found(publish: Publish) -> None:
    frame = noise(900, "a", "b", "c")
    frame["y"] = np.random.default_rng(3).normal(size=900)
    train, test = frame.iloc[:600], frame.iloc[600:].sort_values("y", ignore_index=True)
    test["c"] += 3
    test["number"], train = range(700, 1000), train.assign(number=range(600))
    ids = [f"row-{number:05d}" for number in np.argsort(np.argsort(test["y"])) * 7]
    findings = found(publish(train, test.drop(columns="y"), test["y"].to_numpy(), "y", ids=ids))
    assert findings["order-tells-target"].severity == "error"
    assert findings["ids-tell-target"].severity == "error"
    assert "number, c" in findings["sides-told-apart"].message or "c, number" in findings["sides-told-apart"].message
    assert "number" in findings["rows-sorted"].message
    assert "id-as-feature" in findings


def test_rows_sorted_by_class_are_found(publish: Publish) -> None:
    frame = noise(900, "a", "b", "c")
    frame["y"] = np.random.default_rng(3).integers(0, 3, 900)
    train, test = frame.iloc[:600].sort_values("y"), frame.iloc[600:]
    plan = Plan("class", "y", classes=(0, 1, 2), common=0.34)
    finding = found(publish(train, test.drop(columns="y"), test["y"].to_numpy(), "y", plan=plan))["order-tells-target"]
    assert finding.severity == "warning"
    assert finding.where == "toy: train"
