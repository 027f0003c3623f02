"""Imports a bundle: a competition of the course, its public data, and a scoring program that only the grader sees."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datauab import solutions
from datauab.archive import make_archive
from datauab.bundles import codabench, codalab
from datauab.bundles.competing import competition_values
from datauab.bundles.description import Description, short
from datauab.bundles.programs import contract_of
from datauab.bundles.records import BundleError, Imported, Report
from datauab.bundles.showing import cover, plain_text, public_files
from datauab.bundles.toml_writing import to_toml
from datauab.bundles.unpacking import MOST_BYTES, Bundle, program_root
from datauab.bundles.yaml_reading import read_yaml
from datauab.competition import Competition, load_competition
from datauab.datasets import DATASETS
from datauab.datasets.publishing import publish, remove, size_of
from datauab.datasets.records import Manifest
from datauab.keys import give_to_folders_owner
from datauab.settings import Settings

_SMALLEST_LEAK = 16  # bytes: shorter files are equal by chance


@dataclass(frozen=True)
class _Scoring:
    """What the grader keeps."""

    program: dict[str, bytes]
    references: dict[str, dict[str, bytes]]
    contract: dict[str, Any]


def import_bundle(settings: Settings, data: bytes, name: str = "", *, most_bytes: int = MOST_BYTES) -> Imported:
    """Make a competition from a bundle of Codabench (version 2) or CodaLab (1 and 1.5).

    Writes ``source/<name>/``, the public folder ``<name>/``, and, for the grader only, the scoring program with its
    reference data: all of them, or nothing. Public scores come from the reference data of the first phase, private
    ones from that of the last.

    Parameters
    ----------
    name : str
        Of the competition; made from the title where empty.
    most_bytes : int
        Largest sum of all unpacked files.

    Raises
    ------
    BundleError
        Where the bundle is refused, lacks what a competition needs, or the name is taken.
    """
    report = Report()
    bundle = Bundle(data, report, most_bytes)
    described = _describe(bundle, report)
    chosen = _name(settings, name, described.title)
    scoring = _scoring(bundle, described, report)
    terms = bundle.text(described.terms, "terms") if described.terms is not None else None
    image = cover(bundle, described, report)
    public = public_files(bundle, described, report)
    _warn_of_leaks(public, scoring, report)
    values = competition_values(
        settings,
        described,
        two_sides=scoring.references["public"] != scoring.references["private"],
        bytes_used=_size(scoring),
        rules=plain_text(terms or ""),
        report=report,
    )
    values["cover"] = f"img/{image[0]}"
    competition = _write(settings, chosen, values, image=image, public=public, scoring=scoring)
    return Imported(competition, report.done())


def _describe(bundle: Bundle, report: Report) -> Description:
    raw = read_yaml(bundle.yaml, bundle.files[bundle.yaml], report)
    version = raw.get("version", 1)
    if "version" not in raw and "tasks" in raw:
        report.add("missing", "competition.yaml: version", "none, which means 1; read as 2 because of its tasks")
        version = 2
    if str(version) in ("2", "2.0"):
        return codabench.describe(raw, report)
    if str(version) in ("1", "1.0", "1.5", "1.8"):
        return codalab.describe(raw, report)
    raise BundleError(f"competition.yaml: version: expected 2, 1.5 or 1, found {short(version)}")


def _name(settings: Settings, asked: str, title: str) -> str:
    name = asked or re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60].strip("-")
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        raise BundleError(f"name {name!r}: expected lower-case letters, digits, '-' and '_'; choose one with --name")
    if name in DATASETS:
        raise BundleError(f"name {name!r} is that of a dataset of the club; choose another with --name")
    for folder in (settings.source, settings.public, settings.solutions):
        if (folder / name).exists():
            raise BundleError(f"{folder / name} is there already; choose another name with --name, or remove it")
    return name


def _scoring(bundle: Bundle, described: Description, report: Report) -> _Scoring:
    first, last = described.phases[0].task, described.phases[-1].task
    program = bundle.part(first.program, f"{first.where}: scoring_program")
    if not program:
        raise BundleError(f"{first.where}: scoring_program: expected a program, found {short(first.program)}")
    for phase in described.phases[1:]:
        other = bundle.part(phase.task.program, f"{phase.task.where}: scoring_program")
        if other is not None and other != program:
            where = f"{phase.task.where}: scoring_program"
            report.add("changed", where, "not the one of the first task, which scores all attempts here")
    references = {}
    for side, task in (("public", first), ("private", last)):
        where = f"{task.where}: reference_data"
        if task.reference is None:
            report.add("missing", where, "none is named; the program finds an empty folder")
        references[side] = (bundle.part(task.reference, where) if task.reference is not None else None) or {}
    between = {phase.task.where: phase.task for phase in described.phases[1:-1]}
    for task in between.values():
        if bundle.part(task.reference, f"{task.where}: reference_data") not in (references["public"], None):
            report.add("changed", f"{task.where}: reference_data", "only those of the first and last phase are used")
    program = program_root(program, f"{first.where}: scoring_program", report)
    contract = contract_of(program, described, f"{first.where}: scoring_program", report)
    return _Scoring(program, references, contract.model_dump(mode="json"))


def _size(scoring: _Scoring) -> int:
    largest = max(sum(map(len, files.values())) for files in scoring.references.values())
    return largest + sum(map(len, scoring.program.values()))


def _warn_of_leaks(public: Mapping[str, bytes], scoring: _Scoring, report: Report) -> None:
    hidden = {
        hashlib.sha256(content).digest(): name
        for files in scoring.references.values()
        for name, content in files.items()
        if len(content) >= _SMALLEST_LEAK and not name.startswith("metadata")
    }
    for path, content in public.items():
        if hashlib.sha256(content).digest() in hidden:
            found = hidden[hashlib.sha256(content).digest()]
            report.add("warning", path, f"the public data holds the reference data's file {found}")


def _write(
    settings: Settings,
    name: str,
    values: Mapping[str, Any],
    *,
    image: tuple[str, bytes],
    public: Mapping[str, bytes],
    scoring: _Scoring,
) -> Competition:
    settings.source.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.source, prefix=".import-") as temporary:
        folder = Path(temporary) / name
        (folder / "img").mkdir(parents=True)
        (folder / "img" / image[0]).write_bytes(image[1])
        (folder / "competition.toml").write_text(to_toml({**values, "dataset": name}), encoding="utf-8")
        competition = load_competition(folder)
        references = {side: make_archive(files) for side, files in scoring.references.items()}
        try:
            solutions.write_program(settings, name, make_archive(scoring.program), references, scoring.contract)
            _publish(settings, competition, public)
            folder.rename(settings.source / name)
        except BaseException:
            shutil.rmtree(settings.solutions / name, ignore_errors=True)
            remove(settings.public / name)
            raise
    for path in (settings.source / name, *(settings.source / name).rglob("*")):
        give_to_folders_owner(path)
    return competition


def _publish(settings: Settings, competition: Competition, files: Mapping[str, bytes]) -> None:
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(hashlib.sha256(path.encode()).digest() + hashlib.sha256(files[path]).digest())

    def build(fresh: Path) -> None:
        for path, content in files.items():
            target = fresh / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        manifest = Manifest(
            name=competition.dataset,
            title=competition.title,
            stand_in=False,
            source="an imported competition bundle",
            licence="as its pages say",
            rows={},
            withheld=(),
            version=1,
            raw=digest.hexdigest(),
            fingerprint=digest.hexdigest(),
            baselines={},
            size=size_of(fresh),
        )
        (fresh / "dataset.json").write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (fresh / "competition.json").write_text(competition.model_dump_json(indent=2) + "\n", encoding="utf-8")

    publish(settings.public / competition.dataset, build)
