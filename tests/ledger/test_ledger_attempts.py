"""Attempts enter whole or not at all, are counted by the club's day, and are never changed."""

from __future__ import annotations

import hashlib
import multiprocessing
import resource
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from datauab.errors import LedgerError, LimitReached
from datauab.ledger import Ledger, UsageToday
from datauab.ledger.tables import APPEND_ONLY, metadata
from datauab.settings import Settings


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_an_attempt_is_read_back_as_it_was_acknowledged(ledger, deployment):
    content = b"\x00notebook\xff" * 1000
    given = ledger.add_attempt(competition="got", member="ana", blob=content, kind="predictions", origin="web")
    assert given.sha256 == hashlib.sha256(content).hexdigest()
    assert given.size == len(content)
    assert given.received_at.utcoffset() == timedelta(0)
    with Ledger.open(deployment) as other:
        assert other.attempt(given.id) == given
        assert other.blob(given) == content
    assert files_below(deployment.attempts) == [deployment.attempts / given.sha256[:2] / given.sha256]


def test_equal_contents_are_two_attempts_and_one_file(ledger, deployment):
    first, second = (ledger.add_attempt(competition="got", member=who, blob=b"same") for who in ("ana", "bo"))
    assert first.id < second.id
    assert len(files_below(deployment.attempts)) == 1


def test_an_unknown_attempt_is_named(ledger):
    with pytest.raises(LedgerError, match="attempt 77"):
        ledger.attempt(77)


def test_a_refused_attempt_leaves_nothing_and_its_reason_reaches_the_caller(ledger, deployment):
    def gate(usage: UsageToday) -> None:
        raise LimitReached("five attempts a day")

    with pytest.raises(LimitReached, match="five attempts"):
        ledger.add_attempt(competition="got", member="ana", blob=b"x", gate=gate)
    assert ledger.attempts() == []
    assert files_below(deployment.attempts) == []


@pytest.mark.parametrize("wrong", [{"competition": ""}, {"member": ""}, {"received_at": datetime(2026, 1, 1)}])  # noqa: DTZ001
def test_an_attempt_without_name_or_zone_is_refused(ledger, deployment, wrong):
    with pytest.raises(LedgerError, match="expected"):
        ledger.add_attempt(**{"competition": "got", "member": "ana", "blob": b"x", **wrong})
    assert files_below(deployment.attempts) == []


def test_a_missing_or_damaged_file_is_refused_and_healed_by_the_same_content(ledger, deployment):
    given = ledger.add_attempt(competition="got", member="ana", blob=b"content")
    path = deployment.attempts / given.sha256[:2] / given.sha256
    path.write_bytes(b"c0ntent")
    with pytest.raises(LedgerError, match="damaged"):
        ledger.blob(given)
    ledger.add_attempt(competition="got", member="bo", blob=b"content")
    assert ledger.blob(given) == b"content"
    path.unlink()
    with pytest.raises(LedgerError, match="backup"):
        ledger.blob(given)


def test_lists_are_newest_first_and_narrowed_by_what_is_given(ledger, result):
    made = [
        ledger.add_attempt(competition=name, member=who, blob=b"x")
        for name, who in [("got", "ana"), ("got", "bo"), ("mnist", "ana"), ("got", "ana")]
    ]
    ledger.finish_scored(ledger.lease("w"), result)
    numbers = [one.id for one in made]

    def listed(**filters):
        return [numbers.index(one.id) for one in ledger.attempts(**filters)]

    assert listed() == [3, 2, 1, 0]
    assert listed(competition="got", member="ana") == [3, 0]
    assert listed(states=["scored"]) == [0]
    assert listed(states=["queued"], limit=2) == [3, 2]
    assert ledger.attempts_by_state() == {"queued": 3, "running": 0, "scored": 1, "failed": 0}
    assert ledger.attempts_by_state("mnist") == {"queued": 1, "running": 0, "scored": 0, "failed": 0}


def test_collecting_takes_the_newest_notebook_that_each_member_handed_in(ledger):
    def add(member, **more):
        return ledger.add_attempt(competition="got", member=member, blob=b"x", **more).id

    late = datetime.now(UTC) + timedelta(hours=1)
    newest = add("ana", received_at=late)
    add("ana")
    bo = add("bo")
    add("bo", kind="predictions", origin="web")
    add("bo", origin="nbgrader")
    add("reference", origin="baseline")
    ledger.add_attempt(competition="mnist", member="cy", blob=b"x")
    assert [(one.member, one.id) for one in ledger.latest_attempts("got")] == [("ana", newest), ("bo", bo)]


MADRID = ZoneInfo("Europe/Madrid")


@pytest.mark.parametrize(
    ("received", "counts"),
    [
        ("2026-10-24T21:59:59+00:00", False),  # 23:59:59 the day before, in summer time
        ("2026-10-24T22:00:00+00:00", True),
        ("2026-10-25T22:59:59+00:00", True),  # 23:59:59, in winter time: this day has 25 hours
        ("2026-10-25T23:00:00+00:00", False),
    ],
)
def test_the_day_is_the_clubs_even_where_the_clock_changes(ledger, received, counts):
    ledger.add_attempt(competition="got", member="ana", blob=b"x", received_at=datetime.fromisoformat(received))
    noon = datetime(2026, 10, 25, 11, tzinfo=UTC)
    usage = ledger.usage_today("got", "ana", noon, MADRID)
    assert usage.attempts == int(counts)
    assert usage.resets_at == datetime(2026, 10, 25, 23, tzinfo=UTC)


def test_only_what_a_member_handed_in_and_the_platform_did_not_fail_costs(ledger, result):
    for origin in ("exchange", "web", "exchange", "web"):
        ledger.add_attempt(competition="got", member="ana", blob=b"x", origin=origin)
    ledger.finish_scored(ledger.lease("w"), result)
    ledger.finish_failed(ledger.lease("w"), "wrong shape", False)
    ledger.finish_failed(ledger.lease("w"), "the machine broke", True)
    for member, competition, origin in [("ana", "got", "nbgrader"), ("ana", "got", "baseline"), ("bo", "got", "web")]:
        ledger.add_attempt(competition=competition, member=member, blob=b"x", origin=origin)
    ledger.add_attempt(competition="mnist", member="ana", blob=b"x")
    usage = ledger.usage_today("got", "ana")
    assert (usage.scored, usage.failed, usage.pending, usage.platform_faults) == (1, 1, 1, 1)
    assert usage.attempts == 3


def _hand_in(settings: Settings, limit: int, tries: int, barrier) -> None:
    def gate(usage: UsageToday) -> None:
        if usage.attempts >= limit:
            raise LimitReached("enough")

    with Ledger.open(settings) as ledger:
        barrier.wait()
        for number in range(tries):
            try:
                ledger.add_attempt(competition="got", member="ana", blob=b"%d" % number, gate=gate)
            except LimitReached:
                continue


def test_a_quota_holds_when_processes_hand_in_at_once(deployment):
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(4)
    workers = [context.Process(target=_hand_in, args=(deployment, 7, 6, barrier)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    with Ledger.open(deployment) as ledger:
        assert len(ledger.attempts()) == 7


def test_no_row_of_the_ledger_can_be_changed_or_deleted(lived_in, deployment):
    engine = create_engine(deployment.database)
    for table in APPEND_ONLY:
        column = metadata.tables[table].primary_key.columns[0].name
        for statement in (f"UPDATE {table} SET {column} = 99", f"DELETE FROM {table}"):  # noqa: S608 - names of tables
            with pytest.raises(SQLAlchemyError, match="append-only"), engine.begin() as connection:
                connection.execute(text(statement))
    engine.dispose()


def _with_little_room(settings: Settings, answers) -> None:
    with Ledger.open(settings) as ledger:
        ledger.add_attempt(competition="got", member="ana", blob=b"small")
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        try:
            ledger.add_attempt(competition="got", member="ana", blob=b"x" * (4 << 20))
        except LedgerError as error:
            answers.put(str(error))
        else:
            answers.put("accepted")


def test_what_does_not_fit_on_the_disk_leaves_no_row_and_no_file(deployment):
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    worker = context.Process(target=_with_little_room, args=(deployment, answers))
    worker.start()
    assert "cannot be written" in answers.get(timeout=60)
    worker.join(60)
    with Ledger.open(deployment) as ledger:
        assert [one.size for one in ledger.attempts()] == [5]
    assert [path.stat().st_size for path in files_below(deployment.attempts)] == [5]


def test_a_database_without_room_leaves_no_row_and_no_file(tmp_path):
    settings = Settings(root=tmp_path)
    with Ledger.open(settings) as ledger:
        with ledger._database.reading() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(LedgerError, match="full; free some disk space"):
            _hand_in_until_refused(ledger)
        kept = ledger.attempts()
        assert len(files_below(settings.attempts)) == len(kept)
        assert [ledger.blob(one) for one in kept]


def _hand_in_until_refused(ledger: Ledger) -> None:
    for number in range(2000):
        ledger.add_attempt(competition="got", member="m" * 200, blob=b"%d" % number)
