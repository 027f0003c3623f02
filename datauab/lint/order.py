"""Whether ids, the order of rows, or the features as a whole tell the split or the target."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datauab.lint.case import MOST_ASKED, Case, draw
from datauab.lint.features import Values, filled, numbers, ranks, squared_correlation
from datauab.lint.finding import error, note, warning
from datauab.task_results import LintFinding

LEAST_ROWS = 30
STRONG = 0.3
"""Correlation of ranks from which an order tells something about the target."""

SORTED = 0.98
"""Correlation of ranks from which rows count as sorted."""

AUC_TOLD, AUC_CLEAR = 0.7, 0.9
"""AUC of telling training rows from test rows that is told; and that shows another origin."""

_SHUFFLE = "put the rows into a random order that the club's secret decides"


def sorted_targets(case: Case) -> Iterable[LintFinding]:
    """Find test rows, or training rows, that stand in the order of their targets."""
    parts = [("test", case.truth, error)]
    if case.form == "tables":
        parts.append(("train", case.tables["train"][case.manifest.target].to_numpy(), warning))
    elif case.form == "arrays":
        parts.append(("train", np.array([one.label for one in case.known_pictures]), warning))
    for part, target, say in parts:
        strength = _ordered(target, is_real=case.is_real)
        if strength:
            yield say(
                "order-tells-target",
                f"the order of the {part} rows tells the target: {strength}",
                where=f"{case.competition.dataset}: {part}",
                advice=_SHUFFLE,
            )


def _ordered(target: NDArray[Any], *, is_real: bool) -> str:
    """How an order tells the target, in words; empty where it does not."""
    if len(target) < LEAST_ROWS or len(np.unique(target)) < 2:
        return ""
    place = np.arange(len(target), dtype=np.float64)
    values = ranks(target.astype(np.float64))
    trend = np.sqrt(squared_correlation(place, values))
    if trend > STRONG:
        return f"correlation of place and target {trend:.2f}, expected about 0"
    if is_real:
        follow = np.sqrt(squared_correlation(values[:-1], values[1:]))
        return f"correlation of neighbouring rows {follow:.2f}, expected about 0" if follow > STRONG else ""
    alike = float(np.mean(target[:-1] == target[1:]))
    shares = pd.Series(target).value_counts(normalize=True).to_numpy()
    expected = float(shares @ shares)
    noise = np.sqrt(expected * (1 - expected) / len(target))
    if alike - expected > max(0.1, 6 * noise):
        return f"{alike:.0%} of neighbouring rows have one class, expected {expected:.0%}"
    return ""


def telling_ids(case: Case) -> Iterable[LintFinding]:
    """Find ids of test rows that grow with the target, or that come after all training ids."""
    if len(case.truth) < LEAST_ROWS:
        return
    ids = _number(pd.Series(case.ids.keys))
    if ids is None or np.array_equal(ids, np.arange(len(ids))):
        return  # row numbers: `sorted_targets` judges the order itself
    where = f"{case.competition.dataset}/sample_submission.csv: id"
    strength = np.sqrt(squared_correlation(ranks(ids), ranks(case.truth.astype(np.float64))))
    if strength > STRONG:
        yield error(
            "ids-tell-target",
            f"ids and targets grow together: correlation of ranks {strength:.2f}, expected about 0",
            where=where,
            advice="give the rows new ids at random before they are published",
        )
    own = case.competition.data.id if case.competition.data else ""
    if own and case.form == "tables":
        known = _number(case.tables["train"][own].astype(str))
        if known is not None and (ids.min() > known.max() or ids.max() < known.min()):
            yield warning(
                "ids-tell-split",
                f"test ids run from {ids.min():g} to {ids.max():g}, training ids from {known.min():g} to "
                f"{known.max():g}: the split follows the ids",
                where=where,
                advice="expected a split at random; where it is meant (a split by time), say so in the post",
            )


def _number(ids: pd.Series) -> Values | None:
    found = ids.str.extract(r"(\d+)(?!.*\d)", flags=re.DOTALL)[0]
    return None if found.isna().any() else np.asarray(found, dtype=np.float64)


def sorted_features(case: Case) -> Iterable[LintFinding]:
    """Find published rows that stand in the order of a feature, such as a date."""
    for part, frame in case.tables.items():
        if len(frame) < LEAST_ROWS:
            continue
        place = np.arange(len(frame), dtype=np.float64)
        own = case.competition.data.id if case.competition.data else ""
        for name, values in numbers(frame.drop(columns=[own], errors="ignore")).items():
            if len(np.unique(values)) > len(values) / 2 and squared_correlation(place, ranks(values)) > SORTED**2:
                yield warning(
                    "rows-sorted",
                    f"the {part} rows stand in the order of {name}: whoever knows that order knows neighbours",
                    where=f"{case.competition.dataset}/{part}.csv",
                    advice=_SHUFFLE,
                )
                break


def told_apart(case: Case) -> Iterable[LintFinding]:
    """Train a small model to tell training rows from test rows: it should fail."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import cross_val_predict

    if case.form is None or not len(case.asked.columns):
        return
    known = case.known[0]
    known = known.iloc[draw(len(known), MOST_ASKED)]
    asked = case.asked.iloc[draw(len(case.asked), MOST_ASKED)]
    if min(len(known), len(asked)) < LEAST_ROWS:
        return
    both = filled(pd.concat([known, asked], ignore_index=True))
    side = np.repeat([0, 1], [len(known), len(asked)])
    forest = RandomForestClassifier(60, min_samples_leaf=5, class_weight="balanced", n_jobs=2, random_state=0)
    shuffled = np.random.default_rng(0).permutation(len(side))
    told = cross_val_predict(forest, both.iloc[shuffled], side[shuffled], cv=3, method="predict_proba")[:, 1]
    auc = float(roc_auc_score(side[shuffled], told))
    if auc > AUC_TOLD:
        weights = forest.fit(both, side).feature_importances_
        names = [str(both.columns[place]) for place in np.argsort(-weights)[:3]]
        yield warning(
            "sides-told-apart",
            f"a small model tells training rows from test rows: AUC {auc:.2f}, expected about 0.5; by "
            f"{', '.join(names)}" + (" (the parts have different origins)" if auc > AUC_CLEAR else ""),
            where=case.competition.dataset,
            advice="split at random; where training and test are meant to differ, say so in the post",
        )


def id_columns(case: Case) -> Iterator[LintFinding]:
    """Find features that number the rows and were not named as ids."""
    if case.form != "tables":
        return
    known, target = case.known
    for name, values in numbers(known[case.shared]).items():
        whole = np.isfinite(values).all() and bool((values == np.round(values)).all())
        if not whole or len(np.unique(values)) < len(values) or len(values) < LEAST_ROWS:
            continue
        if np.ptp(values) > 3 * (len(known) + len(case.asked)):
            continue  # far from a numbering
        strength = np.sqrt(squared_correlation(ranks(values), ranks(target.astype(np.float64))))
        say, code = (warning, "id-tells-target") if strength > STRONG else (note, "id-as-feature")
        yield say(
            code,
            f"{name} numbers the rows (correlation of ranks with the target {strength:.2f}, expected about 0)",
            where=f"{case.competition.dataset}/test.csv",
            advice="name it as id in [data], or leave it out",
        )
