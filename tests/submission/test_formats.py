"""Every format gives the same predictions, and what is wrong is refused by its place."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from datauab.competition import Competition
from datauab.submission import Ids, InvalidSubmission, load_ids, read_predictions, sniff, to_npy

_COMPETITION = Competition.model_validate(
    {
        "name": "sample",
        "title": "Sample",
        "summary": "One number a row.",
        "authors": ["Club"],
        "date": "2026-09-01",
        "cover": "img/cover.svg",
        "dataset": "sample",
        "public_share": 0.5,
        "predictions": {"kind": "real"},
        "metric": {"name": "rmse", "direction": "minimize"},
        "phases": [{"name": "open", "opens": "2026-09-01T00:00:00Z"}],
        "points": {"begin": 1.0, "full": 0.0},
    }
)
VALUES = np.array([1.5, -2.0, 3.25, 4.0])
MOST = 1 << 20


def read(data: bytes, name: str, rows: int = 4) -> np.ndarray:
    return read_predictions(data, name, competition=_COMPETITION, ids=Ids.rows(rows), max_bytes=MOST)


def zipped(name: str, content: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__MACOSX/._" + name, b"junk")
        archive.writestr("folder/" + name, content)
    return target.getvalue()


def parquet() -> bytes:
    target = io.BytesIO()
    pd.DataFrame({"id": [3, 2, 1, 0], "y": VALUES[::-1]}).to_parquet(target, index=False)
    return target.getvalue()


CSV = b'\xef\xbb\xbfid,y\r\n2,3.25\r\n0,1.5\r\n"1",-2\r\n3,4\r\n'


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.npy", to_npy(VALUES)),
        ("a.csv", CSV),
        ("a.zip", zipped("a.csv", CSV)),
        ("a.parquet", parquet()),
        *((f"a{number}.pkl", pickle.dumps(VALUES, number)) for number in range(6)),
        *((f"l{number}.pkl", pickle.dumps(VALUES.tolist(), number)) for number in range(6)),
        ("s.pkl", pickle.dumps(list(VALUES))),
    ],
    ids=lambda item: item if isinstance(item, str) else "",
)
def test_each_format_gives_the_same_rows(name: str, data: bytes) -> None:
    np.testing.assert_array_equal(read(data, name), VALUES)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_runs_nothing(protocol: int, tmp_path: Path) -> None:
    trap = tmp_path / "trap"

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(trap),)

    with pytest.raises(InvalidSubmission, match="mkdir"):
        read(pickle.dumps(Evil(), protocol), "a.pkl")
    assert not trap.exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"id,y\n0,1\n1,2\n2,x\n3,4\n", r"line 4 \(id '2'\).*'x'"),
        (b"id,y\n0,1\n1,2\n1,3\n3,4\n", r"line 4: id '1' is there already on line 3"),
        (b"id,y\n0,1\n1,2\n9,3\n3,4\n", r"line 4: .*'9'"),
        (b"id,y\n0,1\n1,2\n3,4\n", r"found 3: id '2' is missing"),
        (b"id;y\n0;1\n", "semicolons"),
        (b"id,y\n0,1,2\n", r"line 2: expected 2 fields, found 3"),
        (b"key,y\n0,1\n", "column named id"),
        (b"", "no line"),
    ],
)
def test_csv_is_refused_by_line_and_id(data: bytes, message: str) -> None:
    with pytest.raises(InvalidSubmission, match=message):
        read(data, "a.csv")


def test_a_zip_bomb_and_a_zip_inside_are_refused() -> None:
    with pytest.raises(InvalidSubmission, match="at most 1048576 bytes unpacked"):
        read(zipped("a.csv", b"0" * (MOST + 1)), "a.zip")
    with pytest.raises(InvalidSubmission, match="zip inside"):
        read(zipped("b.zip", zipped("a.csv", CSV)), "a.zip")


def test_references_that_multiply_are_refused() -> None:
    row = [1.0] * 1000
    with pytest.raises(InvalidSubmission, match="at most"):
        read(pickle.dumps([row] * 100_000), "a.pkl")


def test_ids_come_from_the_sample(tmp_path: Path) -> None:
    (tmp_path / "sample_submission.csv").write_text("id,prediction\nb,0\na,0\n")
    assert load_ids(tmp_path, 2).keys == ("b", "a")
    assert load_ids(tmp_path / "none", 2).keys == ("0", "1")
    assert sniff(b'{"cells": []}', "x") == "notebook"


def test_a_zip_whose_file_has_no_name_is_refused() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(zipfile.ZipInfo("a"), CSV)
    data = target.getvalue()
    place = data.index(b"PK\x01\x02")
    nameless = data[: place + 28] + b"\x00\x00" + data[place + 30 : place + 46] + data[place + 47 :]
    with pytest.raises(InvalidSubmission, match="zip"):
        read(nameless, "a.zip")
