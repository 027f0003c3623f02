"""A class on a real Slurm of two nodes: both work, one dies in the middle, and every submission is graded once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from datauab.autograde.certificates import make_certificates
from datauab.autograde.cluster import Cluster, ClusterLost, open_cluster
from datauab.bench.slurm_cluster import PACKAGES, SlurmCluster, slurm_cluster
from datauab.errors import ClubError
from datauab.grader.classroom import autograde_class
from datauab.grader.classroom_events import Event, Graded
from datauab.ledger import Ledger
from datauab.settings import Settings
from tests.autograde.cluster_parts import PATIENCE_S, counting, family, gone, number_of, request, told, until
from tests.autograde.toy_course import NAME, Toy, make_course

pytestmark = [pytest.mark.slurm, pytest.mark.sandbox]

STUDENTS = 8
SLEEPS = ("sleep", "53.21")  # a program that a notebook starts


@pytest.fixture(scope="module")
def slurm() -> Iterator[SlurmCluster]:
    with slurm_cluster(2) as made:
        yield made
        assert made.jobs() == {}


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toy]:
    root = tmp_path_factory.mktemp("course")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATAUAB_ROOT", str(root))
        yield make_course(root)


def settings_for(toy: Toy, slurm: SlurmCluster, **more: object) -> Settings:
    wanted = slurm.settings.model_copy(update={"wait_s": PATIENCE_S, **more})
    return toy.settings.model_copy(update={"slurm": wanted, "warm": False})


def test_every_submission_is_graded_once_though_a_node_dies(toy: Toy, slurm: SlurmCluster) -> None:
    settings = settings_for(toy, slurm)
    for number in range(STUDENTS):
        toy.hand_in(
            f"s{number}", ["import time; time.sleep(1)", f"predictions = np.arange(40) * 1.25 + {number} / 100"]
        )
    told: list[Graded] = []
    seen: set[str] = set()
    died = threading.Event()

    def tell(event: Event) -> None:
        seen.update(slurm.jobs().values())
        if isinstance(event, Graded):
            told.append(event)
            if len(told) == 2:
                slurm.cancel(next(iter(slurm.jobs())))
                died.set()

    summary = autograde_class(settings, NAME, workers=2, cluster="slurm", tell=tell)
    assert died.is_set()
    assert (summary.graded, summary.failed, summary.faults, summary.left) == (STUDENTS, [], [], [])
    assert sorted(event.student for event in told) == sorted(f"s{number}" for number in range(STUDENTS))
    assert {"n0", "n1"} <= seen
    with Ledger.open(settings) as ledger:
        for number in range(STUDENTS):
            attempts = ledger.attempts(competition=NAME, member=f"s{number}")
            assert [attempt.state for attempt in attempts] == ["scored"]
            assert toy.points(f"s{number}") is not None
    until(lambda: not slurm.jobs(), "the end of all jobs")
    assert autograde_class(settings, NAME, workers=2, cluster="slurm").graded == 0


def test_the_network_by_which_nodes_and_grader_see_each_other_may_be_named(
    toy: Toy, slurm: SlurmCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASK_JOBQUEUE__SLURM__INTERFACE", "lo")
    with open_cluster(settings_for(toy, slurm), "slurm", 1) as cluster:
        assert number_of(cluster.submit(counting(7)).result(PATIENCE_S)) == 7.0
        workers = [told(one) for one in family_of_jobs(toy.settings) if "--interface" in told(one)]
        assert workers
        assert all(words[words.index("--interface") + 1] == "lo" for words in workers)
        assert all(any(word.startswith("tls://127.0.0.1:") for word in words) for words in workers)


def both(cluster: Cluster) -> Callable[[], bool]:
    return lambda: cluster.slots == 2


def test_a_job_that_ends_is_replaced_and_both_nodes_work_again(toy: Toy, slurm: SlurmCluster) -> None:
    with open_cluster(settings_for(toy, slurm), "slurm", 2) as cluster:
        until(both(cluster), "both nodes")
        first = slurm.jobs()
        assert sorted(first.values()) == ["n0", "n1"]
        ends = [cluster.submit(counting(number, seconds=1)) for number in range(4)]
        slurm.cancel(min(first))
        assert [number_of(end.result(PATIENCE_S)) for end in ends] == [0.0, 1.0, 2.0, 3.0]
        until(lambda: cluster.slots == 2 and min(first) not in slurm.jobs(), "the new job")
        assert max(first) in slurm.jobs()
    until(lambda: not slurm.jobs(), "the end of all jobs")


@pytest.mark.parametrize("ended_by", ["slurm", "the cluster"])
def test_nothing_of_a_job_is_left_where_it_ends_in_the_middle_of_a_notebook(
    toy: Toy, slurm: SlurmCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended_by: str
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    settings = settings_for(toy, slurm).model_copy(update={"warm": True})
    with open_cluster(settings, "slurm", 1) as cluster:
        cluster.submit(request(f"import subprocess; subprocess.run({SLEEPS})"))
        until(lambda: any(told(one) == SLEEPS for one in psutil.process_iter()), "its program")
        there = [*family_of_jobs(settings)]
        assert SLEEPS in {told(one) for one in there}
        assert list(tmp_path.glob("dask-scratch-space/worker-*"))
        if ended_by == "slurm":
            slurm.cancel(min(slurm.jobs()))
            until(lambda: gone(there), "the end of all its processes")
    until(lambda: gone(there), "the end of all processes")
    assert [path.name for path in tmp_path.rglob("*") if path.is_dir() and path.name != "dask-scratch-space"] == []


def family_of_jobs(settings: Settings) -> Iterator[psutil.Process]:
    """All processes of this course's workers, and all that come from them."""
    for one in psutil.process_iter():
        if {"datauab.autograde.job_worker", str(settings.public)} < {*told(one)}:
            yield from family(one.pid)


def test_jobs_end_by_themselves_where_the_grader_is_killed(toy: Toy, slurm: SlurmCluster) -> None:
    with open_cluster(settings_for(toy, slurm), "slurm", 2) as cluster:
        assert slurm.jobs()
        os.kill(cluster.pid, signal.SIGKILL)
        until(lambda: not slurm.jobs(), "the end of all jobs")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"partition": "nowhere"}, "sbatch took no job: .*invalid partition"),
        ({"extra": ("--output=/nowhere/x",)}, "3 jobs of Slurm's in a row ended before their worker came"),
        ({"extra": ("--begin=now+1hour",), "wait_s": 3.0}, r"no worker came from Slurm within 3 s .*PENDING"),
    ],
)
def test_a_slurm_that_runs_no_job_is_named_and_not_waited_for(
    toy: Toy, slurm: SlurmCluster, wrong: dict[str, object], words: str
) -> None:
    with pytest.raises(ClusterLost, match=words), open_cluster(settings_for(toy, slurm, **wrong), "slurm", 2):
        pytest.fail("it was opened")
    until(lambda: not slurm.jobs(), "the end of all jobs")


def test_certificates_of_a_cluster_are_gone_when_it_is_and_those_of_one_that_was_killed_at_the_next(
    toy: Toy, slurm: SlurmCluster
) -> None:
    settings = settings_for(toy, slurm)
    left = settings.state / "cluster" / "own-killed"
    make_certificates(left)
    (left / "lock").touch()
    with open_cluster(settings, "slurm", 1):
        assert [path.parent == left for path in (settings.state / "cluster").rglob("key.pem")] == [False]
    assert not list((settings.state / "cluster").rglob("key.pem"))


def test_who_lacks_slurm_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datauab.bench.slurm_cluster._PATH", "/nowhere")
    with pytest.raises(ClubError, match=f"apt-get install .*{' '.join(PACKAGES)}"), slurm_cluster(1):
        pytest.fail("it was started")


def test_each_node_is_one_core_and_nothing_is_left_of_a_cluster(tmp_path: Path) -> None:
    before = os.environ.get("SLURM_CONF")
    say = "python3 -c 'import os; print(len(os.sched_getaffinity(0)))'"
    with slurm_cluster(2) as own:
        assert os.environ["SLURM_CONF"] == str(own.config)
        for node in own.nodes:
            out = f"--output={tmp_path / node}"
            own.ask("sbatch", f"--nodelist={node}", "--mem=100", out, f"--wrap={say}; sleep 1000")
        until(lambda: sorted(own.jobs().values()) == ["n0", "n1"], "both jobs")
        until(lambda: all((tmp_path / node).exists() and (tmp_path / node).read_text() for node in own.nodes), "words")
        assert [(tmp_path / node).read_text() for node in own.nodes] == ["1\n", "1\n"]
    assert os.environ.get("SLURM_CONF") == before
    assert not own.folder.exists()
    mark = f"CLUB_SLURM={own.folder}".encode()
    left = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            left += [environment] if mark in environment.read_bytes() else []
        except OSError:
            continue
    assert left == []
