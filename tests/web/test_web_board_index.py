"""Boards in memory equal the pure ranking of the ledger, whatever happens and in whatever order."""

from __future__ import annotations

import random
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from boards import Filler  # type: ignore[import-not-found]

from datauab.competition import Competition, load_competition
from datauab.ledger import Ledger
from datauab.ranking import Row, board_terms, fold_teams, rank_by, rank_finals
from datauab.settings import Settings
from datauab.web.board_index import BoardIndexes

PEOPLE = ["ada", "bob", "carla", "david", "elena", "Mean"]


def described(course: Settings, extra: str = "", minimize: bool = False) -> Competition:
    path = Path(course.source) / "bitcoin" / "competition.toml"
    text = path.read_text() + extra
    path.write_text(text.replace('direction = "maximize"', 'direction = "minimize"') if minimize else text)
    return load_competition(path.parent)


def expected_public(ledger: Ledger, competition: Competition) -> list[Row]:
    entries = ledger.entries("bitcoin", include_deleted=competition.board.ladder_step > 0)
    rows = rank_by(fold_teams(entries, ledger.entrants("bitcoin")), board_terms(competition))
    return [replace(row, rank=0) for row in rows]


def expected_private(ledger: Ledger, competition: Competition) -> list[Row]:
    entrants = ledger.entrants("bitcoin")
    public = fold_teams(ledger.entries("bitcoin"), entrants)
    private = fold_teams(ledger.entries("bitcoin", side="private"), entrants)
    selections = ledger.final_selections("bitcoin")
    rows = rank_finals(public, private, selections, board_terms(competition), competition.board.finalists)
    return [replace(row, rank=0) for row in rows]


def check(boards: BoardIndexes, ledger: Ledger, competition: Competition) -> None:
    for index, wanted in (
        (boards.public(competition), expected_public(ledger, competition)),
        (boards.private(competition), expected_private(ledger, competition)),
    ):
        part = index.slice(0, 10**6)
        assert [one.row for one in part.rows] == wanted
        members = [one for one in part.rows if not one.row.baseline]
        assert [one.place for one in members] == list(range(1, len(members) + 1))
        for position, one in enumerate(part.rows):
            if not one.row.baseline:
                assert index.position(one.row.member) == position
                assert index.placed(one.row.member) == one


@pytest.mark.parametrize(
    ("extra", "minimize"),
    [
        ("", False),
        ("", True),
        ('\n[board]\npolicy = "last"\n', False),
        ("\n[board]\nladder_step = 0.05\n", False),
        ("\n[board]\nladder_step = 0.05\n", True),
    ],
)
def test_a_board_that_followed_every_change_equals_the_ranking(
    course: Settings, ledger: Ledger, extra: str, minimize: bool
) -> None:
    competition = described(course, extra + "\n[teams]\nmax_size = 3\n", minimize)
    boards, filler, chance = BoardIndexes(ledger), Filler(ledger), random.Random(extra + str(minimize))
    filler.score("Mean", 0.25, origin="baseline")
    check(boards, ledger, competition)
    team = ledger.create_team("bitcoin", "The cats", "ada")
    for step in range(48):
        filler.act(chance, PEOPLE, step)
        if step == 20:
            ledger.accept(ledger.invite(team.id, "ada", "bob").id, "bob", lambda members: None)
        if step == 30:
            mine = ledger.attempts("bitcoin", member="carla", states=["scored"])
            ledger.select_final("bitcoin", "carla", [one.id for one in mine[:2]], by="carla")
        if step == 40:
            ledger.leave(team.id, "bob")
        if step % 6 == 0:
            check(boards, ledger, competition)
    check(boards, ledger, competition)
    check(BoardIndexes(ledger), ledger, competition)


def test_a_failed_attempt_and_one_that_waits_change_no_row(course: Settings, ledger: Ledger) -> None:
    competition, filler = described(course), Filler(ledger)
    filler.score("ada", 0.5)
    index = BoardIndexes(ledger).public(competition)
    before = [one.row.score for one in index.slice(0, 10).rows]
    filler.fail("bob")
    filler.fail("ada")
    filler.wait("carla")
    assert [one.row.score for one in index.slice(0, 10).rows] == before


def test_a_board_stands_still_while_it_is_read(course: Settings, ledger: Ledger) -> None:
    competition, filler = described(course), Filler(ledger)
    filler.score("ada", 0.5)
    index = BoardIndexes(ledger).public(competition)
    with index.reading() as (order, version):
        filler.score("bob", 0.9)
        assert index.refresh() == version
        assert len(order) == len(index.slice(0, 10).rows) == 1
    assert [one.row.member for one in index.slice(0, 10).rows] == ["bob", "ada"]


def test_threads_see_whole_boards_while_scores_arrive(course: Settings, ledger: Ledger) -> None:
    competition, filler = described(course), Filler(ledger)
    index = BoardIndexes(ledger).public(competition)
    stop, wrong = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            rows = [one.row for one in index.slice(0, 1000).rows]
            scores = [row.score for row in rows]
            if scores != sorted(scores, reverse=True) or len({row.member for row in rows}) != len(rows):
                wrong.append(rows)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(60):
        filler.score(f"m{number % 7}", random.Random(number).random())
    stop.set()
    for reader in readers:
        reader.join(10)
    assert not wrong
    assert [one.row for one in index.slice(0, 100).rows] == expected_public(ledger, competition)
