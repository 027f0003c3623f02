"""Exports a competition as a bundle that Codabench (version 2) unpacks."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from datauab import starter
from datauab.archive import make_archive, read_archive
from datauab.autograde.assignment import public_rows
from datauab.autograde.program_scores import Column, Contract
from datauab.bundles import pages
from datauab.bundles.phases import described_phases
from datauab.bundles.records import BundleError, Exported, Report
from datauab.competition import Competition, load_competition
from datauab.metrics import METRICS
from datauab.settings import Settings
from datauab.solutions import SIDES, read, read_program
from datauab.submission import load_ids

IMAGE = "quay.io/jupyter/scipy-notebook:python-3.11"
"""Docker image that the bundle asks for: Codabench's own default has too old a Python and scikit-learn."""

_COMMAND = "python3 score.py /app/input /app/output"
_NOT_DATA = ("competition.json", "dataset.json")
_RULES = {"best": "Force_Best", "last": "Force_Last"}
_PACKED = (".zip", ".png", ".jpg", ".jpeg", ".gz")


def export_bundle(settings: Settings, name: str, *, image: str = IMAGE, data: bool = True) -> Exported:
    """Pack competition `name` as a bundle.

    The bundle has two tasks: the public rows, which every phase is scored on, and the private rows, for a last phase
    into which Codabench moves everybody's attempts. Its reference data holds the ground truth, so keep the file as
    safe as the gradebook.

    Parameters
    ----------
    image : str
        Docker image with Python 3.11 or later, numpy and scikit-learn, in which Codabench runs the scoring program.
    data : bool
        Whether the public data goes along.

    Raises
    ------
    BundleError
        Where the public data is not there.
    ClubError
        Where there is no such competition, or its solution is missing.
    """
    competition, report = load_competition(settings.source / name), Report()
    program, references, columns = _scoring(settings, competition)
    kit = _starting_kit(settings, competition)
    files: dict[str, bytes] = {"scoring_program.zip": make_archive(program), "starting_kit.zip": make_archive(kit)}
    files |= {f"reference_data_{side}.zip": reference for side, reference in references.items()}
    if data:
        files["public_data.zip"] = _public_data(settings.public / competition.dataset)
    texts = pages.pages(competition, settings)
    files |= {f"pages/{path}": text.encode() for path, (_, text) in texts.items()}
    files["pages/terms.md"] = pages.terms(competition).encode()
    picture, files_of_picture = _picture(settings, competition)
    files |= files_of_picture
    files["competition.yaml"] = _to_yaml(
        {
            "version": 2,
            "title": competition.title,
            "description": competition.summary,
            "image": picture,
            "terms": "pages/terms.md",
            "registration_auto_approve": True,
            "docker_image": image,
            "pages": [{"title": title, "file": f"pages/{path}"} for path, (title, _) in texts.items()],
            "tasks": _tasks(competition),
            "phases": described_phases(competition, report, data=data),
            "leaderboards": [_leaderboard(competition, columns)],
        }
    )
    _tell(competition, image, report)
    return Exported(_pack(files), report.done())


def _scoring(
    settings: Settings, competition: Competition
) -> tuple[dict[str, bytes], dict[str, bytes], tuple[Column, ...]]:
    """The scoring program's files, reference data by side, and the leaderboard's columns, the ranking one first."""
    if competition.metric.name == "program":
        own = read_program(settings, competition.name)
        contract = Contract.model_validate(own.contract)
        files = read_archive(own.archive, max_bytes=2**31, max_files=20_000)
        files.pop("metadata", None)
        files["metadata.yaml"] = _to_yaml({"command": contract.command})
        return files, dict(own.references), contract.columns
    solution = read(settings, competition.name)
    mask = public_rows(settings, competition, solution)
    key = "score" if competition.metric.is_own else competition.metric.name
    metrics = {key: competition.metric.name, **{name: name for name in competition.metric.secondary}}
    task = {
        "competition": competition.name,
        "predictions": competition.predictions.model_dump(),
        "metrics": metrics,
        "ids": list(load_ids(settings.public / competition.dataset, len(mask)).keys),
    }
    references = {
        side: make_archive(
            {
                "task.json": json.dumps({**task, "side": side}).encode(),
                "solution.npy": _npy(solution.array[rows]),
                "rows.npy": _npy(np.flatnonzero(rows)),
            }
        )
        for side, rows in zip(SIDES, (mask, ~mask), strict=True)
    }
    return _program(settings, competition), references, tuple(Column(key=key) for key in metrics)


def _program(settings: Settings, competition: Competition) -> dict[str, bytes]:
    """The files of the scoring program: ours, so that the same code gives the same digits."""
    package = Path(__file__).resolve().parent.parent
    files = {
        "metadata.yaml": _to_yaml({"command": _COMMAND}),
        "score.py": (package / "bundles" / "scorer.py").read_bytes(),
        "datauab/__init__.py": b'"""Those modules of Data UAB Club that read predictions and compute metrics."""\n',
        "datauab/errors.py": (package / "errors.py").read_bytes(),
    }
    for part in ("metrics.py", "metrics", "submission"):
        path = package / part
        for source in [path] if path.is_file() else sorted(path.rglob("*.py")):
            if source.name != "parquet.py":  # needs pyarrow
                files[f"datauab/{source.relative_to(package).as_posix()}"] = source.read_bytes()
    if competition.metric.name == "metric.py":
        files["metric.py"] = (settings.source / competition.name / "metric.py").read_bytes()
    return files


def _npy(array: Any) -> bytes:
    target = io.BytesIO()
    np.save(target, array, allow_pickle=False)
    return target.getvalue()


def _tasks(competition: Competition) -> list[dict[str, Any]]:
    return [
        {
            "index": index,
            "name": f"{competition.title[:80]}: {side} leaderboard",
            "description": f"Scores on the {side} part of the hidden rows",
            "scoring_program": "scoring_program.zip",
            "reference_data": f"reference_data_{side}.zip",
        }
        for index, side in enumerate(SIDES)
    ]


def _leaderboard(competition: Competition, columns: tuple[Column, ...]) -> dict[str, Any]:
    ranks = "desc" if competition.metric.direction == "maximize" else "asc"
    places = {column.key: index for index, column in enumerate(columns)}
    told: list[dict[str, Any]] = []
    for index, column in enumerate(columns):
        known = METRICS.get(column.key)
        other = "asc" if known is not None and known.direction == "minimize" else "desc"
        one: dict[str, Any] = {
            "title": pages.metric_title(competition) if index == 0 else known.title if known else column.key,
            "key": column.key,
            "index": index,
            "sorting": ranks if index == 0 else other,
            "precision": competition.metric.digits,
        }
        if column.computation:
            one["computation"] = column.computation
            one["computation_indexes"] = [places[key] for key in column.of if key in places]
        told.append(one)
    rule = _RULES[competition.board.policy]
    return {"title": "Results", "key": "main", "primary_index": 0, "submission_rule": rule, "columns": told}


def _starting_kit(settings: Settings, competition: Competition) -> dict[str, bytes]:
    """The starter kit without its data, which goes along as public data."""
    kit = {name: text.encode() for name, text in starter.texts(settings, competition).items()}
    kit["EVALUATION.md"] = pages.pages(competition, settings)["evaluation.md"][1].encode()
    for path in sorted((settings.public / competition.dataset).glob("sample_submission.*")):
        kit[f"data/{path.name}"] = path.read_bytes()
    return kit


def _public_data(folder: Path) -> bytes:
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in _NOT_DATA]
    if not paths:
        raise BundleError(f"{folder}: expected the public data, found none; prepare it: ./club data prepare")
    return _pack({path.relative_to(folder).as_posix(): path.read_bytes() for path in paths})


def _pack(files: Mapping[str, bytes]) -> bytes:
    """Zip archive, the same bytes for the same files; what is packed already is only stored."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100644 << 16
            packed = name.endswith(_PACKED)
            entry.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name], compresslevel=None if packed else 4)
    return target.getvalue()


def _picture(settings: Settings, competition: Competition) -> tuple[str, dict[str, bytes]]:
    path = settings.source / competition.name / "img" / Path(competition.cover).name
    if path.suffix.lower() in (".png", ".jpg", ".jpeg") and path.is_file() and not path.is_symlink():
        return f"logo{path.suffix.lower()}", {f"logo{path.suffix.lower()}": path.read_bytes()}
    return "logo.png", {"logo.png": pages.logo(competition.title)}


def _to_yaml(value: Mapping[str, Any]) -> bytes:
    text: str = yaml.safe_dump(dict(value), sort_keys=False, allow_unicode=True, width=120)
    return text.encode()


def _tell(competition: Competition, image: str, report: Report) -> None:
    report.add("warning", "docker_image", f"{image}: it must hold Python 3.11 or later, numpy and scikit-learn")
    left_out = {
        "late": competition.late is not None,
        "teams": competition.teams.max_size > 1,
        "board.ladder_step": competition.board.ladder_step > 0,
        "baselines": bool(competition.baselines),
        "quotas.daily_attempts": True,
        "points": competition.predictions.kind != "files",
    }
    for key, has in left_out.items():
        if has:
            report.add("unused", f"competition.toml: {key}", "Codabench has nothing of the kind; left out")
    report.add("changed", "leaderboards", "Codabench keeps 10 decimals of a score; the scoring program writes all")
