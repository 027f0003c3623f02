"""What a student's folder may hold, and what is refused or left out when it is handed in."""

from __future__ import annotations

import hashlib
import json

import pytest
from exchange_people import COURSE, Door, Person, notebook_bytes, work
from nbgrader.exchange.abc import ExchangeError

from datauab.archive import read_archive


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "greeting.ipynb is no notebook"),
        (b"import os", "greeting.ipynb is no notebook"),
        (b"{}", "expected nbformat 4"),
        (b"\x80\x04pickle", "greeting.ipynb is no notebook"),
        (
            json.dumps({"cells": [1], "nbformat": 4, "nbformat_minor": 5, "metadata": {}}).encode(),
            "breaks the notebook",
        ),
    ],
)
def test_what_is_no_notebook_is_refused_before_it_is_sent(ada: Person, door: Door, content: bytes, words: str) -> None:
    ada.do("FetchAssignment")
    (work(ada) / "greeting.ipynb").write_bytes(content)
    with pytest.raises(ExchangeError, match=words):
        ada.do("Submit")
    assert door.ledger.attempts() == []
    assert not (ada.home / "receipts").exists()


def test_a_missing_notebook_is_refused_and_an_extra_one_is_told(ada: Person, door: Door) -> None:
    ada.do("FetchAssignment")
    (work(ada) / "greeting.ipynb").rename(work(ada) / "greeting (copy).ipynb")
    with pytest.raises(ExchangeError, match=r"greeting\.ipynb: MISSING[\s\S]*greeting \(copy\)\.ipynb: EXTRA"):
        ada.do("Submit")
    (work(ada) / "greeting.ipynb").write_bytes(notebook_bytes())
    ada.do("Submit")
    assert ada.said("greeting (copy).ipynb: EXTRA")
    assert len(door.ledger.attempts()) == 1


def test_strict_refuses_where_one_of_several_notebooks_is_missing(ada: Person, teacher: Person, door: Door) -> None:
    (ada.root / "release" / "greeting" / "second.ipynb").write_bytes(notebook_bytes())
    teacher.do("ReleaseAssignment", force=True)
    ada.do("FetchAssignment")
    (work(ada) / "second.ipynb").unlink()
    with pytest.raises(ExchangeError, match=r"second\.ipynb: MISSING"):
        ada.do("Submit", strict=True)
    assert door.ledger.attempts() == []
    ada.do("Submit")
    assert ada.said("second.ipynb: MISSING")
    assert len(door.ledger.attempts()) == 1


def test_a_place_that_cannot_be_written_is_named(ada: Person, door: Door) -> None:
    (ada.home / COURSE).write_text("a file where the course's folder should be")
    with pytest.raises(ExchangeError, match=f"{COURSE}.*cannot be read or written"):
        ada.do("FetchAssignment", path_includes_course=True)
    ada.do("FetchAssignment")
    (ada.home / "receipts").write_text("a file where the receipts should be")
    ada.do("Submit")
    assert ada.said("the receipt could not be written")
    assert ada.said(f"SHA-256     {door.ledger.attempts()[0].sha256}")


def test_links_and_large_files_stay_at_home_and_the_student_is_told(ada: Person, door: Door) -> None:
    ada.do("FetchAssignment")
    secret = ada.home / "diary.txt"
    secret.write_text("private")
    (work(ada) / "diary").symlink_to(secret)
    (work(ada) / "home").symlink_to(ada.home)
    (work(ada) / "model.pt").write_bytes(b"0" * 2_000_000)
    ada.do("Submit", coursedir={"max_file_size": 1000})
    assert ada.said("'diary' is left out: it is a symbolic link")
    assert ada.said("'model.pt' is left out: it has 2.0 MB, and one file may have 1.0 MB")
    (attempt,) = door.ledger.attempts()
    assert sorted(read_archive(door.ledger.blob(attempt))) == ["greeting.ipynb", "img/cover.svg"]
    (work(ada) / "greeting.ipynb").unlink()
    (work(ada) / "greeting.ipynb").symlink_to(ada.root / "release" / "greeting" / "greeting.ipynb")
    with pytest.raises(ExchangeError, match=r"greeting\.ipynb: MISSING"):
        ada.do("Submit")


def test_a_submission_larger_than_the_club_accepts_is_refused_with_the_limit(ada: Person, door: Door) -> None:
    ada.do("FetchAssignment")
    noise = b"".join(hashlib.sha256(str(number).encode()).digest() for number in range(900_000))
    (work(ada) / "noise.bin").write_bytes(noise)
    with pytest.raises(ExchangeError, match="too large: expected at most 25 MiB"):
        ada.do("Submit")
    with pytest.raises(ExchangeError, match=r"at most 10\.0 MB of files together, found more at noise\.bin"):
        ada.do("Submit", coursedir={"max_dir_size": 10_000})
    assert door.ledger.attempts() == []


def test_the_servers_refusals_reach_the_student_word_for_word(ada: Person, door: Door) -> None:
    ada.do("FetchAssignment")
    toml = ada.root / "source" / "greeting" / "competition.toml"
    toml.write_text(toml.read_text().replace("2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"))
    with pytest.raises(ExchangeError, match="2999"):
        ada.do("Submit")
    assert door.ledger.attempts() == []
