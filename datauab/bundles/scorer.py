"""Scoring program of an exported competition: reads predictions, compares them with the truth, writes scores.json.

It is called as ``python3 score.py INPUT OUTPUT``. INPUT/ref holds task.json, solution.npy and rows.npy, INPUT/res what
was handed in: one predictions file for all test rows, as .npy, .csv with ids, or .pkl. Beside it lie those modules of
the club that read predictions and compute metrics; it needs numpy and scikit-learn, and nothing else.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

_MOST_BYTES = 512 * 2**20
_JUNK = ("__MACOSX", ".DS_Store", "Thumbs.db", "metadata", "metadata.yaml")


def main(given: Path, output: Path) -> int:
    """Score INPUT/res and write OUTPUT/scores.json; gives the exit status."""
    from datauab.errors import ClubError

    try:
        task = json.loads((given / "ref" / "task.json").read_text(encoding="utf-8"))
        solution = np.load(given / "ref" / "solution.npy", allow_pickle=False)
        rows = np.load(given / "ref" / "rows.npy", allow_pickle=False)
        predictions = _predictions(given / "res", task)[rows]
        scores = {key: _score(name, solution, predictions, task) for key, name in task["metrics"].items()}
    except ClubError as error:
        print(error, file=sys.stderr)  # noqa: T201  a program's way to say what is wrong
        return 1
    output.mkdir(parents=True, exist_ok=True)
    # Python writes the shortest decimal that reads back as the same number: no digit is lost.
    (output / "scores.json").write_text(json.dumps(scores, allow_nan=False) + "\n", encoding="utf-8")
    return 0


def _predictions(folder: Path, task: dict[str, Any]) -> Any:
    from datauab.errors import InvalidSubmission
    from datauab.submission import Ids, read_predictions, sniff

    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part in _JUNK for part in path.relative_to(folder).parts)
    ]
    if len(files) != 1:
        names = ", ".join(path.name for path in files[:5]) or "none"
        raise InvalidSubmission(f"expected one predictions file, found {len(files)}: {names}")
    content = files[0].read_bytes()
    if sniff(content, files[0].name) == "parquet":
        raise InvalidSubmission("expected a .npy, .csv or .pkl file, found parquet; save it as csv")
    expected = SimpleNamespace(predictions=SimpleNamespace(**task["predictions"]))
    ids = Ids(tuple(task["ids"]))
    return read_predictions(
        content, files[0].name, competition=cast(Any, expected), ids=ids, max_bytes=_MOST_BYTES, isolated=False
    )


def _score(name: str, solution: Any, predictions: Any, task: dict[str, Any]) -> float:
    if name == "metric.py":
        import importlib

        return float(importlib.import_module("metric").score(solution, predictions))
    from datauab import metrics

    return metrics.score(name, solution, predictions, task["predictions"]["classes"])


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
