"""The checks, in the order in which they run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from datauab.lint import fairness, files, leaks, order, overlap, rules, splits, timing
from datauab.lint.finding import Check

Need = Literal["nothing", "data", "solution"]


@dataclass(frozen=True)
class Registered:
    """A check, what it is called while it runs, and what must be there for it."""

    title: str
    check: Check
    needs: Need = "solution"


CHECKS = (
    Registered("phases", timing.phases, "nothing"),
    Registered("clocks", timing.clocks, "nothing"),
    Registered("reveal", timing.reveal, "nothing"),
    Registered("cover", files.cover, "nothing"),
    Registered("post", files.post, "nothing"),
    Registered("rules", fairness.rules_text, "nothing"),
    Registered("data", files.data, "nothing"),
    Registered("baselines", fairness.baselines, "data"),
    Registered("sample submission", files.samples),
    Registered("limits", fairness.limits),
    Registered("metric", splits.scorable),
    Registered("own metric", files.own_metric),
    Registered("constant sides", splits.constant_sides),
    Registered("classes", splits.missing_classes),
    Registered("size of the public part", splits.small_public_part),
    Registered("quotas", fairness.quotas),
    Registered("points", fairness.points),
    Registered("order of rows", order.sorted_targets),
    Registered("order of features", order.sorted_features),
    Registered("ids", order.telling_ids),
    Registered("columns like ids", order.id_columns),
    Registered("targets from features", leaks.derived_numbers),
    Registered("classes from features", rules.derived_classes),
    Registered("repeated rows", overlap.repeated_rows),
    Registered("near rows", overlap.near_rows),
    Registered("repeated images", overlap.repeated_images),
    Registered("near images", overlap.near_images),
    Registered("training and test rows told apart", order.told_apart),
)
"""Every check; a new one is a function in the module of its subject and a line here."""
