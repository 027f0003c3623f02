"""How the scoring program of a bundle is to be called."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from datauab.autograde.program_run import APP, PLACES, arguments, unknown_words
from datauab.autograde.program_scores import Column, Contract
from datauab.bundles.description import Description, short
from datauab.bundles.records import BundleError, Report
from datauab.bundles.unpacking import metadata_name
from datauab.bundles.yaml_reading import read_yaml
from datauab.errors import GradingError

_USUAL = ("score.py", "scoring.py", "evaluate.py", "evaluation.py")
_KNOWN = ("command", "description")
_UNSAFE = re.compile(
    rb"import c?pickle\b|pickle\.loads?\(|(?:joblib|torch)\.load|(?:pd|pandas)\.read_pickle|"
    rb"allow_pickle\s*=\s*True|\beval\(|\bexec\("
)
_PATH = f"{Path(sys.prefix) / 'bin'}:/usr/local/bin:/usr/bin:/bin"


def contract_of(program: Mapping[str, bytes], described: Description, where: str, report: Report) -> Contract:
    """Command, working folder and columns of a scoring program; what looks wrong is told.

    Raises
    ------
    BundleError
        Where no command can be found.
    """
    command = _command(program, where, report)
    try:
        words = arguments(command)
    except GradingError as error:
        raise BundleError(f"{where}: {error}") from error
    for word in unknown_words(command):
        report.add("warning", where, f"its command uses ${word}, which means nothing when results are scored")
    if "/" not in words[0] and shutil.which(words[0], path=_PATH) is None:
        report.add("warning", where, f"its command starts {words[0]!r}, which is not installed here")
    for word in words:
        path = PurePosixPath(word)
        inside = path.relative_to(PLACES["program"]) if path.is_relative_to(PLACES["program"]) else path
        relative = PurePosixPath(str(inside).removeprefix("program/")) if described.version == 1 else inside
        if path.suffix in (".py", ".sh", ".exe") and not relative.is_absolute() and str(relative) not in program:
            report.add("missing", where, f"its command names {word}, which the program lacks")
    for name, content in sorted(program.items()):
        if name.endswith(".py") and _UNSAFE.search(content):
            text = "reads pickles or evaluates text: a member's file could run code beside the reference data"
            report.add("warning", f"{where}: {name}", text)
    columns = tuple(Column(key=one.key, computation=one.computation, of=one.of) for one in described.columns)
    return Contract(command=command, folder=APP if described.version == 1 else PLACES["program"], columns=columns)


def _command(program: Mapping[str, bytes], where: str, report: Report) -> str:
    name = metadata_name(program)
    if not name:
        found = next((usual for usual in _USUAL if usual in program), "")
        if not found:
            listed = ", ".join(sorted(program)[:10]) or "nothing"
            raise BundleError(f"{where}: expected metadata.yaml or metadata with a command, found {listed}")
        command = f"python3 {PLACES['program']}/{found} {PLACES['input']} {PLACES['output']}"
        report.add("missing", where, f"no metadata with a command; {command} is taken")
        return command
    try:
        values: dict[str, object] = read_yaml(name, program[name], report)
    except BundleError:
        values = _lines(program[name])  # CodaLab read its lines, so that a colon in the description does no harm
    for key in values:
        if key not in _KNOWN:
            report.add("unknown", f"{where}: {name}: {key}", "no key of the format; ignored")
    given = values.get("command")
    if not isinstance(given, str) or not given.strip():
        raise BundleError(f"{where}: {name}: expected a command, found {short(given)}")
    return " ".join(given.split())


def _lines(content: bytes) -> dict[str, object]:
    pairs = (line.partition(":") for line in content.decode("utf-8", "replace").splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, _, value in pairs if re.fullmatch(r"\w+", key.strip())}
