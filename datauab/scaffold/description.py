"""Writes the ``competition.toml`` of a new competition, with a comment at each choice that a teacher makes."""

from __future__ import annotations

import json
import math
from datetime import date, timedelta

from datauab.scaffold.records import Kind, Plan

METRICS: dict[Kind, tuple[str, str]] = {
    "real": ("r2", "maximize"),
    "class": ("accuracy", "maximize"),
    "probability": ("roc_auc", "maximize"),
    "scores": ("log_loss", "minimize"),
}
"""Metric and direction that a new competition of each kind begins with."""

_BASELINES: dict[Kind, tuple[str, str]] = {
    "real": ("Always the mean", "mean"),
    "class": ("Always the most frequent class", "majority"),
    "probability": ("Always the share of class 1", "prior"),
    "scores": ("Always the most frequent class", "majority"),
}
_DAYS = 60


def describe(name: str, title: str, plan: Plan, *, author: str, today: date) -> str:
    """The text of ``competition.toml`` for a competition that opens `today` and runs for 60 days."""
    metric, direction = METRICS[plan.kind]
    begin, full = _points(plan)
    baseline, strategy = _BASELINES[plan.kind]
    closes = today + timedelta(days=_DAYS)
    return f"""# docs/competitions.md explains every key.
title = {_text(title)}
summary = {_text(f"Predict {plan.target} of rows that nobody has seen.")}
authors = [{_text(author)}]
date = {today.isoformat()}
categories = [{_text("Regression" if plan.kind == "real" else "Classification")}]
tags = []
cover = "img/cover.svg"
dataset = {_text(name)}
public_share = 0.4    # of the hidden rows; the rest decides at the end

# The table: CSV files in gradebook/raw/{name}/, or in the folder of DATAUAB_RAW.
[data]
target = {_text(plan.target)}
{_id(plan)}
test_share = 0.2        # hidden: which rows is decided by a secret of this club
validation_share = 0.1  # published with the target, to judge models by
# group = "patient"     # rows with the same value here are never parted
# withheld = ["..."]    # columns that the test rows must lack, because they give the target away
# source = "..."        # where the data is from, and what others may do with it
# licence = "..."

[predictions]
{_predictions(plan)}
[metric]
name = {_text(metric)}
direction = {_text(direction)}
digits = 4

[[phases]]
name = "main"
opens = {today.isoformat()}T00:00:00Z
closes = {closes.isoformat()}T20:00:00Z

[quotas]
daily_scored = 5
daily_attempts = 20

# No marks at begin, all at full: set them when the baselines below have their scores.
[points]
begin = {begin}
full = {full}

[[baselines]]
name = {_text(baseline)}
strategy = {_text(strategy)}

[[baselines]]
name = "The model of the post"
strategy = "reference"
"""


def _id(plan: Plan) -> str:
    if plan.id:
        return f"id = {_text(plan.id)}"
    return '# id = "id"           # a column with another value in each row; row numbers are the ids without it'


def _predictions(plan: Plan) -> str:
    lines = [f"kind = {_text(plan.kind)}", 'variable = "predictions"']
    if plan.kind in ("class", "scores"):
        lines.append(f"classes = {list(plan.classes or (0, 1))}")
    if plan.class_names:
        if plan.kind == "probability":
            lines.append(f"classes = {list(plan.classes)}  # the second one is class 1")
        lines.append(f"class_names = {json.dumps(plan.class_names, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


def _points(plan: Plan) -> tuple[float, float]:
    if plan.kind == "real":
        return 0.0, 0.8
    if plan.kind == "probability":
        return 0.5, 0.9
    if plan.kind == "scores":
        return round(math.log(max(2, len(plan.classes))), 2), 0.1
    begin = 0.5 if plan.common is None else round(plan.common, 2)
    return begin, round(min(1.0, begin + (1 - begin) * 0.8), 2)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
