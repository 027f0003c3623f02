"""How a kit computes the competition's metric on its validation rows, with scikit-learn alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

from datauab.competition import Competition
from datauab.metrics import METRICS


@dataclass(frozen=True)
class Measure:
    """One metric as a line of Python.

    Attributes
    ----------
    needs : str
        What is imported from ``sklearn.metrics``.
    formula : str
        Of ``validation_y`` and ``guess``, or of ``labels``.
    of_labels : bool
        Whether ``labels`` are needed: the classes that the predictions stand for.
    balanced : bool
        Whether rare classes weigh as much as frequent ones.
    least : int or None
        Smallest prediction that makes sense for it.
    note : str
        A comment above the line.
    """

    needs: str
    formula: str
    title: str = ""
    of_labels: bool = False
    balanced: bool = False
    least: int | None = None
    note: str = ""


def _labelled(function: str, more: str = "", *, balanced: bool = False) -> Measure:
    return Measure(function, f"{function}(validation_y, labels{more})", of_labels=True, balanced=balanced)


_MEASURES = {
    "r2": Measure("r2_score", "r2_score(validation_y, guess)"),
    "rmse": Measure("mean_squared_error", "np.sqrt(mean_squared_error(validation_y, guess))"),
    "mae": Measure("mean_absolute_error", "mean_absolute_error(validation_y, guess)"),
    "rmsle": Measure("mean_squared_log_error", "np.sqrt(mean_squared_log_error(validation_y, guess))", least=0),
    "accuracy": _labelled("accuracy_score"),
    "balanced_accuracy": _labelled("balanced_accuracy_score", balanced=True),
    "mean_recall": _labelled("balanced_accuracy_score", balanced=True),
    "f1": _labelled("f1_score"),
    "f1_macro": _labelled("f1_score", ', average="macro"', balanced=True),
    "roc_auc": Measure("roc_auc_score", "roc_auc_score(validation_y, guess)"),
    "log_loss": Measure("log_loss", "log_loss(validation_y, guess)"),
}


def find(competition: Competition) -> Measure:
    """The measure of the competition's metric; a usual one in its place where scikit-learn has none."""
    name, kind = competition.metric.name, competition.predictions.kind
    found = _MEASURES.get(name)
    if found is None:
        usual = "r2" if kind == "real" else "accuracy"
        note = f"The club ranks by a metric of its own ({competition.metric.title or name}); this one gives an idea."
        return replace(_MEASURES[usual], title=METRICS[usual].title, note=note)
    if name == "log_loss" and kind == "scores":
        # scikit-learn wants probabilities of all classes in the order of their numbers
        found = replace(found, formula="log_loss(validation_y, guess, labels=CLASSES)")
    return replace(found, title=METRICS[name].title if name in METRICS else name)
