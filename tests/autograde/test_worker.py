"""A worker's GPUs are shared fairly, and one kernel sees the one it was given."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter

import pytest

from datauab.autograde import worker
from datauab.autograde.request import RunResult
from datauab.autograde.student import run_student
from datauab.autograde.warm import WarmKernels
from datauab.autograde.worker import DONE, FAILED, GpuSlots
from tests.autograde.warm_runs import asked, text_of

SHOW = "import os; print('SEES', os.environ.get('CUDA_VISIBLE_DEVICES'))"


def test_a_machine_without_gpus_gives_none_to_as_many_as_come() -> None:
    slots = GpuSlots(0, 4)
    with slots.one() as first, slots.one() as second:
        assert first is second is None


def test_each_gets_the_gpu_with_most_room() -> None:
    slots = GpuSlots(3, 2)
    with slots.one() as a, slots.one() as b, slots.one() as c:
        assert {a, b, c} == {"0", "1", "2"}
        with slots.one() as d, slots.one() as e, slots.one() as f:
            assert {d, e, f} == {"0", "1", "2"}
    with slots.one() as first, slots.one() as second:
        assert first != second


@pytest.mark.parametrize(("gpus", "share", "runs"), [(1, 1, 8), (2, 1, 12), (1, 3, 12), (2, 2, 20)])
def test_never_more_than_the_profile_says_share_one_and_all_are_used(gpus: int, share: int, runs: int) -> None:
    slots, lock, here = GpuSlots(gpus, share), threading.Lock(), Counter[str]()
    most, served = Counter[str](), Counter[str]()
    # The first ones stay until every place is taken.
    full = threading.Barrier(gpus * share + 1)

    def one(number: int) -> None:
        with slots.one() as device:
            assert device is not None
            with lock:
                here[device] += 1
                served[device] += 1
                most[device] = max(most[device], here[device])
            if number < gpus * share:
                full.wait(60)
            else:
                time.sleep(random.random() / 100)
            with lock:
                here[device] -= 1

    first = [threading.Thread(target=one, args=(number,)) for number in range(gpus * share)]
    for thread in first:
        thread.start()
    full.wait(60)
    threads = [threading.Thread(target=one, args=(number,)) for number in range(gpus * share, runs)]
    for thread in threads:
        thread.start()
    for thread in (*first, *threads):
        thread.join(60)
    assert sum(served.values()) == runs
    assert most == {str(number): share for number in range(gpus)}


def test_who_finds_no_room_waits_until_one_leaves() -> None:
    slots, came = GpuSlots(1, 2), threading.Event()

    def third() -> None:
        with slots.one() as device:
            assert device == "0"
            came.set()

    with slots.one():
        with slots.one():
            thread = threading.Thread(target=third)
            thread.start()
            assert not came.wait(0.3)
        assert came.wait(60)
    thread.join(60)


def test_who_comes_later_is_served_later() -> None:
    slots, order = GpuSlots(1, 1), list[int]()

    def one(number: int) -> None:
        with slots.one():
            order.append(number)

    threads = []
    with slots.one():
        for number in range(4):
            threads.append(threading.Thread(target=one, args=(number,)))
            threads[-1].start()
            while len(slots._waiting) <= number:
                time.sleep(0.001)
    one(4)  # comes as the first leaves, and must not overtake
    for thread in threads:
        thread.join(60)
    assert order == [0, 1, 2, 3, 4]


def test_a_gpu_is_free_again_after_a_failure() -> None:
    slots = GpuSlots(1, 1)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="a run failed"), slots.one():
            raise RuntimeError("a run failed")
    with slots.one() as device:
        assert device == "0"


@pytest.mark.sandbox
def test_a_kernel_sees_the_gpu_it_was_given_warm_or_cold() -> None:
    with WarmKernels.start(packages=("json",)) as warm:
        for kernels in (warm, None):
            for device in ("0", "1", None):
                result = run_student(asked(SHOW), None, kernels, device)
                assert f"SEES {device}\n" in text_of(result.outputs)


@pytest.mark.sandbox
def test_a_run_holds_a_gpu_where_it_asks_for_one_and_leaves_it_after(monkeypatch: pytest.MonkeyPatch) -> None:
    slots = GpuSlots(1, 1)
    monkeypatch.setattr(worker, "_HERE", worker._Here(gpus=slots, ready=True))
    for gpu, seen in ((True, "0"), (False, "None"), (True, "0")):
        content = worker.run_bytes(asked(SHOW, gpu=gpu).to_bytes())
        assert content.startswith(DONE), content
        assert f"SEES {seen}\n" in text_of(RunResult.from_bytes(content[1:], 2**20).outputs)
    assert worker.run_bytes(b"no request").startswith(FAILED)
    with slots.one() as device:
        assert device == "0"
