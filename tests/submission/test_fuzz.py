"""No malformed file runs code, ends a reader but by a refusal, takes long, or takes memory beyond a bound."""

from __future__ import annotations

import multiprocessing
import pickle
import random
from concurrent.futures import ProcessPoolExecutor

import pytest
from fuzzing import SLOWEST_S, Call, Report, fuzz, naive, pickles, texts, zips  # type: ignore[import-not-found]

PROCESSES = 2


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("names", "seeds", "count"),
    [
        pytest.param(("a.pkl", "a"), pickles(), 500_000, id="pickles"),
        pytest.param(("a.zip", "a"), zips(), 500_000, id="zips"),
        pytest.param(("a.csv", "a.npy"), texts(), 50_000, id="texts-and-arrays"),
    ],
)
def test_malformed_files_are_refused_and_nothing_else_happens(names, seeds, count):
    first = random.SystemRandom().randrange(1 << 30)
    print(f"seed {first}")  # noqa: T201 - which mutants were tried, when it fails
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        waiting = [pool.submit(fuzz, names, seeds, count // PROCESSES, first + part) for part in range(PROCESSES)]
        reports: list[Report] = [one.result() for one in waiting]
    assert [problem for report in reports for problem in report.problems] == []
    assert sum(report.read for report in reports) == count
    assert sum(report.accepted for report in reports) > 0, "mutants that are still whole are read"
    assert max(report.slowest_s for report in reports) < SLOWEST_S


def test_the_watch_sees_code_that_a_usual_reader_runs():
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        events = pool.submit(naive, pickle.dumps(Call(eval, "__import__('os').system('true')"))).result()
    assert any(event.startswith("os.system") for event in events), events
    assert any(event.startswith("exec") for event in events), events
