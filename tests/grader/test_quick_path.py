"""Predictions files on the quick path: a real ledger, real solutions, and the service as a process that is killed."""

from __future__ import annotations

import io
import os
import pickle
import random
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from datauab import solutions
from datauab.autograde.sandbox import python_env
from datauab.grader.catalogue import Catalogue
from datauab.grader.faults import ACTOR
from datauab.grader.quick import BATCH, HeldLeases
from datauab.ledger import Ledger
from datauab.settings import Settings
from tests.autograde.toy_course import NAME, ROWS, make_course, npy, truth
from tests.grader.toy_queue import drain, edit, expire, hand_in, near, score_now


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return make_course(tmp_path).settings


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    with Ledger.open(settings) as opened:
        yield opened


def test_every_format_and_order_of_the_same_predictions_has_the_same_score(settings: Settings, ledger: Ledger) -> None:
    values = near(0.3) * np.linspace(0.9, 1.1, ROWS)
    lines = [f"{row},{value!r}" for row, value in enumerate(values.tolist())]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("any.npy", npy(values))
    files = {
        "a.npy": npy(values),
        "b.csv": ("id,predictions\n" + "\n".join(reversed(lines))).encode(),
        "c.pkl": pickle.dumps(values.tolist(), protocol=2),
        "d.zip": packed.getvalue(),
    }
    handed = [hand_in(ledger, name[0], content, name) for name, content in files.items()]
    drain(settings, ledger)
    found = [ledger.attempt(attempt.id) for attempt in handed]
    assert [(one.state, one.reason) for one in found] == [("scored", None)] * 4
    assert len({(one.public, one.interval, one.secondary_public["rmse"]) for one in found}) == 1
    assert len(set(ledger.private_scores([one.id for one in found]).values())) == 1


@pytest.mark.parametrize(
    ("content", "filename", "reason"),
    [
        (npy(np.zeros(3)), "short.npy", r"expected shape \(40,\), found \(3,\)"),
        (npy(np.where(np.arange(ROWS) == 7, np.nan, 1.0)), "nan.npy", "row 7"),
        (b"", "nothing.csv", "predictions file"),
        (b"id,predictions\n99,1\n", "ids.csv", ""),
        (pickle.dumps(os.system), "evil.pkl", "pickle: expected an array"),
        (b"PK\x03\x04 no zip", "broken.zip", ""),
    ],
)
def test_a_wrong_file_fails_with_a_reason_for_its_member_and_nothing_for_the_organiser(
    settings: Settings, ledger: Ledger, content: bytes, filename: str, reason: str
) -> None:
    found = score_now(settings, ledger, "ana", content, filename=filename)
    assert (found.state, found.platform_fault) == ("failed", False)
    assert re.search(reason, found.reason or "")
    assert ledger.audit_log(NAME) == []


def test_what_the_organiser_broke_is_told_to_the_organiser_and_costs_nobody_anything(
    settings: Settings, ledger: Ledger
) -> None:
    (settings.solutions / NAME / "solution.npy").write_bytes(b"damaged")
    found = score_now(settings, ledger, "ana", near(1))
    assert (found.state, found.platform_fault) == ("failed", True)
    assert "costs no quota" in (found.reason or "")
    assert str(settings.root) not in (found.reason or "")
    assert "solution" not in (found.reason or "")
    (told,) = ledger.audit_log(NAME)
    assert (told.actor, told.action, told.target) == (ACTOR, "grading.error", str(found.id))
    assert "expected SHA-256" in told.detail["error"]
    solutions.write(settings, NAME, truth(), "again")
    assert score_now(settings, ledger, "ana", near(1)).state == "scored"


def test_a_wrong_competition_toml_is_told_and_a_right_one_is_used_at_once(settings: Settings, ledger: Ledger) -> None:
    catalogue = Catalogue(settings)
    edit(settings, "public_share = 0.5", "public_share = 5")
    first = hand_in(ledger, "ana", near(1))
    drain(settings, ledger, catalogue)
    assert ledger.attempt(first.id).platform_fault
    edit(settings, "public_share = 5", "public_share = 0.25")
    second = hand_in(ledger, "ana", near(1))
    drain(settings, ledger, catalogue)
    assert ledger.attempt(second.id).state == "scored"


def test_a_corrected_solution_scores_the_next_attempt(settings: Settings, ledger: Ledger) -> None:
    catalogue = Catalogue(settings)
    catalogue.warm()
    before = hand_in(ledger, "ana", truth())
    drain(settings, ledger, catalogue)
    fresh = solutions.write(settings, NAME, truth()[::-1].copy(), "corrected")
    after = hand_in(ledger, "ana", truth())
    drain(settings, ledger, catalogue)
    assert ledger.attempt(before.id).public == pytest.approx(1)
    assert (ledger.attempt(after.id).public or 0) < 0
    assert ledger.score_history(after.id)[-1].solution_hash == fresh.sha256
    assert ledger.score_history(before.id)[-1].solution_hash != fresh.sha256


def test_authors_see_their_errors_where_the_organiser_allows_it(settings: Settings, ledger: Ledger) -> None:
    assert ledger.author_view(score_now(settings, ledger, "ana", near(1)).id) is None
    edit(settings, "[[phases]]", "[board]\nauthor_view = true\n[[phases]]")
    view = ledger.author_view(score_now(settings, ledger, "ana", near(1)).id)
    assert view is not None
    assert view["kind"] == "residuals"
    assert sum(view["counts"]) == ROWS // 2


def test_more_than_a_batch_is_scored_each_by_its_own_predictions(settings: Settings, ledger: Ledger) -> None:
    count = 2 * BATCH + 3
    handed = [hand_in(ledger, f"member-{number}", near(number / 10)) for number in range(count)]
    drain(settings, ledger)
    scores = [ledger.attempt(attempt.id).public for attempt in handed]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == count


def test_competitions_that_bring_their_own_code_are_left_to_a_process_and_hold_nobody_up(
    settings: Settings, ledger: Ledger
) -> None:
    other = settings.source / "own"
    other.mkdir()
    text = (settings.source / NAME / "competition.toml").read_text(encoding="utf-8")
    (other / "competition.toml").write_text(text.replace('name = "r2"', 'name = "metric.py"'), encoding="utf-8")
    waits = [hand_in(ledger, f"m{number}", near(1), competition="own") for number in range(BATCH + 1)]
    quick = score_now(settings, ledger, "ana", near(1))
    assert quick.state == "scored"
    assert {ledger.attempt(attempt.id).state for attempt in waits} == {"queued"}


def test_a_competition_that_turned_out_slow_goes_to_a_process_until_its_file_changes(settings: Settings) -> None:
    catalogue = Catalogue(settings)
    catalogue.mark_slow(catalogue.competition(NAME))
    assert catalogue.heavy() == {NAME}
    edit(settings, "public_share = 0.5", "public_share = 0.25")
    assert catalogue.heavy() == frozenset()


def test_leases_are_kept_alive_while_one_of_their_batch_takes_long(ledger: Ledger) -> None:
    attempt = hand_in(ledger, "ana", near(1))
    lease = ledger.lease("slow", 0.2, attempt_id=attempt.id)
    assert lease is not None
    held = HeldLeases(ledger, lease_s=60.0, every_s=0.05)
    held.hold([lease])
    held.start()
    time.sleep(0.5)
    assert ledger.attempt(attempt.id).state == "running"
    held.drop([lease])
    held.end()
    held.join(5)


def test_a_result_under_a_lost_lease_is_discarded_and_the_others_of_its_batch_count(
    settings: Settings, ledger: Ledger
) -> None:
    handed = [hand_in(ledger, name, near(1)) for name in ("ana", "ben")]
    stale = ledger.lease_many("stalled", 2)
    expire(settings)
    drain(settings, ledger)
    record_of = {attempt.id: ledger.attempt(attempt.id) for attempt in handed}
    lost = ledger.finish_many([(lease, "too late") for lease in stale])
    assert sorted(lost) == [attempt.id for attempt in handed]
    assert {number: ledger.attempt(number) for number in record_of} == record_of
    assert {one.state for one in record_of.values()} == {"scored"}


@pytest.mark.sandbox
def test_killed_at_any_moment_the_service_loses_no_attempt_and_scores_none_twice(
    settings: Settings, ledger: Ledger
) -> None:
    env = {**os.environ, **python_env(), "DATAUAB_ROOT": str(settings.root), "HOME": str(settings.root)}
    chance = random.Random(11)
    handed = []
    with (settings.root / "grader.log").open("ab") as log:
        for _ in range(4):
            service = subprocess.Popen(
                [sys.executable, "-m", "datauab.grader"], cwd=settings.root, env=env, stdout=log, stderr=log
            )
            before = len(handed)
            while len(handed) < before + 40:
                handed.append(hand_in(ledger, f"member-{len(handed) % 7}", near(len(handed) / 50)))
            ends = time.monotonic() + 60
            while all(ledger.attempt(one.id).state == "queued" for one in handed[before:]):
                assert time.monotonic() < ends
                time.sleep(0.01)
            time.sleep(chance.random() * 0.1)
            service.kill()
            service.wait()
            expire(settings)
        drain(settings, ledger)
    found = [ledger.attempt(attempt.id) for attempt in handed]
    assert {one.state for one in found} == {"scored"}
    assert all(len(ledger.score_history(one.id)) == 1 == len(ledger.endings(one.id)) for one in found)
    assert [one.public for one in found] == sorted((one.public for one in found), reverse=True)
