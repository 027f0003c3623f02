"""A competition's own data: CSV files of one table, described by ``[data]`` in its ``competition.toml``.

All that a teacher writes is the name of the target and, where there is one, of the id. The deployment's secret decides
which rows are hidden: the same files, description and secret give the same public files, and who knows only the first
two learns nothing about the split.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datauab.competition import Competition, OwnData, load_competitions
from datauab.datasets.records import Dataset, Plan, Progress, RawFile, Solution
from datauab.datasets.sources import own_folders
from datauab.datasets.splits import constants, generator, majority, shuffled, take_share
from datauab.datasets.tables import require_complete, write_table
from datauab.errors import DataError
from datauab.settings import Settings

LEAST_ROWS = 20
"""Fewest rows of a table that can be split."""

_FORM = 1  # raised whenever `_plan` would write other public files from the same table and description


def find_declared(settings: Settings, name: str) -> Dataset[pd.DataFrame] | None:
    """The dataset `name` where a competition of the course describes it as its own; None where none does."""
    competition = load_declared(settings).get(name)
    return None if competition is None else _dataset(settings, competition)


def load_declared(settings: Settings) -> dict[str, Competition]:
    """Competitions that bring their own data, by the name of the dataset."""
    return {one.dataset: one for one in load_competitions(settings.source).values() if one.data is not None}


def _dataset(settings: Settings, competition: Competition) -> Dataset[pd.DataFrame]:
    name, data = competition.dataset, _described(competition)
    folders = own_folders(settings, name)
    found = next((files for files in (sorted(folder.glob("*.csv")) for folder in folders) if files), [])
    where = " or ".join(str(folder) for folder in folders)

    def make_stand_in(random: np.random.Generator) -> pd.DataFrame:
        raise DataError(
            f"dataset {name}: expected CSV files in {where}, found none; put the table there, with the column "
            f"{data.target!r}, and run ./club data prepare {name} (nothing can stand in for data of your own)"
        )

    described = f"{_FORM}/{data.model_dump_json()}/{competition.predictions.model_dump_json()}"
    return Dataset(
        name=name,
        title=competition.title,
        source=data.source,
        licence=data.licence,
        version=int(hashlib.sha256(described.encode()).hexdigest()[:12], 16),
        files=tuple(RawFile(path.name) for path in found) or (RawFile(f"{name}.csv"),),
        read=partial(_read, competition),
        make_stand_in=make_stand_in,
        plan=partial(_plan, competition),
        withheld=(*data.withheld, data.target),
        target=data.target,
    )


def _described(competition: Competition) -> OwnData:
    if competition.data is None:
        raise DataError(f"competition {competition.name}: expected [data] in competition.toml, found none")
    return competition.data


def _read(competition: Competition, files: Mapping[str, Path]) -> pd.DataFrame:
    """Read the CSV files as one table, in the order of their names, and check the columns that `[data]` names."""
    data = _described(competition)
    texts = {name: str for name in (data.id, data.group) if name}
    parts: list[pd.DataFrame] = []
    for name in sorted(files):
        path = files[name]
        try:
            frame = pd.read_csv(path, dtype=texts)
        except (ValueError, UnicodeDecodeError, OSError) as error:  # pandas' own errors are ValueErrors
            raise DataError(f"{path}: expected a CSV file with a header, found one unreadable: {error}") from error
        named = [name for name in (data.target, data.id, data.group, *data.withheld) if name]
        absent = [name for name in named if name not in frame.columns]
        if absent:
            raise DataError(
                f"{path}: expected the columns {', '.join(absent)} that [data] of competition.toml names, found "
                f"{', '.join(map(str, frame.columns))}"
            )
        if parts and list(frame.columns) != list(parts[0].columns):
            raise DataError(f"{path}: expected the columns of {sorted(files)[0]}, found {', '.join(frame.columns)}")
        require_complete(path, frame, [name for name in (data.target, data.id, data.group) if name])
        parts.append(frame)
    table = pd.concat(parts, ignore_index=True)
    where = next(iter(files.values())).parent
    if len(table) < LEAST_ROWS:
        raise DataError(f"{where}: expected at least {LEAST_ROWS} rows to split, found {len(table)}")
    if data.id:
        twice = table[data.id][table[data.id].duplicated()]
        if len(twice):
            raise DataError(
                f"{where}: column {data.id}: expected another id in each row, found {twice.iloc[0]!r} twice"
            )
    _truth(competition, table[data.target], where)
    return table


def _truth(competition: Competition, column: pd.Series[Any], where: Path | str = "table") -> Solution:
    """The target as numbers: float64 for real values, else the class of each row as int64."""
    spec = competition.predictions
    if spec.kind == "real":
        numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
        bad = np.flatnonzero(~np.isfinite(numbers))
        if len(bad):
            raise DataError(
                f"{where}: column {column.name}: expected a finite number in every row, found {column.iloc[bad[0]]!r} "
                f'in row {bad[0]}; for classes set kind = "class" in [predictions]'
            )
        return numbers
    classes = spec.classes or (0, 1)
    words = {word: number for number in classes for word in (str(number), f"{number}.0")}
    words |= dict(zip(spec.class_names, classes, strict=False))
    found = column.astype(str).str.strip().map(words)
    bad = np.flatnonzero(found.isna())
    if len(bad):
        raise DataError(
            f"{where}: column {column.name}: expected one of {', '.join(map(str, spec.class_names or classes))}, found "
            f"{column.iloc[bad[0]]!r} in row {bad[0]}; list every class in [predictions] of competition.toml"
        )
    return np.asarray(found.to_numpy(), dtype=np.int64)


def _plan(competition: Competition, table: pd.DataFrame, secret: bytes) -> Plan:
    """Hide a share of the rows and publish a share as validation part, of each class alike, in random order."""
    data, name = _described(competition), competition.dataset
    truth = _truth(competition, table[data.target])
    random = generator(secret, name, "split")
    strata = truth.astype(np.int64) if truth.dtype.kind == "i" else np.zeros(len(truth), dtype=np.int64)
    groups = pd.factorize(table[data.group])[0].astype(np.int64) if data.group else None
    hidden = take_share(strata, data.test_share, random, groups)
    held = np.zeros(len(hidden), dtype=bool)
    rest = np.flatnonzero(~hidden)
    if data.validation_share:
        share = data.validation_share / (1 - data.test_share)
        held[rest] = take_share(strata[rest], share, random, None if groups is None else groups[rest])
    train, validation, test = (shuffled(rows, random) for rows in (~hidden & ~held, held, hidden))
    if min(len(train), len(test)) == 0:
        raise DataError(
            f"dataset {name}: expected rows on both sides, found {len(train)} to learn from, {len(test)} hidden"
        )
    public = table.assign(**{data.target: truth})
    if data.id:
        public = public[[data.id, *(column for column in public.columns if column != data.id)]]
    shown = public.drop(columns=[data.target, *data.withheld])

    def write(folder: Path, progress: Progress) -> None:
        write_table(folder / "train.csv", public.iloc[train])
        if len(validation):
            write_table(folder / "validation.csv", public.iloc[validation])
        write_table(folder / "test.csv", shown.iloc[test])
        progress("writing tables", 3, 3)

    baselines, constant = _constants(competition, truth[train])
    return Plan(
        truth[test],
        baselines,
        {"train": len(train), "validation": len(validation), "test": len(test)},
        constant,
        write,
        ids=tuple(table[data.id].iloc[test].str.strip()) if data.id else (),
        classes=_class_columns(competition),
    )


def _constants(competition: Competition, targets: NDArray[Any]) -> tuple[dict[str, float], float | int]:
    if competition.predictions.kind == "real":
        found = constants(targets)
        return found, found["mean"]
    if competition.predictions.kind == "probability":
        prior = float(targets.mean())
        return {"majority": float(majority(targets)), "prior": prior}, prior
    classes = np.array(competition.predictions.classes)
    common = int(classes[np.argmax([np.count_nonzero(targets == number) for number in classes])])
    return {"majority": float(common)}, common


def _class_columns(competition: Competition) -> tuple[str, ...]:
    spec = competition.predictions
    return spec.class_names or tuple(map(str, spec.classes)) if spec.kind == "scores" else ()
