"""Game of Thrones: who is alive at the end of the fifth book.

Origin: Kaggle ``mylesoneill/game-of-thrones``, file ``character-predictions.csv``, from A Wiki of Ice and Fire.
Licence: CC0. 1,946 characters, 33 columns; the target ``actual`` is 1 for alive (1,451) and 0 for dead (495).

======================================================  ======================================================
``title``, ``male``, ``culture``, ``house``             rank; 1 for men; people (spelt in several ways); family
``dateOfBirth``, ``age``                                years; two ages are wrong (-277980 and -298001)
``mother``, ``father``, ``heir``, ``spouse``            names, mostly missing
``isAliveMother``, ..., ``isAliveSpouse``               whether that relative is alive, missing without one
``book1`` ... ``book5``                                 1 where the character appears in that book
``isMarried``, ``isNoble``, ``isPopular``               0 or 1
``numDeadRelations``, ``boolDeadRelations``             dead relatives: how many, and whether any
``popularity``                                          number of links to the character, scaled to [0, 1]
======================================================  ======================================================

`LEAKS` never reach a public file: ``S.No`` is the place in the raw file and ``name`` names the character (whose fate
is a search away); ``pred``, ``alive``, ``plod`` and ``isAlive`` are predictions and copies of the target;
``DateoFdeath`` is known for the dead alone. What stays is what the club's post works with. One hint stays
with it: of the 433 characters with an age, ``dateOfBirth + age`` is 305, the last year told of, for the living only.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from datauab.datasets.records import Dataset, Plan, Progress, RawFile
from datauab.datasets.splits import generator, majority, shuffled, take_share
from datauab.datasets.standins import got as stand_in
from datauab.datasets.tables import read_table, require_complete, write_table
from datauab.errors import DataError

FILE = "character-predictions.csv"
TARGET = "actual"
ROWS = 1946
TEST_SHARE = 0.2
LEAKS = ("S.No", "name", "pred", "alive", "plod", "isAlive", "DateoFdeath")
"""Columns that no public file has."""

_COMPLETE = ("actual", "male", "book1", "book2", "book3", "book4", "book5", "isNoble", "popularity")


def read(files: Mapping[str, Path]) -> pd.DataFrame:
    """Read and check the raw file.

    Raises
    ------
    DataError
        Where its columns, types or number of rows are not the source's, or the target is not 0 or 1.
    """
    path = files[FILE]
    frame = read_table(path, stand_in.COLUMNS, stand_in.TEXTS, ROWS)
    require_complete(path, frame, _COMPLETE)
    wrong = frame.index[~frame[TARGET].isin((0, 1))]
    if len(wrong):
        raise DataError(f"{path}: column {TARGET}: expected 0 or 1, found {frame[TARGET][wrong[0]]} in row {wrong[0]}")
    return frame


def plan(frame: pd.DataFrame, secret: bytes) -> Plan:
    """Hide a fifth of the living and a fifth of the dead; both parts are in random order."""
    random = generator(secret, "got", "split")
    targets = frame[TARGET].to_numpy(dtype=np.int64)
    hidden = take_share(targets, TEST_SHARE, random)
    test, train = shuffled(hidden, random), shuffled(~hidden, random)
    public = frame.drop(columns=list(LEAKS))
    prior = float(targets[train].mean())

    def write(folder: Path, progress: Progress) -> None:
        write_table(folder / "train.csv", public.iloc[train])
        write_table(folder / "test.csv", public.drop(columns=TARGET).iloc[test])
        progress("writing tables", 2, 2)

    rows = {"train": len(train), "validation": 0, "test": len(test)}
    baselines = {"majority": float(majority(targets[train])), "prior": prior}
    return Plan(targets[test], baselines, rows, prior, write)


DATASET = Dataset(
    name="got",
    title="Game of Thrones: who survives",
    source="Kaggle mylesoneill/game-of-thrones",
    licence="CC0 1.0",
    version=1,
    files=(RawFile(FILE, kaggle=("mylesoneill/game-of-thrones",)),),
    read=read,
    make_stand_in=stand_in.make,
    plan=plan,
    target=TARGET,
    withheld=(*LEAKS, TARGET),
)
