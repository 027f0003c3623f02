"""Tasks of organisers in the service: interrupted at any moment, each is done once, whole, by whoever has the lease."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from datauab import solutions
from datauab.autograde.sandbox import python_env
from datauab.grader.service import serve
from datauab.grader.tasks import WORK, do_task
from datauab.ledger import Ledger
from datauab.settings import Settings
from datauab.task_results import LintFound
from tests.autograde.toy_course import NAME, make_course, truth
from tests.grader.toy_queue import do, drain, hand_in, near

pytestmark = pytest.mark.sandbox


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    settings = make_course(tmp_path).settings
    monkeypatch.setenv("DATAUAB_ROOT", str(settings.root))
    return settings


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    with Ledger.open(settings) as opened:
        yield opened


def test_who_lost_the_lease_records_nothing(settings: Settings, ledger: Ledger) -> None:
    hand_in(ledger, "ana", near(1))
    drain(settings, ledger)
    task = ledger.add_task("rescore_preview", NAME, "instructor")
    lease = ledger.lease_task("slow")
    assert lease is not None
    log = ledger.audit_log(NAME)
    assert do_task(settings, task.id, "of somebody else") == 0
    assert ledger.task(task.id).state == "running"
    assert ledger.audit_log(NAME) == log
    assert do_task(settings, task.id, lease.token) == 0
    assert ledger.task(task.id).state == "done"


def test_a_competition_that_is_gone_fails_its_task_with_the_file_that_is_missing(
    settings: Settings, ledger: Ledger
) -> None:
    task = ledger.add_task("similar", "gone", "instructor")
    serve(settings, threading.Event(), once=True)
    found = ledger.task(task.id)
    assert found.state == "failed"
    assert "competition.toml" in (found.reason or "")


def test_killed_in_the_middle_of_a_rescoring_all_attempts_have_old_scores_or_all_have_new_ones(
    settings: Settings, ledger: Ledger
) -> None:
    handed = [hand_in(ledger, f"m{number % 9}", near(number / 9)) for number in range(200)]
    drain(settings, ledger)
    solutions.write(settings, NAME, truth() + 2, "corrected")
    ledger.add_task("rescore_preview", NAME, "instructor")
    serve(settings, threading.Event(), once=True)
    seen = ledger.tasks(NAME)[0].result or {}
    parameters = {key: seen[key] for key in ("solution_hash", "scorer_hash")}
    task = ledger.add_task("rescore_apply", NAME, "instructor", parameters)
    env = {**os.environ, **python_env(), "HOME": str(settings.root)}
    for moment in (0.1, 0.6, 0.9):
        if ledger.task(task.id).state == "done":
            break
        service = subprocess.Popen([sys.executable, "-m", "datauab.grader"], cwd=settings.root, env=env)
        ends = time.monotonic() + 60
        while ledger.task(task.id).state == "queued":
            assert time.monotonic() < ends
            time.sleep(0.005)
        time.sleep(moment)
        service.kill()
        service.wait()
        versions = {len(ledger.score_history(attempt.id)) for attempt in handed}
        assert versions in ({1}, {2})
        put_back(settings)
    serve(settings, threading.Event(), once=True)
    assert ledger.task(task.id).state == "done"
    assert {len(ledger.score_history(attempt.id)) for attempt in handed} == {2}


def put_back(settings: Settings) -> None:
    """Put the task back as a lease does that runs out, without what it counts."""
    from datauab.ledger.engine import Database
    from datauab.ledger.tables_desk import task_queue

    database = Database(settings.database)
    with database.writing() as connection:
        free = {"token": None, "worker": None, "leased_until": None}
        connection.execute(task_queue.update().values(free))
    database.engine.dispose()


def test_the_lint_of_a_competition_is_a_task_as_well(settings: Settings, ledger: Ledger) -> None:
    task = do(settings, ledger, "lint")
    assert task.state == "done", task.reason
    LintFound.model_validate(task.result)
    assert ledger.audit_log(NAME)[0].action == "lint.done"


def test_there_is_somebody_for_every_kind_of_task() -> None:
    from typing import get_args

    from datauab.ledger import TaskKind

    assert set(WORK) == set(get_args(TaskKind))
