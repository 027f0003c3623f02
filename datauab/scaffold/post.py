"""Writes the post of a new competition: a notebook with one exercise and an autograder cell, and its cover."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from datauab.competition import Competition
from datauab.scaffold.records import Plan
from datauab.starter import measuring


def notebook(competition: Competition, plan: Plan) -> str:
    """The notebook in format 4.5: what is between the SOLUTION marks and HIDDEN TESTS stays with the club."""
    name = competition.name
    cells = [
        _markdown(
            "title",
            f"# {competition.title}\n\n![Cover](img/cover.svg)\n\n{competition.summary}\n\n"
            "Write here what the reader should know: where the data is from, what it says, why the question matters.",
        ),
        _code("load", _load(name, plan)),
        _markdown(
            "exercise",
            f"## Your predictions\n\nMake `predictions`: {_expected(plan)}, in the order of the rows of `test`.",
        ),
        _code("ex-predictions", f"### BEGIN SOLUTION\n{_model(plan)}\n### END SOLUTION", solution=True),
        _code("check-predictions", f'datauab.check("{name}", predictions)'),
        _markdown(
            "grading", "## Grading\n\nSave and press **Submit**. The club runs the next cell with the hidden truth."
        ),
        _code("score", _hidden_tests(competition), points=10),
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def cover(title: str) -> str:
    """A plain picture with the title: replace it by one of the subject."""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1200 630" role="img">\n'
        f"  <title>{escape(title)}</title>\n"
        '  <rect width="1200" height="630" fill="#12344d"/>\n'
        '  <path d="M100 500 C 350 470, 480 250, 700 300 S 1000 160, 1100 120" fill="none" stroke="#f2a541" '
        'stroke-width="10" stroke-linecap="round"/>\n'
        '  <text x="100" y="180" fill="#ffffff" font-family="sans-serif" font-size="64" font-weight="bold">'
        f"{escape(title[:32])}</text>\n"
        "</svg>\n"
    )


def _markdown(name: str, text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": text.splitlines(keepends=True)}


def _code(name: str, text: str, *, solution: bool = False, points: int = 0) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    if solution or points:
        metadata["nbgrader"] = {
            "cell_type": "code",
            "grade": bool(points),
            "grade_id": name,
            "locked": bool(points),
            "schema_version": 3,
            "solution": solution,
            "task": False,
            **({"points": points} if points else {}),
        }
    source = text.splitlines(keepends=True)
    return {
        "cell_type": "code", "execution_count": None, "id": name, "metadata": metadata, "outputs": [], "source": source
    }  # fmt: skip


def _load(name: str, plan: Plan) -> str:
    learner = "Ridge" if plan.kind == "real" else "LogisticRegression"
    return (
        "import numpy as np\n"
        "from sklearn.impute import SimpleImputer\n"
        f"from sklearn.linear_model import {learner}\n"
        "from sklearn.pipeline import make_pipeline\n"
        "from sklearn.preprocessing import StandardScaler\n\n"
        "import datauab\n\n"
        f"data = datauab.load({json.dumps(name)})\n"
        "train, validation, test = data.train, data.validation, data.test\n"
        f"TARGET = {json.dumps(plan.target, ensure_ascii=False)}\n"
        "train.head()"
    )


def _expected(plan: Plan) -> str:
    return {
        "real": "one number for each row",
        "class": "the number of a class for each row",
        "probability": "the probability of class 1 for each row",
        "scores": "one number for each class and row, shape `(rows, classes)`",
    }[plan.kind]


def _model(plan: Plan) -> str:
    drop = f".drop({plan.id!r}, errors='ignore')" if plan.id else ""
    learner = "Ridge()" if plan.kind == "real" else "LogisticRegression(max_iter=2000)"
    predict = {
        "real": "model.predict(test[features])",
        "class": "model.predict(test[features])",
        "probability": "model.predict_proba(test[features])[:, 1]",
        "scores": "model.predict_proba(test[features])",
    }[plan.kind]
    return (
        f'features = test.select_dtypes("number").columns{drop}\n'
        f'model = make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), {learner})\n'
        "model.fit(train[features], train[TARGET])\n"
        f"predictions = {predict}"
    )


def _hidden_tests(competition: Competition) -> str:
    measure = measuring.find(competition)
    formula = measure.formula.replace("validation_y", "solution").replace("guess", "predictions")
    lines = [
        "# The club runs this cell with the hidden truth after you submit. In your copy there is nothing to change.",
        "### BEGIN HIDDEN TESTS",
        *(["import numpy as np"] if "np." in formula else []),
        f"from sklearn.metrics import {measure.needs}",
        "",
    ]
    if measure.of_labels:
        kind = competition.predictions.kind
        found = {
            "probability": "(predictions >= 0.5).astype(int)",
            "scores": f"np.array({list(competition.predictions.classes)})[predictions.argmax(axis=1)]",
        }
        lines.append(f"labels = {found.get(kind, 'predictions')}")
    formula = formula.replace("labels=CLASSES", f"labels={list(competition.predictions.classes)}")
    return "\n".join([*lines, f"report({competition.metric.name}={formula})", "### END HIDDEN TESTS"])
