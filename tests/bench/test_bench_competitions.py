"""The measurements of scores and boards measure what they say, at a small size."""

from __future__ import annotations

import pytest

from datauab.bench.board import bench_board
from datauab.bench.score import bench_score

pytestmark = pytest.mark.sandbox  # the grader starts only where it could run a notebook


def test_scores_are_timed_from_the_request_to_the_scored_row_beside_fresh_processes() -> None:
    figures = {one.name: one.value for one in bench_score(repeats=20, clients=2, seconds=2, processes=2)}
    assert figures["process.ratio"] == pytest.approx(figures["process"] / figures["latency.p50"])
    assert 0 < figures["latency.p50"] <= figures["latency.p99"]
    assert figures["throughput"] > 0


def test_pages_are_timed_on_a_large_and_on_a_small_board() -> None:
    figures = {one.name: one.value for one in bench_board(attempts=20_000, members=2_000, requests=20)}
    assert 0 < figures["page.p50"] <= figures["page.p99"]
    assert figures["growth"] > 0
    assert figures["first"] > 0
