"""kill -9 at any moment: nothing acknowledged is lost, nothing ends twice, work goes on."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from datauab.errors import LedgerError
from datauab.ledger import Ledger, QueueCounts, ScoreRecord
from datauab.settings import Settings

ROUNDS = 12
LEASE_SECONDS = 0.3


def _work(settings: Settings, journal: Path, seed: int, result: ScoreRecord) -> None:
    """Hand in and grade for ever; note each acknowledgement after it was given, as a receipt is."""
    rng = random.Random(seed)
    log = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    ledger = Ledger.open(settings)
    while True:
        blob = rng.randbytes(rng.randrange(1, 60_000))
        given = ledger.add_attempt(competition="got", member=f"m{seed % 3}", blob=blob)
        os.write(log, f"added {given.id} {given.sha256}\n".encode())
        lease = ledger.lease(f"w{seed}", LEASE_SECONDS)
        if lease is None:
            continue
        ledger.heartbeat(lease, LEASE_SECONDS)
        try:
            if lease.attempt.id % 3:
                ledger.finish_scored(lease, result)
            else:
                ledger.finish_failed(lease, "row 3 is NaN", False)
        except LedgerError:
            continue
        os.write(log, f"ended {lease.attempt.id}\n".encode())


def _journal(path: Path) -> tuple[dict[int, str], Counter[int]]:
    added: dict[int, str] = {}
    ended: Counter[int] = Counter()
    for line in path.read_text().splitlines():
        verb, number, *rest = line.split()
        if verb == "added":
            added[int(number)] = rest[0]
        else:
            ended[int(number)] += 1
    return added, ended


def test_nothing_acknowledged_is_lost_and_nothing_ends_twice(deployment, result, tmp_path):
    seed = random.SystemRandom().randrange(1 << 30)
    print(f"seed {seed}")  # noqa: T201 - to see which moments were tried when it fails
    rng = random.Random(seed)
    journal = tmp_path / "journal"
    context = multiprocessing.get_context("fork")
    for number in range(ROUNDS):
        workers = [
            context.Process(target=_work, args=(deployment, journal, number * 10 + index, result)) for index in range(3)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            time.sleep(rng.uniform(0.0, 0.25))
            os.kill(worker.pid or 0, signal.SIGKILL)
            worker.join(10)
            assert worker.exitcode == -signal.SIGKILL
        _check(deployment, journal)
    _drain(deployment, result)
    _check(deployment, journal)
    with Ledger.open(deployment) as ledger:
        counts = ledger.attempts_by_state()
        assert counts["queued"] == counts["running"] == 0
        assert counts["scored"] > 0
        assert counts["failed"] > 0


def _check(deployment: Settings, journal: Path) -> None:
    if not journal.exists():
        return
    added, ended = _journal(journal)
    with Ledger.open(deployment) as ledger:
        found = {attempt.id: attempt for attempt in ledger.attempts()}
        for number, sha256 in added.items():
            assert found[number].sha256 == sha256
        for attempt in found.values():
            assert len(ledger.blob(attempt)) == attempt.size
        for number, times in ended.items():
            assert times == 1
            assert found[number].state == ("scored" if number % 3 else "failed")


def _drain(deployment: Settings, result: ScoreRecord) -> None:
    with Ledger.open(deployment) as ledger:
        give_up = time.monotonic() + 30
        while ledger.queue_counts() != QueueCounts(waiting=0, running=0, oldest=None):
            assert time.monotonic() < give_up
            lease = ledger.lease("survivor", 30)
            if lease is None:
                time.sleep(0.05)
            else:
                ledger.finish_scored(lease, result)


def _die_inside(settings: Settings) -> None:
    with Ledger.open(settings) as ledger:
        ledger.add_attempt(
            competition="got",
            member="ana",
            blob=b"never acknowledged",
            gate=lambda _: os.kill(os.getpid(), signal.SIGKILL),
        )


def test_a_kill_inside_the_transaction_leaves_no_attempt_and_frees_the_lock(deployment):
    worker = multiprocessing.get_context("fork").Process(target=_die_inside, args=(deployment,))
    worker.start()
    worker.join(30)
    assert worker.exitcode == -signal.SIGKILL
    with Ledger.open(deployment) as ledger:
        assert ledger.attempts() == []
        ledger.add_attempt(competition="got", member="ana", blob=b"acknowledged")
        kept = [path for path in deployment.attempts.rglob("*") if path.is_file() and path.parent.name != "incoming"]
        assert [path.read_bytes() for path in kept] == [b"acknowledged"]


@pytest.mark.parametrize("processes", [6])
def test_a_killed_first_opening_leaves_whole_tables_or_none(deployment, processes):
    context = multiprocessing.get_context("fork")
    rng = random.Random()
    workers = [context.Process(target=_open, args=(deployment,)) for _ in range(processes)]
    for worker in workers:
        worker.start()
    for worker in workers[:-1]:
        time.sleep(rng.uniform(0, 0.08))
        worker.kill()  # one that was faster and has ended is left alone
    workers[-1].join(60)
    assert workers[-1].exitcode == 0
    with Ledger.open(deployment) as ledger:
        assert ledger.add_attempt(competition="got", member="ana", blob=b"x").id >= 1


def _open(settings: Settings) -> None:
    Ledger.open(settings).close()
