"""The cells of a kit's notebook, from which its script is written too: one source for both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from datauab.competition import Competition
from datauab.datasets.records import Manifest
from datauab.starter import loading, measuring

Form = Literal["tables", "arrays", "folders"]
"""Tables in CSV files, images in ``.npy`` arrays, or folders of image files, one for each class."""


@dataclass(frozen=True)
class Cell:
    """One cell: code, or text in Markdown."""

    kind: Literal["code", "markdown"]
    text: str


def cells(competition: Competition, manifest: Manifest, form: Form, *, has_validation: bool) -> tuple[Cell, ...]:
    """The cells of a first attempt at `competition`: read, train, judge, write the submission.

    Parameters
    ----------
    form : {"tables", "arrays", "folders"}
        Of the public data.
    has_validation : bool
        Whether the public data has a validation part; else a fifth of the training rows is kept back.
    """
    return tuple(_cells(competition, manifest, form, has_validation))


def _cells(competition: Competition, manifest: Manifest, form: Form, has_validation: bool) -> Iterator[Cell]:
    spec = competition.predictions
    measure = measuring.find(competition)
    yield Cell(
        "markdown",
        f"# {competition.title}: a first attempt\n\n{competition.summary}\n\n"
        "This trains an extremely simple model, prints its score on rows that it did not learn from, and writes "
        "`submission.csv`. It is a beginning: change anything.",
    )
    yield Cell("code", _imports(competition, form, measure, has_validation))
    yield Cell("code", _constants(competition, manifest, form))
    yield Cell("markdown", "## Read the data")
    yield Cell("code", loading.code(competition, form, has_validation=has_validation))
    yield Cell("markdown", "## Train")
    yield Cell("code", _model(competition, form, measure))
    yield Cell("code", _predict(competition, measure))
    yield Cell("markdown", "## Judge it on rows that it has not seen")
    yield Cell("code", _judge(competition, measure))
    yield Cell("markdown", f"## Predict the test rows and write the file\n\n{_expected(competition)}")
    columns = "pd.DataFrame(predictions, columns=CLASS_COLUMNS)" if spec.kind == "scores" else None
    table = (
        f'submission = {columns}\nsubmission.insert(0, "id", sample["id"])'
        if columns
        else 'submission = pd.DataFrame({"id": sample["id"], "prediction": predictions})'
    )
    yield Cell(
        "code",
        f'predictions = predict(test_x)\n{table}\nsubmission.to_csv("submission.csv", index=False)\n'
        'print(f"wrote submission.csv: {len(submission)} rows")',
    )


def _imports(competition: Competition, form: Form, measure: measuring.Measure, has_validation: bool) -> str:
    spec = competition.predictions
    lines = ["from pathlib import Path", "", "import numpy as np", "import pandas as pd"]
    if form == "folders":
        lines.append("from PIL import Image")
    if form == "tables":
        lines += ["from sklearn.compose import make_column_transformer", "from sklearn.impute import SimpleImputer"]
    lines.append(f"from sklearn.linear_model import {'Ridge' if spec.kind == 'real' else 'LogisticRegression'}")
    lines.append(f"from sklearn.metrics import {measure.needs}")
    if form == "tables" and not has_validation:
        lines.append("from sklearn.model_selection import train_test_split")
    lines.append("from sklearn.pipeline import make_pipeline")
    scaler = _scaler(competition, form).partition("(")[0]
    lines.append(f"from sklearn.preprocessing import {'OneHotEncoder, ' if form == 'tables' else ''}{scaler}")
    return "\n".join(lines)


def _constants(competition: Competition, manifest: Manifest, form: Form) -> str:
    spec = competition.predictions
    lines = ['DATA = Path("data")  # beside this file']
    if form == "tables":
        lines.append(f"TARGET = {json.dumps(manifest.target, ensure_ascii=False)}")
    if spec.kind == "scores":
        lines.append(f"CLASSES = {list(spec.classes)}")
        lines.append(f"CLASS_COLUMNS = {json.dumps(spec.class_names or [str(one) for one in spec.classes])}")
    elif form == "folders":
        lines.append(
            f"CLASSES = {list(spec.classes or (0, 1))}  # numbers of the class folders, in order of their names"
        )
    return "\n".join(lines)


def _scaler(competition: Competition, form: Form) -> str:
    """What brings numbers to one scale; ranks are not misled by wild values, but a line needs the values themselves."""
    ranked = form == "tables" and competition.predictions.kind != "real"
    return "QuantileTransformer(n_quantiles=100)" if ranked else "StandardScaler()"


def _model(competition: Competition, form: Form, measure: measuring.Measure) -> str:
    if competition.predictions.kind == "real":
        learner = "Ridge()"
    else:
        weights = 'class_weight="balanced", ' if measure.balanced else ""
        strength = "" if form == "tables" else "C=0.01, "
        learner = f"LogisticRegression({weights}{strength}max_iter={2000 if form == 'tables' else 200})"
    if form == "tables":
        return (
            "prepare = make_column_transformer(\n"
            "    (\n"
            "        make_pipeline(\n"
            f'            SimpleImputer(strategy="median", add_indicator=True), {_scaler(competition, form)}\n'
            "        ),\n"
            "        numbers,\n"
            "    ),\n"
            "    (\n"
            "        make_pipeline(\n"
            '            SimpleImputer(strategy="constant", fill_value="missing"),\n'
            '            OneHotEncoder(min_frequency=10, handle_unknown="infrequent_if_exist"),\n'
            "        ),\n"
            "        words,\n"
            "    ),\n"
            ")\n"
            f"model = make_pipeline(prepare, {learner})\n"
            "model.fit(train_x, train_y)"
        )
    return f"model = make_pipeline(StandardScaler(), {learner})\nmodel.fit(train_x, train_y)"


def _predict(competition: Competition, measure: measuring.Measure) -> str:
    kind = competition.predictions.kind
    if kind == "scores":
        return (
            "def predict(x):\n"
            '    """One score for each class, in the order of CLASSES."""\n'
            "    scores = np.zeros((len(x), len(CLASSES)))\n"
            "    scores[:, [CLASSES.index(one) for one in model.classes_]] = model.predict_proba(x)\n"
            "    return scores"
        )
    if kind == "probability":
        body, says = "model.predict_proba(x)[:, 1]", "The probability of class 1."
    else:
        body, says = "model.predict(x)", "One number a row." if kind == "real" else "One class a row."
        if measure.least is not None:
            body = f"np.maximum(model.predict(x), {measure.least})"
    return f'def predict(x):\n    """{says}"""\n    return {body}'


def _judge(competition: Competition, measure: measuring.Measure) -> str:
    lines = ["guess = predict(validation_x)"]
    if measure.of_labels and competition.predictions.kind == "probability":
        lines.append("labels = (guess >= 0.5).astype(int)")
    elif measure.of_labels and competition.predictions.kind == "scores":
        lines.append("labels = np.array(CLASSES)[guess.argmax(axis=1)]")
    elif measure.of_labels:
        lines.append("labels = guess")
    if measure.note:
        lines.append(f"# {measure.note}")
    lines.append(f"score = {measure.formula}")
    lines.append(f'print(f"validation: {measure.title} = {{score:.{competition.metric.digits}f}}")')
    return "\n".join(lines)


def _expected(competition: Competition) -> str:
    spec = competition.predictions
    words = {
        "real": "one number for each id",
        "class": f"one of the classes {', '.join(map(str, spec.classes))} for each id",
        "probability": "the probability of class 1, between 0 and 1, for each id",
        "scores": "one number for each class and id",
        "files": "",
    }
    return f"The club expects {words[spec.kind]}, as `data/sample_submission.csv` shows."


def to_script(parts: tuple[Cell, ...]) -> str:
    """A script in the percent format, which editors and Jupytext read as cells."""
    blocks = []
    for cell in parts:
        if cell.kind == "markdown":
            lines = [f"# {line}".rstrip() for line in cell.text.splitlines()]
            blocks.append("\n".join(["# %% [markdown]", *lines]))
        else:
            blocks.append(f"# %%\n{cell.text}")
    return "\n\n".join(blocks) + "\n"


def to_notebook(parts: tuple[Cell, ...]) -> str:
    """A notebook of format 4.5, without outputs."""
    found: list[dict[str, Any]] = []
    for number, cell in enumerate(parts):
        one: dict[str, Any] = {"cell_type": cell.kind, "id": f"cell-{number}", "metadata": {}}
        if cell.kind == "code":
            one |= {"execution_count": None, "outputs": []}
        found.append({**one, "source": cell.text.splitlines(keepends=True)})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {"cells": found, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
