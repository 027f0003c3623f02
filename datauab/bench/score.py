"""What a score costs, from the request to the scored row, beside a fresh process for each attempt."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from datauab.autograde.sandbox import python_env
from datauab.bench.deployment import NAME, Bench, deployed, predictions
from datauab.bench.figure import Figure
from datauab.bench.served import TOKEN
from datauab.errors import ClubError

WAIT_SECONDS = 20
WARM_UP = 20
MEMBERS = 25
_FILES = 64
# What CodaLab's workers start for each attempt: a program that loads both files, scores, and writes the score down.
_PROGRAM = """
import json, sys
import numpy as np
from sklearn.metrics import accuracy_score

truth, guess = np.load(sys.argv[1]), np.load(sys.argv[2])
json.dump({"accuracy": float(accuracy_score(truth, guess))}, open(sys.argv[3], "w"))
"""


def bench_score(
    repeats: int = 400, clients: int = 8, seconds: float = 60.0, processes: int = 15, database: str = ""
) -> list[Figure]:
    """Score 10,000 class predictions again and again through the real web service and the real grader.

    Parameters
    ----------
    repeats : int
        Attempts of one client, one after another, for the latency.
    clients : int
        Clients at one time, for the throughput; each waits for its score before it sends the next attempt, and sends
        as one of `MEMBERS` members in turn, since no member makes hundreds of attempts a minute.
    seconds : float
        How long they send.
    processes : int
        Fresh processes that are timed for the ratio.
    database : str
        SQLAlchemy URL of an empty database; a SQLite file where empty.

    Returns
    -------
    list of Figure
        ``latency.p50`` and ``latency.p99`` in ms, ``throughput`` in scored attempts a second, ``process`` in ms and
        ``process.ratio``: medians.

    Raises
    ------
    ClubError
        Where an attempt is not scored, or one that was acknowledged is not in the ledger, scored once.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, deployed(Path(folder), database) as bench:
        files = [predictions(bench, number) for number in range(_FILES)]
        _Client(bench, "warm", files).send(WARM_UP)
        one = _Client(bench, "one", files)
        one.send(repeats)
        own = [_fresh_process(bench, files[number % _FILES], Path(folder)) for number in range(processes)]
        many = [_Client(bench, f"client{number}", files) for number in range(clients)]
        rate = _together(many, seconds)
        _check(bench, [one, *many])
    p50, p99 = (float(np.quantile(one.seconds, share)) * 1000 for share in (0.5, 0.99))
    process = statistics.median(own) * 1000
    return [
        Figure("latency.p50", p50, "ms"),
        Figure("latency.p99", p99, "ms"),
        Figure("throughput", rate, "1/s"),
        Figure("process", process, "ms"),
        Figure("process.ratio", process / p50, "times faster than a process an attempt"),
    ]


@dataclass
class _Client:
    bench: Bench
    member: str
    files: list[bytes]
    seconds: list[float] = field(default_factory=list)
    acknowledged: list[int] = field(default_factory=list)
    problem: str = ""

    def send(self, count: int = 1 << 30, until: float = float("inf")) -> None:
        connection = self.bench.client()
        path = f"{self.bench.settings.web_prefix}api/v1/competitions/{NAME}/attempts?filename=p.npy&wait={WAIT_SECONDS}"
        for number in range(count):
            if time.perf_counter() > until:
                return
            token = f"token {TOKEN}{self.member}-{number % MEMBERS}"
            headers = {"Authorization": token, "Content-Type": "application/octet-stream"}
            began = time.perf_counter()
            connection.request("POST", path, self.files[number % len(self.files)], headers)
            answer = connection.getresponse()
            content = answer.read()
            self.seconds.append(time.perf_counter() - began)
            told = json.loads(content)
            if answer.status != 201 or told["state"] != "scored":
                self.problem = f"attempt {number} of {self.member}: HTTP {answer.status}, {content[:500]!r}"
                raise ClubError(f"bench score: {self.problem}")
            self.acknowledged.append(told["id"])


def _together(clients: list[_Client], seconds: float) -> float:
    began = time.perf_counter()
    threads = [threading.Thread(target=client.send, kwargs={"until": began + seconds}) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    problems = [client.problem for client in clients if client.problem]
    if problems:
        raise ClubError(f"bench score: {problems[0]}")
    return sum(len(client.seconds) for client in clients) / (time.perf_counter() - began)


def _fresh_process(bench: Bench, content: bytes, folder: Path) -> float:
    truth, guess, scores = folder / "truth.npy", folder / "guess.npy", folder / "scores.json"
    np.save(truth, bench.truth)
    guess.write_bytes(content)
    began = time.perf_counter()
    command = [sys.executable, "-c", _PROGRAM, *map(str, (truth, guess, scores))]
    subprocess.run(command, check=True, env=python_env(), stdin=subprocess.DEVNULL)
    return time.perf_counter() - began


def _check(bench: Bench, clients: list[_Client]) -> None:
    from datauab.ledger import Ledger

    with Ledger.open(bench.settings) as ledger:
        for client in clients:
            members = [f"{client.member}-{number}" for number in range(MEMBERS)]
            made = [item for member in members for item in ledger.attempts(competition=NAME, member=member)]
            found = {item.id: item.state for item in made}
            lost = [number for number in client.acknowledged if found.get(number) != "scored"]
            if lost or len(client.acknowledged) != len(found):
                raise ClubError(
                    f"bench score: {client.member}: expected {len(client.acknowledged)} scored attempts, found "
                    f"{len(found)}; acknowledged and not scored: {lost[:5]}"
                )
