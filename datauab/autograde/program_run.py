"""Runs a bundle's scoring program under the contract of Codabench and CodaLab, in the sandbox.

The program sees ``/app/program``, ``/app/input/ref`` (reference data), ``/app/input/res`` (what a member handed in),
``/app/output`` and ``/app/shared``: copies in memory that end with it. There is no network and no other file of the
host but the interpreter's.
"""

from __future__ import annotations

import io
import re
import shlex
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass

from datauab.autograde.kernels import SCRATCH, accounts
from datauab.autograde.limits import prlimits
from datauab.autograde.sandbox import Sandbox, Tmpfs, base_binds, base_symlinks, python_binds, python_env
from datauab.autograde.watched import Watched, run_watched
from datauab.errors import GradingError
from datauab.settings import Limits

APP = "/app"
SCORES = ("scores.json", "scores.txt")
"""Files of ``/app/output`` that may hold the scores, the preferred one first."""

MOST_SCORES = 2**20
"""Largest file of scores, in bytes."""

PLACES = {
    "program": f"{APP}/program",
    "input": f"{APP}/input",
    "output": f"{APP}/output",
    "hidden": f"{APP}/input/ref",
    "predictions": f"{APP}/input/res",
    "shared": f"{APP}/shared",
    "tmp": SCRATCH,
}
"""Folders by the words that commands of CodaLab use for them, such as ``$program``."""

_WORDS = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_FOLDERS = {"program": f"{APP}/program", "ref": f"{APP}/input/ref", "res": f"{APP}/input/res"}
# The program's own words go to the error stream, so that the other one carries nothing but the scores.
_SCRIPT = f"""
mkdir -p {APP}/output {APP}/shared {SCRATCH}/home || exit 97
for part in program:program ref:input/ref res:input/res; do
  mkdir -p "{APP}/${{part#*:}}" && tar -xf "/${{part%%:*}}.tar" -C "{APP}/${{part#*:}}" --no-same-owner || exit 97
done
cd "$0" || exit 97
"$@" </dev/null >&2
status=$?
for name in {" ".join(SCORES)}; do
  if [ -f "{APP}/output/$name" ]; then
    printf '%s %s\\n' "$status" "$name"
    head -c {MOST_SCORES + 1} "{APP}/output/$name"
    exit 0
  fi
done
printf '%s -\\n' "$status"
"""


@dataclass(frozen=True)
class Ran:
    """How one run of a scoring program ended.

    Attributes
    ----------
    status : int or None
        The program's exit status; None where it was stopped.
    stopped : str
        Which limit stopped it; empty where none.
    name : str
        Which of `SCORES` it wrote; empty where none.
    content : bytes
        Of that file; one byte more than `MOST_SCORES` where it was larger.
    said : str
        The last that it printed. It may show labels, so it is for organisers only.
    """

    status: int | None
    stopped: str
    name: str
    content: bytes
    said: str


def unknown_words(command: str) -> list[str]:
    """Words such as ``$ingestion_program`` in `command` that mean no folder of a scoring run."""
    found = [match[1] or match[2] for match in _WORDS.finditer(command)]
    return sorted({word for word in found if word not in PLACES})


def arguments(command: str) -> list[str]:
    """Arguments of `command` with CodaLab's words replaced by folders; no shell reads it.

    Raises
    ------
    GradingError
        Where it is empty or its quotes do not close.
    """
    try:
        parts = shlex.split(_WORDS.sub(lambda match: PLACES.get(match[1] or match[2], match[0]), command))
    except ValueError as error:
        raise GradingError(f"the scoring program's command {command!r} cannot be read: {error}") from error
    if not parts:
        raise GradingError("the scoring program's metadata has an empty command")
    return parts


def run(command: str, folder: str, parts: Mapping[str, Mapping[str, bytes]], limits: Limits) -> Ran:
    """Run a scoring program once.

    Parameters
    ----------
    command : str
        As the program's metadata gives it.
    folder : str
        Working folder inside.
    parts : mapping
        Files of "program", "ref" and "res", by relative path.
    limits : Limits
        What the run may use.

    Raises
    ------
    GradingError
        Where the run cannot start.
    SandboxUnavailable
        Where no sandbox can be made here.
    """
    files = {f"/{part}.tar": _tar(parts[part], 0o755 if part == "program" else 0o644) for part in _FOLDERS}
    script = ("sh", "-c", _SCRIPT, folder, *arguments(command))
    done = run_watched(
        _sandbox(limits),
        script,
        files,
        limits,
        scratch=(APP, SCRATCH),
        most_output=MOST_SCORES + 200,
        what="the scoring program",
    )
    return _read(done, limits)


def _sandbox(limits: Limits) -> Sandbox:
    env = {**python_env(), "HOME": f"{SCRATCH}/home", "TMPDIR": SCRATCH, "USER": "scorer", "MPLBACKEND": "agg"}
    del env["PYTHONPATH"]  # the program is to run as it would elsewhere
    return Sandbox(
        ro_binds=(*base_binds(), *python_binds()),
        tmpfs=(Tmpfs(APP, limits.scratch_mb), Tmpfs(SCRATCH, max(16, limits.scratch_mb // 4))),
        symlinks=base_symlinks(),
        shm_mb=64,
        env=env,
        account=accounts()[1],
        rlimits=prlimits(limits),
        chdir="/",
        hostname="scoring",
    )


def _read(done: Watched, limits: Limits) -> Ran:
    """Take the script's first line, status and name, from the scores that follow it."""
    head, _, content = done.output.partition(b"\n")
    found = re.fullmatch(rb"(\d{1,3}) (\S{1,20})", head)
    stopped = done.stopped
    if found is None:
        if not stopped and done.status == 97:
            stopped = f"program, reference data and submission take more than {limits.scratch_mb} MiB"
        return Ran(None, stopped or f"it was killed (status {done.status})", "", b"", done.said)
    status, name = int(found[1]), found[2].decode("ascii", "replace")
    return Ran(status, stopped if status else "", "" if name == "-" else name, content, done.said)


def _tar(files: Mapping[str, bytes], mode: int) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(files[name]), mode
            archive.addfile(entry, io.BytesIO(files[name]))
    return target.getvalue()
