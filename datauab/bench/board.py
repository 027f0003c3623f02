"""What a board costs at a million attempts, beside a small one: the page of the top rows with one's own rank."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from datauab.bench.deployment import NAME, Bench, deployed
from datauab.bench.figure import Figure
from datauab.bench.served import TOKEN
from datauab.errors import ClubError
from datauab.ledger import Ledger, ScoreRecord

SMALL = "small"
SMALL_ATTEMPTS = 10_000
SHARE = 10
"""A new score arrives before every tenth request, so that following the ledger is part of the cost."""

_CHUNK = 20_000
_HASH = "0" * 64
_BEGIN = datetime(2026, 1, 2, tzinfo=UTC)


def bench_board(
    attempts: int = 1_000_000, members: int = 100_000, requests: int = 400, database: str = ""
) -> list[Figure]:
    """Ask for the competition's page as members of a large and of a small board, while scores arrive.

    Parameters
    ----------
    attempts, members : int
        Of the large board; the small one has `SMALL_ATTEMPTS` attempts, as many a member.
    requests : int
        Pages that are timed on each board, by members drawn at random.
    database : str
        SQLAlchemy URL of an empty database; a SQLite file where empty.

    Returns
    -------
    list of Figure
        ``page.p50`` and ``page.p99`` in ms of the large board, ``growth``: its median over the small one's,
        ``first`` in s: the first page after a start, which reads the whole board.

    Raises
    ------
    ClubError
        Where a page is refused or does not show the member's own rank.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, deployed(Path(folder), database, ()) as bench:
        source = bench.settings.source
        shutil.copytree(source / NAME, source / SMALL)
        with Ledger.open(bench.settings) as ledger:
            ledger.publish_release(SMALL, ledger.release_archive(NAME), by="bench")
            fill(ledger, SMALL, SMALL_ATTEMPTS, max(1, SMALL_ATTEMPTS * members // attempts))
            fill(ledger, NAME, attempts, members)
            bench.start("web")
            small, _ = _pages(bench, ledger, SMALL, max(1, SMALL_ATTEMPTS * members // attempts), requests)
            large, first = _pages(bench, ledger, NAME, members, requests)
    return [
        Figure("page.p50", float(np.median(large)) * 1000, "ms"),
        Figure("page.p99", float(np.quantile(large, 0.99)) * 1000, "ms"),
        Figure("growth", float(np.median(large) / np.median(small)), f"times the cost at {SMALL_ATTEMPTS} attempts"),
        Figure("first", first, "s"),
    ]


def fill(ledger: Ledger, competition: str, attempts: int, members: int) -> None:
    """Put `attempts` scored attempts of `members` members into the ledger, as years of use would.

    One in twenty failed. Written to the tables themselves: one by one they would take an hour.
    """
    from sqlalchemy import func, select

    from datauab.ledger import tables

    with ledger._database.writing() as connection:
        first = int(connection.execute(select(func.coalesce(func.max(tables.attempt.c.id), 0))).scalar_one()) + 1
        scores = int(connection.execute(select(func.coalesce(func.max(tables.score.c.id), 0))).scalar_one()) + 1
        for rows in _rows(competition, attempts, members, first, scores):
            for table in (tables.attempt, tables.ending, tables.score, tables.private_score):
                connection.execute(table.insert(), rows[table.name])
        connection.execute(tables.change.insert().values(competition=competition, member=None))
        if not ledger._database.sqlite:  # rows that bring their own numbers do not move the counters
            for table in (tables.attempt, tables.score):
                last = select(func.max(table.c.id)).scalar_subquery()
                connection.execute(select(func.setval(func.pg_get_serial_sequence(table.name, "id"), last)))


def _rows(
    competition: str, attempts: int, members: int, first: int, scores: int
) -> Iterator[dict[str, list[dict[str, Any]]]]:
    chance = np.random.default_rng(7)
    for begin in range(0, attempts, _CHUNK):
        rows: dict[str, list[dict[str, Any]]] = {
            "club_attempt": [], "club_ending": [], "club_score": [], "club_private_score": []
        }  # fmt: skip
        size = min(_CHUNK, attempts - begin)
        values = chance.beta(8, 2, size=size)
        failed = chance.random(size) < 0.05
        for offset in range(size):
            number = first + begin + offset
            moment = _BEGIN + timedelta(seconds=begin + offset)
            value = float(values[offset])
            rows["club_attempt"].append(
                {
                    "id": number,
                    "competition": competition,
                    "member": f"m{(begin + offset) % members}",
                    "kind": "predictions",
                    "origin": "web",
                    "sha256": _HASH,
                    "size": 1,
                    "received_at": moment,
                    "phase": "open",
                }
            )
            state = "failed" if failed[offset] else "scored"
            reason = "row 3: expected a number" if failed[offset] else None
            rows["club_ending"].append(
                {
                    "attempt_id": number,
                    "state": state,
                    "reason": reason,
                    "platform_fault": False,
                    "worker": "w",
                    "finished_at": moment,
                }
            )
            if failed[offset]:
                continue
            mark = scores + begin + offset
            rows["club_score"].append(
                {
                    "id": mark,
                    "attempt_id": number,
                    "scorer_hash": _HASH,
                    "solution_hash": _HASH,
                    "metric": "accuracy",
                    "public": value,
                    "interval_low": value - 0.01,
                    "interval_high": value + 0.01,
                    "secondary": {},
                    "scored_at": moment,
                }
            )
            rows["club_private_score"].append({"score_id": mark, "private": value, "secondary": {}})
        yield rows


def _pages(bench: Bench, ledger: Ledger, name: str, members: int, requests: int) -> tuple[list[float], float]:
    chance = np.random.default_rng(3)
    connection = bench.client()
    path = f"{bench.settings.web_prefix}competitions/{name}"

    def ask(member: str) -> float:
        began = time.perf_counter()
        connection.request("GET", path, headers={"Authorization": f"token {TOKEN}{member}"})
        answer = connection.getresponse()
        content = answer.read()
        seconds = time.perf_counter() - began
        if answer.status != 200 or b'class="my-row"' not in content:
            raise ClubError(f"bench board: {path} as {member}: HTTP {answer.status}, {len(content)} bytes, no own rank")
        return seconds

    first = ask("m0")
    timed = []
    for number in range(-SHARE, requests):
        if number % SHARE == 0:
            _new_score(ledger, name, f"m{chance.integers(members)}", float(chance.beta(8, 2)))
        seconds = ask(f"m{chance.integers(members)}")
        if number >= 0:
            timed.append(seconds)
    return timed, first


def _new_score(ledger: Ledger, name: str, member: str, value: float) -> None:
    attempt = ledger.add_attempt(competition=name, member=member, blob=b"1", kind="predictions", origin="web")
    lease = ledger.lease("bench", attempt_id=attempt.id)
    if lease is None:
        raise ClubError(f"bench board: attempt {attempt.id} cannot be leased")
    ledger.finish_scored(lease, ScoreRecord(value, value, value - 0.01, value + 0.01, "accuracy", _HASH, _HASH))
