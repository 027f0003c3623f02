"""Runs on a cluster: what comes back, what happens where parts of it die, and who may take part."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import wait
from pathlib import Path

import psutil
import pytest

from datauab.autograde.certificates import make_certificates
from datauab.autograde.cluster import Cluster, ClusterLost, WorkerLost, begun_cluster, open_cluster, receive, send
from datauab.autograde.cluster_desk import RETRIES
from datauab.autograde.cluster_settings import ClusterSettings
from datauab.autograde.worker import GpuSlots, gpu_names
from datauab.errors import ConfigurationError, GradingError
from datauab.grader.submissions import Opened, Submission, prepared
from tests.autograde.cluster_parts import (
    PATIENCE_S,
    Remote,
    counting,
    course,
    dask_worker_of,
    dask_workers_of,
    family,
    gone,
    number_of,
    remote,
    request,
    told,
    until,
)
from tests.autograde.toy_course import CHECK, NAME, Toy, truth

pytestmark = pytest.mark.sandbox

SECRET = "postgresql://club:open-sesame@db.example.org/club"


@contextlib.contextmanager
def local(tmp_path: Path, workers: int = 2) -> Iterator[Cluster]:
    with open_cluster(course(tmp_path / "course"), "local", workers) as cluster:
        yield cluster


def test_runs_give_their_predictions_and_nothing_is_left(tmp_path: Path) -> None:
    with local(tmp_path) as cluster:
        assert cluster.slots == 2
        ends = [cluster.submit(counting(number)) for number in range(4)]
        ends.append(
            cluster.submit(request("import numpy\npredictions = numpy.load('given.npy')", **{"given.npy": b"no"}))
        )
        assert [number_of(end.result(PATIENCE_S)) for end in ends[:4]] == [0.0, 1.0, 2.0, 3.0]
        assert "ValueError" in ends[4].result(PATIENCE_S).first_error
        processes = family(cluster.pid)
        assert len(processes) > 1
    until(lambda: gone(processes), "the end of its processes")
    with pytest.raises(ClusterLost, match="closed"):
        cluster.submit(counting(1))


def test_one_that_nobody_needs_is_closed_before_it_is_ready_and_leaves_nothing(tmp_path: Path) -> None:
    with begun_cluster(course(tmp_path / "course"), "local", 1) as cluster:
        until(lambda: dask_workers_of(cluster), "its worker")
        processes = family(cluster.pid)
    until(lambda: gone(processes), "the end of its processes")


@pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])
def test_nothing_is_left_of_one_that_is_closed_in_the_middle_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm: bool
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    sleeps = ("sleep", "53.22")
    with open_cluster(course(tmp_path / "course").model_copy(update={"warm": warm}), "local", 1) as cluster:
        cluster.submit(request(f"import subprocess; subprocess.run({sleeps})"))
        until(lambda: sleeps in {told(one) for one in family(cluster.pid)}, "its program")
        there = family(cluster.pid)
        assert list(temporary.glob("dask-scratch-space/worker-*"))
    until(lambda: gone(there), "the end of all processes")
    left = [path.name for path in temporary.rglob("*") if path.is_dir() and path.name != "dask-scratch-space"]
    assert left == []


def test_a_run_whose_worker_is_killed_is_tried_again_and_comes_once(tmp_path: Path) -> None:
    with local(tmp_path) as cluster:
        ends = [cluster.submit(counting(number, seconds=2)) for number in range(2)]
        until(lambda: len([one for one in family(cluster.pid) if one.name() == "bwrap"]) >= 2, "the sandboxes")
        dask_worker_of(cluster).kill()
        assert sorted(number_of(end.result(PATIENCE_S)) for end in ends) == [0.0, 1.0]


def test_a_run_that_kills_its_worker_each_time_is_given_up_and_others_finish(tmp_path: Path) -> None:
    # The sandbox keeps a notebook from its worker, so the test kills in its place, as often as the run begins.
    sleep = ("sleep", "76543")
    with local(tmp_path) as cluster:
        deadly = cluster.submit(request(f"import subprocess\nsubprocess.run({list(sleep)})"))
        others = [cluster.submit(counting(number, seconds=0.5)) for number in range(2)]
        kills = 0
        while not deadly.done():
            running = [one for one in family(cluster.pid) if told(one) == sleep]
            if running:
                kills += 1
                dask_worker_of(cluster).kill()
                until(lambda found=running: gone(found), "the end of the notebook")
            wait([deadly], 0.05)
        with pytest.raises(WorkerLost, match=f"{RETRIES + 1} times"):
            deadly.result(0)
        assert kills == RETRIES + 1
        assert [number_of(end.result(PATIENCE_S)) for end in others] == [0.0, 1.0]


def test_all_open_runs_end_where_the_scheduler_is_killed(tmp_path: Path) -> None:
    with local(tmp_path) as cluster:
        ends = [cluster.submit(counting(number, seconds=30)) for number in range(3)]
        until(lambda: [one for one in family(cluster.pid) if one.name() == "bwrap"], "the first sandbox")
        processes = family(cluster.pid)
        os.kill(cluster.pid, signal.SIGKILL)
        for end in ends:
            with pytest.raises(ClusterLost, match="gone"):
                end.result(PATIENCE_S)
        until(lambda: gone(processes), "the end of its processes")
        with pytest.raises(ClusterLost):
            cluster.submit(counting(1))


def test_a_run_that_is_cancelled_makes_room_for_the_next(tmp_path: Path) -> None:
    with local(tmp_path, workers=1) as cluster:
        long = cluster.submit(counting(1, seconds=3))
        waiting = cluster.submit(counting(2, seconds=3))
        until(lambda: [one for one in family(cluster.pid) if one.name() == "bwrap"], "the first sandbox")
        assert waiting.cancel()
        assert long.cancel()
        assert number_of(cluster.submit(counting(3)).result(PATIENCE_S)) == 3.0
        assert long.cancelled()
        assert waiting.cancelled()


def test_two_workers_on_loopback_share_the_runs_of_a_grader(tmp_path: Path) -> None:
    with remote(tmp_path / "cluster") as made:
        scheduler = made.scheduler()
        workers = [made.worker(), made.worker()]
        with open_cluster(made.settings, made.address) as cluster:
            until(lambda: cluster.slots == 2, "the second worker")
            ends = [cluster.submit(counting(number, seconds=0.5)) for number in range(4)]
            seen: set[int] = set()

            def both_worked() -> bool:
                seen.update(one.pid for one in workers if sandboxes(one.pid))
                return len(seen) == 2

            until(both_worked, "work for both")
            assert [number_of(end.result(PATIENCE_S)) for end in ends] == [0.0, 1.0, 2.0, 3.0]
            workers[0].terminate()
            workers[0].wait(30)
            until(lambda: cluster.slots == 1, "the loss of a worker")
            assert number_of(cluster.submit(counting(9)).result(PATIENCE_S)) == 9.0
            last = cluster.submit(counting(1, seconds=30))
            scheduler.kill()
            with pytest.raises(ClusterLost, match="scheduler"):
                last.result(PATIENCE_S)
        processes = family(workers[1].pid)
    until(lambda: gone(processes), "the end of the workers")


def sandboxes(pid: int) -> list[psutil.Process]:
    return [one for one in family(pid) if one.name() == "bwrap"]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    with remote(tmp_path_factory.mktemp("remote") / "cluster") as made:
        made.scheduler()
        yield made


def test_a_grader_with_other_certificates_is_refused(guarded: Remote, tmp_path: Path) -> None:
    other = tmp_path / "certificates"
    make_certificates(other)
    settings = course(tmp_path / "course", cluster_certificates=other)
    with (
        pytest.raises(ClusterLost, match="no scheduler that knows these certificates"),
        open_cluster(settings, guarded.address),
    ):
        pytest.fail("it was let in")


def test_who_is_told_to_stop_waits_for_no_worker(guarded: Remote) -> None:
    stop = threading.Event()
    threading.Timer(1.0, stop.set).start()
    with begun_cluster(guarded.settings, guarded.address) as cluster:
        cluster.wait_ready(stop)
        assert stop.is_set()
        assert cluster.slots == 0


def test_who_speaks_no_tls_is_refused(guarded: Remote) -> None:
    with socket.create_connection(("127.0.0.1", guarded.port), 10) as plain:
        plain.settimeout(10)
        plain.sendall(struct.pack("<QQ", 1, 30) + b"\x84\xa2op\xa8identity\xa5reply\xc3")
        with contextlib.suppress(ConnectionError):
            assert b"workers" not in plain.recv(65536)
            assert plain.recv(65536) == b""


def test_a_worker_with_other_certificates_is_refused(
    guarded: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with remote(tmp_path / "cluster") as stranger:
        stranger.port = guarded.port
        process = stranger.worker()
        until(lambda: "certificate" in stranger.logs() or process.poll() is not None, "its refusal")
    monkeypatch.setattr("datauab.autograde.cluster._START_S", 6.0)
    with pytest.raises(ClusterLost, match="no worker came"), open_cluster(guarded.settings, guarded.address):
        pytest.fail("a worker was let in")


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("tcp://127.0.0.1:8786", "expected local, slurm or an address that begins with tls://"),
        ("everywhere", "found everywhere"),
        ("tls://127.0.0.1:1", "no certificates of the cluster"),
        ("slurm", "there is no sbatch here"),
    ],
)
def test_a_cluster_that_cannot_be_opened_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, words: str
) -> None:
    (tmp_path / "setpriv").symlink_to(shutil.which("setpriv") or "")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClusterLost, match=words), open_cluster(course(tmp_path / "course"), where):
        pytest.fail("it was opened")


def test_what_goes_to_a_worker_holds_no_label_no_test_and_no_name(toy: Toy) -> None:
    student = "persephone"
    toy.hand_in(student, ["predictions = np.arange(40) * 1.25"])
    folder = toy.settings.root / "submitted" / student / NAME
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    made = prepared(Opened.read(toy.settings, NAME), Submission(NAME, student, files))
    content = made.request.to_bytes()
    assert b"np.arange(40)" in content
    for hidden in (b"mellon", b"r2_score", b"HIDDEN", student.encode(), truth().tobytes(), truth()[:4].tobytes()):
        assert hidden in b"".join([CHECK.encode(), student.encode(), truth().tobytes()])
        assert hidden not in content
    secret = [path.read_bytes() for path in toy.settings.solutions.rglob("*") if path.is_file()]
    assert secret
    assert not [held for held in secret if held in content]


def test_the_processes_of_a_cluster_are_told_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAUAB_DATABASE", SECRET)
    monkeypatch.setenv("CONFIGPROXY_AUTH_TOKEN", "open-sesame")
    settings = course(tmp_path / "course")
    assert settings.database == SECRET
    assert "open-sesame" not in ClusterSettings.of(settings).model_dump_json()
    with open_cluster(settings, "local", 1) as cluster:
        assert number_of(cluster.submit(counting(1)).result(PATIENCE_S)) == 1.0
        seen = 0
        for process in family(cluster.pid):
            with contextlib.suppress(psutil.NoSuchProcess, OSError):
                known = (
                    Path(f"/proc/{process.pid}/environ").read_bytes()
                    + Path(f"/proc/{process.pid}/cmdline").read_bytes()
                )
                assert b"open-sesame" not in known
                seen += 1
        assert seen >= 2


def test_a_message_that_is_too_large_is_an_error_and_no_wait() -> None:
    near, far = socket.socketpair()
    with near, far:
        far.sendall(struct.pack(">IQ", 10, 2**40))
        with pytest.raises(GradingError, match="expected at most"):
            receive(near)


def test_messages_cross_the_socket_as_they_are() -> None:
    near, far = socket.socketpair()
    with near:
        with far:
            send(far, {"run": 1}, b"\x00\xff")
            send(far, {"slots": 2})
        assert receive(near) == ({"run": 1}, b"\x00\xff")
        assert receive(near) == ({"slots": 2}, b"")
        assert receive(near) is None


@pytest.mark.parametrize(
    "garbage", [b"HTTP/1.1 200 OK\r\n\r\n", struct.pack(">IQ", 4, 0) + b"{no}", struct.pack(">IQ", 2, 0) + b"[]"]
)
def test_garbage_is_no_message(garbage: bytes) -> None:
    near, far = socket.socketpair()
    with near, far:
        far.sendall(garbage)
        with pytest.raises((GradingError, ValueError)):
            receive(near)


def test_garbage_on_the_socket_ends_every_run_with_a_reason(tmp_path: Path) -> None:
    with local(tmp_path, workers=1) as cluster:
        end = cluster.submit(counting(1, seconds=20))
        stolen = connection_of(cluster)
        with stolen:
            stolen.sendall(struct.pack(">IQ", 12, 0) + b'{"run": "x"}')
            with pytest.raises(ClusterLost, match="gone: its process sent something else than messages"):
                end.result(PATIENCE_S)


def connection_of(cluster: Cluster) -> socket.socket:
    """The far end of the cluster's socket, as whoever took its process over would have it."""
    handle = os.pidfd_open(cluster.pid)
    try:
        return socket.socket(fileno=pidfd_getfd(handle, int(told(psutil.Process(cluster.pid))[-1])))
    finally:
        os.close(handle)


def pidfd_getfd(handle: int, number: int) -> int:
    import ctypes

    found = ctypes.CDLL(None, use_errno=True).syscall(438, handle, number, 0)
    assert found >= 0, os.strerror(ctypes.get_errno())
    return int(found)


def test_certificates_are_for_their_owner_and_made_once(tmp_path: Path) -> None:
    folder = tmp_path / "certificates"
    make_certificates(folder)
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        "ca.pem": 0o600, "cert.pem": 0o600, "key.pem": 0o600,
    }  # fmt: skip
    assert folder.stat().st_mode & 0o777 == 0o700
    with pytest.raises(ConfigurationError, match="choose another folder"):
        make_certificates(folder)


def test_the_example_of_an_operators_settings_is_read_as_it_stands(tmp_path: Path, checkout: Path) -> None:
    shutil.copy(checkout / "deploy" / "slurm" / "club.toml", tmp_path / "club.toml")
    settings = course(tmp_path)
    assert (settings.cluster, settings.graders, settings.slurm.partition) == ("slurm", 8, "short")
    assert settings.public == Path("/shared/club/public")
    assert settings.gradebook == Path("/var/lib/club/gradebook")


@pytest.mark.parametrize(
    ("chosen", "names"),
    [(None, ["0", "1", "2"]), ("2", ["2"]), ("1, 2", ["1", "2"]), ("", []), ("-1", []), ("GPU-1a2b", ["GPU-1a2b"])],
)
def test_a_job_uses_only_the_gpus_that_it_was_given(tmp_path: Path, chosen: str | None, names: list[str]) -> None:
    for device in ("nvidia0", "nvidia1", "nvidia2", "nvidiactl", "nvidia-uvm"):
        (tmp_path / device).touch()
    assert gpu_names(chosen, tmp_path) == names
    with GpuSlots(len(names), 1, names).one() as device:
        assert device == (names[0] if names else None)


def test_a_machine_without_gpus_has_none_whatever_it_is_told(tmp_path: Path) -> None:
    assert gpu_names("0,1", tmp_path) == []
