"""Deployments on SQLite and on a real PostgreSQL server, for every test of the ledger."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from datauab.ledger import Ledger, ScoreRecord
from datauab.settings import Settings


def _as_postgres(*command: str | Path) -> None:
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    done = subprocess.run([*user, *map(str, command)], capture_output=True, text=True, cwd="/", check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Path]:
    """Give the folder of the socket of Debian's own server, with an empty cluster."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not found:
        pytest.fail("no PostgreSQL server: apt-get install postgresql, or leave these tests out: -m 'not postgres'")
    programs = found[-1]
    folder = Path(tempfile.mkdtemp(prefix="club-pg-"))  # not pytest's: the server's account must reach it
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        data = folder / "data"
        _as_postgres(programs / "initdb", "-D", data, "-A", "trust", "-U", "club", "-E", "UTF8", "--no-sync")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        _as_postgres(programs / "pg_ctl", "-D", data, "-l", folder / "log", "-w", "-o", options, "start")
        yield folder
        _as_postgres(programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def deployment(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Give a new deployment on each kind of database."""
    if request.param == "sqlite":
        return Settings(root=tmp_path)
    server: Path = request.getfixturevalue("postgres_server")
    with psycopg.connect(f"host={server} user=club dbname=postgres", autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")  # quicker than a database for each test
        connection.execute("CREATE SCHEMA public")
    return Settings(root=tmp_path, database=f"postgresql:///postgres?host={server}&user=club")


@pytest.fixture
def ledger(deployment: Settings) -> Iterator[Ledger]:
    with Ledger.open(deployment) as opened:
        yield opened


@pytest.fixture
def result() -> ScoreRecord:
    return ScoreRecord(
        public=0.81,
        private=0.79,
        interval_low=0.7,
        interval_high=0.9,
        metric="r2",
        scorer_hash="a" * 64,
        solution_hash="b" * 64,
        secondary={"rmse": {"public": 310.5, "private": 320.5}},
        points=8.0,
        max_points=10.0,
    )


@pytest.fixture
def lived_in(ledger: Ledger, result: ScoreRecord) -> Ledger:
    """Give a ledger in which everything happened once: no table is empty."""
    ana, bo, cy = (
        ledger.add_attempt(competition="got", member=who, blob=who.encode()).id for who in ("ana", "bo", "cy")
    )
    ledger.finish_scored(ledger.lease("w"), replace(result, author_view={"confusion": [[1]]}), predictions=b"npy")
    ledger.finish_failed(ledger.lease("w"), "row 3 is NaN", False)
    ledger.delete_attempt(ana, "ana")
    ledger.retry(bo, "teacher")
    ledger.upsert_member("ana", "Ana")
    ledger.publish_feedback(cy, b"zip")
    ledger.publish_release("got", b"zip", "teacher")
    first, second = (ledger.create_team("got", f"Team of {who}", who) for who in ("ana", "bo"))
    invitation = ledger.invite(first.id, "ana", "cy")
    ledger.accept(invitation.id, "cy", gate=lambda _: None)
    ledger.invite(first.id, "ana", "dee")
    ledger.accept_merge(ledger.request_merge(first.id, second.id, "ana").id, "bo", gate=lambda _: None)
    ledger.accept_rules("got", "ana", "c" * 64)
    ledger.extend("got", "ana", closes=None, daily_scored=9, note="was ill", by="teacher")
    ledger.rule("got", "daily_scored", 7, "teacher")
    ledger.select_final("got", first.entrant, [cy], "ana")
    ledger.withdraw_announcement(ledger.announce("got", "Good luck", "teacher").id, "teacher")
    ledger.add_task("rescore_apply", "got", "teacher")
    ledger.apply_rescore(ledger.lease_task("w"), {ana: replace(result, public=0.5)}, {"rescored": 1})
    ledger.add_task("autograde", "got", "teacher")
    at_work = ledger.lease_task("w")
    ledger.report_task(at_work, {"done": 1, "total": 2})
    ledger.finish_task(at_work, {"graded": 2})
    ledger.record_grading(
        competition="got", member="ana", attempt_id=ana, key="0" * 64, state="scored", seconds={"run": 0.5}
    )
    ledger.add_task("lint", "got", "teacher")
    return ledger
