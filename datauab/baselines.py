"""Baselines: rows of the leaderboard that no member made, handed in as attempts like everybody's."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping

import numpy as np

from datauab.archive import make_archive
from datauab.competition import Baseline, Competition
from datauab.errors import DataError
from datauab.ledger import Ledger
from datauab.settings import Settings


def constant_predictions(competition: Competition, value: float, rows: int) -> bytes:
    """Predict the same for every row, as the ``.npy`` file that a member would hand in.

    Parameters
    ----------
    competition : Competition
        Whose kind of prediction is made: real values and probabilities as float64, classes as int64, both of shape
        (rows,); scores as float64 of shape (rows, classes) with 1 at the class `value`.
    value : float
        The constant, learnt from the training targets.
    rows : int
        Number of test rows.
    """
    kind = competition.predictions.kind
    if kind == "scores":
        one_hot = np.array(competition.predictions.classes) == value
        array = np.tile(one_hot.astype(np.float64), (rows, 1))
    else:
        array = np.full(rows, value, dtype=np.int64 if kind == "class" else np.float64)
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def reference_archive(settings: Settings, name: str) -> bytes:
    """Pack the post's own notebook, with its solutions, as a submission."""
    notebook = settings.source / name / f"{name}.ipynb"
    return make_archive({notebook.name: notebook.read_bytes()})


def ensure_baselines(
    settings: Settings,
    ledger: Ledger,
    competitions: Mapping[str, Competition],
    constants: Mapping[str, Mapping[str, float]],
    rows: Mapping[str, int],
) -> Iterator[tuple[str, str]]:
    """Hand in each baseline that the ledger does not hold yet; the grader scores them after the members' attempts.

    Parameters
    ----------
    settings : Settings
        The deployment.
    ledger : Ledger
        Where attempts are recorded.
    competitions : mapping
        Competitions by name.
    constants : mapping
        For each dataset, the value that ``mean``, ``median``, ``majority`` or ``prior`` predicts.
    rows : mapping
        For each dataset, the number of its test rows.

    Yields
    ------
    tuple of str
        Name of the competition and of the baseline, once it is handed in.

    Raises
    ------
    DataError
        Where a baseline names a strategy that its dataset has no constant for.
    """
    for competition in competitions.values():
        known = {item.member for item in ledger.attempts(competition=competition.name) if item.origin == "baseline"}
        for baseline in competition.baselines:
            if baseline.name in known:
                continue
            blob = _blob(settings, competition, baseline, constants, rows)
            ledger.add_attempt(
                competition=competition.name,
                member=baseline.name,
                kind="notebook" if baseline.strategy == "reference" else "predictions",
                origin="baseline",
                blob=blob,
            )
            yield competition.name, baseline.name


def _blob(
    settings: Settings,
    competition: Competition,
    baseline: Baseline,
    constants: Mapping[str, Mapping[str, float]],
    rows: Mapping[str, int],
) -> bytes:
    if baseline.strategy == "reference":
        return reference_archive(settings, competition.name)
    values = constants[competition.dataset]
    if baseline.strategy not in values:
        raise DataError(
            f"source/{competition.name}/competition.toml: baseline {baseline.name!r}: expected a strategy of "
            f"{sorted(values)} for dataset {competition.dataset}, found {baseline.strategy!r}"
        )
    return constant_predictions(competition, values[baseline.strategy], rows[competition.dataset])
