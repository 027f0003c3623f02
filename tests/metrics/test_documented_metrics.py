"""docs/competitions.md says of every metric what the code does."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from datauab import metrics
from datauab.autograde import own_metric
from datauab.scoring import CONFIDENCE, RESAMPLES
from datauab.scoring.resampling import LEAST_RESAMPLES, MOST_COUNTS

HEADER = "| metric | title | better | range | takes | where all rows have the same truth | note | source |"


@pytest.fixture(scope="module")
def section(checkout: Path) -> str:
    text = (checkout / "docs" / "competitions.md").read_text(encoding="utf-8")
    return text.partition("\n## Metrics\n")[2].partition("\n## ")[0]


def row(spec: metrics.MetricSpec) -> str:
    low, high = (f"{end:g}" if math.isfinite(end) else "∞" if end > 0 else "-∞" for end in spec.range)
    better = "more" if spec.direction == "maximize" else "less"
    kinds = ", ".join(f"`{kind}`" for kind in spec.kinds)
    cells = (
        f"`{spec.name}`", spec.title, better, f"{low} to {high}", kinds, spec.on_constant, spec.note, spec.source
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def test_the_table_of_metrics_is_the_codes(section: str) -> None:
    lines = section.splitlines()
    table = lines[lines.index(HEADER) + 2 :]
    found = table[: next(index for index, line in enumerate(table) if not line.startswith("|"))]
    assert found == [row(spec) for spec in metrics.METRICS.values()]


def test_the_numbers_of_the_text_are_the_codes(section: str) -> None:
    words = " ".join(section.split())
    assert f"{CONFIDENCE:.0%} bootstrap percentile interval".replace("%", " %") in words
    assert f"{RESAMPLES} resamples of up to {MOST_COUNTS // RESAMPLES} rows" in words
    assert f"never fewer than {LEAST_RESAMPLES}" in words
    assert f"{own_metric.RESAMPLES} resamples" in words
