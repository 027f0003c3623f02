"""Warm kernels as the grader uses them: what they say, hold and survive."""

from __future__ import annotations

import json
import logging
import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from nbformat.v4 import new_notebook

from datauab.autograde import worker
from datauab.autograde.assignment import Assignment
from datauab.autograde.forked import ForkRequest
from datauab.autograde.request import RunRequest, RunResult
from datauab.autograde.run import prepare
from datauab.autograde.warm import WarmKernels
from datauab.bench.kernel_memory import waiting_kernel_mb
from datauab.competition import load_competition
from datauab.errors import GradingError
from datauab.settings import Limits, Settings
from tests.autograde.toy_course import COMPETITION, NAME, Toy
from tests.autograde.warm_runs import SMALL, Student, alive, asked, parent, run, text_of, told

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(300)]

IS_FORKED = "import json; print('FOUND' + json.dumps('datauab.autograde.zygote' in open('/proc/1/cmdline').read()))"


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmKernels]:
    with WarmKernels.start(packages=("numpy", "torch", "no_such_package_4711")) as kernels:
        assert kernels.ready(120)
        yield kernels


def wait_until_gone(*pids: int) -> None:
    ends = time.monotonic() + 60
    while any(map(alive, pids)):
        assert time.monotonic() < ends, pids
        time.sleep(0.05)


def test_a_zygote_that_died_is_started_anew_for_the_next_kernel() -> None:
    with WarmKernels.start(packages=("json",)) as kernels:
        with Student(kernels) as student:
            zygote, process = parent(student.keeper), student.process
            os.kill(zygote, signal.SIGKILL)
            wait_until_gone(zygote, student.first, process)
            forked = student.kernel.provisioner.process
            assert forked is not None
            assert forked.wait(30) == 128 + signal.SIGKILL
        with Student(kernels) as student:
            assert student.forked
            assert parent(student.keeper) != zygote
            assert student.does("print(1)") == "1\n"


def test_it_lasts_longer_than_the_thread_that_started_it() -> None:
    started: list[WarmKernels] = []
    thread = threading.Thread(target=lambda: started.append(WarmKernels.start(packages=("json",))))
    thread.start()
    thread.join()
    with started[0] as kernels, Student(kernels) as student:
        time.sleep(0.3)
        assert kernels.alive
        assert student.does("print(1)") == "1\n"


def test_to_be_ready_is_waited_for_as_long_as_asked_and_no_longer() -> None:
    with WarmKernels.start(packages=("torch",)) as kernels:
        assert not kernels.ready(0.001)
        assert kernels.ready(120)
        assert kernels.ready(0.001)


def test_closing_ends_every_kernel_and_the_zygote() -> None:
    kernels = WarmKernels.start(packages=("json",))
    students = [Student(kernels) for _ in range(2)]
    pids = [pid for student in students for pid in (student.first, student.process, student.keeper)]
    pids.append(parent(students[0].keeper))
    kernels.close()
    assert not kernels.alive
    wait_until_gone(*pids)
    for student in students:
        student.kernel.close()


def test_a_request_that_is_too_large_is_told_before_anything_is_sent(warm: WarmKernels) -> None:
    request = ForkRequest(hostname="x", tmpfs=[], env={"LONG": "x" * 70_000}, rlimits=[])
    with pytest.raises(GradingError, match=r"takes 70\d\d\d bytes, expected at most 60000"):
        warm.fork(request, {}, 1)
    assert "FOUND" in text_of(run(warm, "print('FOUND')").outputs)


def test_a_package_that_is_missing_is_left_to_the_kernel(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), WarmKernels.start(packages=("no_such_package_4711", "wave")) as kernels:
        code = """
import json, sys
loaded = ["wave" in sys.modules, "colorsys" in sys.modules]
import colorsys
try: import no_such_package_4711
except ModuleNotFoundError: loaded.append("missing")
print("FOUND" + json.dumps(loaded))"""
        assert told(kernels, code) == [True, False, "missing"]
    assert "no_such_package_4711" in caplog.text
    assert "wave" not in caplog.text


@pytest.fixture
def nohup() -> Iterator[None]:
    """Ignore what nohup and a shell's background ignore: started programs inherit it."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGHUP, signal.SIGQUIT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("nohup")
def test_code_finds_what_lies_beside_the_notebook_and_all_else_as_in_a_cold_kernel(warm: WarmKernels) -> None:
    code = """
import sys, os, json, gc, locale, signal
from helper import GIVEN
import matplotlib
facts = {
    "given": GIVEN, "path": sys.path, "flags": str(sys.flags), "folder": os.getcwd(), "main": __name__,
    "program": sys.executable, "encoding": locale.getpreferredencoding(),
    "collects": [gc.isenabled(), gc.get_threshold()],
    "signals": [str(signal.getsignal(number)) for number in sorted(signal.valid_signals())],
    "figures": sorted(map(str, matplotlib.rcParams.items())), "depth": sys.getrecursionlimit(),
    "globals": sorted(name for name in globals() if not name.startswith("_")),
}
print("FOUND" + json.dumps(facts))"""
    files = {"helper.py": b"GIVEN = 7"}
    found, expected = told(warm, code, files=files), told(None, code, files=files)
    assert found == expected
    assert found["given"] == 7


def test_torch_draws_by_chance_as_in_a_fresh_process_or_by_its_seed(warm: WarmKernels) -> None:
    code = """
import json, torch
drawn = torch.rand(4).tolist()
model = torch.nn.Linear(4, 2)
loss = model(torch.rand(64, 4)).square().mean()
loss.backward()
print("FOUND" + json.dumps([drawn, model.weight.grad.abs().sum().item() > 0, torch.initial_seed()]))"""
    kernels = [told(warm, code), told(warm, code), told(None, code)]
    assert len({json.dumps(drawn) for drawn, _, _ in kernels}) == 3
    assert len({seed for _, _, seed in kernels}) == 3
    assert all(learns for _, learns, _ in kernels)
    seeded = "import json, torch\ntorch.manual_seed(1)\nprint('FOUND' + json.dumps(torch.rand(4).tolist()))"
    assert told(warm, seeded) == told(None, seeded)


@pytest.mark.parametrize(
    ("name", "attack", "limits"),
    [
        ("memory", "hoard = [bytearray(b'x' * 2**20) for _ in range(4000)]", {}),
        ("processes", "import threading, time\n"
         "for _ in range(500): threading.Thread(target=time.sleep, args=(60,)).start()", {}),
        ("wall", "import time; time.sleep(3600)", {"wall_s": 4}),
        ("cpu", "while True: pass", {"cpu_s": 2}),
        ("file", "open('f', 'wb').write(bytes(20 * 2**20))", {}),
        ("scratch", "for i in range(40):\n    open(f'f{i}', 'wb').write(bytes(4 * 2**20))", {}),
        ("ended", "import os; os._exit(0)", {}),
        ("crashed", "import ctypes; ctypes.string_at(0)", {}),
    ],
)  # fmt: skip
def test_limits_hold_in_forked_kernels_with_the_words_of_cold_ones(
    warm: WarmKernels, name: str, attack: str, limits: dict[str, int]
) -> None:
    given = SMALL.model_copy(update=limits)
    forked, cold = (words(run(kernels, attack, limits=given)) for kernels in (warm, None))
    assert forked
    assert forked == cold, name


def words(result: RunResult) -> str:
    """Why a run failed, but for the amounts found."""
    said = result.first_error or result.reason
    return said.partition(", found")[0]


def test_a_kernel_may_take_its_memory_beside_what_it_shares_with_the_zygote(warm: WarmKernels) -> None:
    # The zygote's own pages alone come near this limit, which counts what is the kernel's.
    few = SMALL.model_copy(update={"memory_mb": 320})
    assert told(warm, "import numpy as np\nheld = np.ones(2**24)\nprint('FOUND' + str(int(held.sum())))", limits=few)
    assert "limit memory_mb" in run(warm, "import numpy as np\nheld = np.ones(2**27)", limits=few).reason


def test_memory_of_a_waiting_kernel_can_be_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = waiting_kernel_mb(Settings(root=tmp_path))
    with capsys.disabled():
        print(f"\na waiting kernel takes {found:.1f} MB of its own")  # noqa: T201  a figure, which no test may judge
    assert found > 0
    assert math.isfinite(found)


def test_where_a_competition_says_so_its_kernels_start_cold(warm: WarmKernels) -> None:
    assert told(warm, IS_FORKED) is True
    assert told(warm, IS_FORKED, warm=False) is False


@pytest.mark.parametrize(("line", "expected"), [("", True), ("warm = false\n", False), ("warm = true\n", True)])
def test_the_competitions_own_word_reaches_the_run(toy: Toy, tmp_path: Path, line: str, expected: bool) -> None:
    folder = tmp_path / NAME
    folder.mkdir()
    (folder / "competition.toml").write_text(COMPETITION + line, encoding="utf-8")
    assignment = Assignment.open(toy.settings, load_competition(folder), {})
    assert prepare(new_notebook(), assignment, {}).warm is expected


def test_a_worker_that_is_told_to_starts_kernels_cold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_HERE", worker._Here())
    options = {option.name: option.default for option in worker.dask_setup.params}
    worker.dask_setup.callback(None, **{**options, "cold": True})
    assert worker._HERE.warm is None
    content = worker.run_bytes(asked(IS_FORKED).to_bytes())
    assert content.startswith(worker.DONE)
    result = RunResult.from_bytes(content.removeprefix(worker.DONE), 2**20)
    assert "FOUNDfalse" in text_of(result.outputs)


def test_a_request_travels_unchanged_and_a_damaged_one_is_refused() -> None:
    request = asked("a = 1", files={"b.txt": b"\0\1", "a.txt": b""}, warm=False)
    travelled = RunRequest.from_bytes(request.to_bytes())
    assert travelled == request
    assert travelled.files == request.files
    assert travelled.digest() == request.digest()
    assert asked("a = 2").digest() != asked("a = 1").digest()
    for damaged in (b"", b"x" * 7, b"\0" * 8, request.to_bytes()[:20], b"\xff" * 40, json.dumps([1]).encode()):
        with pytest.raises(GradingError, match="request"):
            RunRequest.from_bytes(damaged)


def test_libraries_that_start_processes_of_their_own_work_in_forked_kernels(warm: WarmKernels) -> None:
    code = """
import json, subprocess
from joblib import Parallel, delayed
from multiprocessing import get_context
squares = Parallel(n_jobs=2)(delayed(pow)(n, 2) for n in range(4))
with get_context("fork").Pool(2) as pool: roots = pool.map(abs, [-1, -2])
lines = get_ipython().getoutput("echo shell")
print("FOUND" + json.dumps([squares, roots, list(lines), subprocess.run(["sh", "-c", "exit 3"]).returncode]))"""
    limits = Limits(memory_mb=2048, wall_s=120)
    assert told(warm, code, limits=limits) == [[0, 1, 4, 9], [1, 2], ["shell"], 3]
