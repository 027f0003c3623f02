"""Scores predictions with a competition's own ``metric.py``, in the sandbox.

The file lies beside ``competition.toml`` and has a function ``score(solution, predictions) -> float``, and where it
likes ``secondary(solution, predictions) -> dict`` of further numbers by name. `solution` is an array of shape (rows,),
`predictions` as `datauab.submission.validate` gives them, both copies of its own. It may import numpy, pandas, scipy,
scikit-learn and ``datauab.metrics``; it has no network and sees no file but the interpreter's. What it prints is shown
to organisers where it fails, and ignored otherwise.

One process computes all numbers of one attempt. Whatever it does, it ends as finite numbers or as `GradingError`, which
costs no member an attempt. A result counts where the process ended well and wrote one line that bears the word it was
told before ``metric.py`` was loaded: what else is written to its channels, or left by an early exit, is no result. Code
that searches the memory of its own process for that word decides nothing but its own score, which it does anyway.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import platform
import secrets
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from datauab import scoring
from datauab.autograde import own_metric_inside, watched
from datauab.autograde.assignment import Assignment, public_rows
from datauab.autograde.kernels import SCRATCH, accounts
from datauab.autograde.limits import prlimits
from datauab.autograde.outcome import Scores
from datauab.autograde.own_metric_inside import LONGEST_NAME, METRIC, MOST_SECONDARY, PREDICTIONS, PUBLIC, SOLUTION
from datauab.autograde.sandbox import Sandbox, Tmpfs, base_binds, base_symlinks, python_binds, python_env
from datauab.autograde.watched import Watched, run_watched
from datauab.errors import GradingError
from datauab.settings import Limits, Settings

FILE = "metric.py"
RESAMPLES = 200
"""Resamples of the bootstrap interval."""

_INTERVAL_SHARE, _INTERVAL_S = 0.25, 5.0  # the most of timeout_s, and of time, that an interval may take
_MOST_SOURCE = 2**20
_MOST_OUTPUT = 2**16
_SAID = 3000  # characters of what it printed that organisers see
_MODULE = "datauab.autograde.own_metric_inside"

_Names = Annotated[dict[Annotated[str, Field(max_length=LONGEST_NAME)], float], Field(max_length=MOST_SECONDARY)]


class _Sides(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    public: _Names
    private: _Names


class _Found(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    token: str
    public: float
    private: float
    full: float
    secondary: _Sides
    interval: list[float] | None = Field(min_length=2, max_length=2)


def score_own(assignment: Assignment, predictions: NDArray[Any]) -> tuple[Scores, float]:
    """Score checked predictions with the competition's ``metric.py``, and give the metric on all rows beside.

    The interval is that of `RESAMPLES` bootstrap resamples of the public rows, drawn within each class where the
    ground truth has classes. Where they would take more than a quarter of ``timeout_s`` or five seconds, or where the
    metric has no value on one of them, both its ends are the public score. Metrics of the club that ``secondary``
    names are computed as always, and those of ``metric.py`` shown beside them.

    Raises
    ------
    GradingError
        Where ``metric.py`` is missing, fails, hangs, takes too much or gives no finite number; the message has its
        last words and is for organisers only. Where the split allows no score of a metric beside it.
    SandboxUnavailable
        Where no sandbox can be made here.
    """
    competition, solution = assignment.competition, assignment.solution
    source = read_source(assignment.settings, competition.name)
    mask = public_rows(assignment.settings, competition, solution)
    beside = scoring.secondary(competition, solution.array, predictions, mask)
    found = _run(assignment, source, predictions, mask)
    low, high = found.interval or (found.public, found.public)
    view = (
        scoring.author_view(competition, solution.array, predictions, mask) if competition.board.author_view else None
    )
    scores = Scores(
        metric=competition.metric.name,
        public=found.public,
        private=found.private,
        interval_low=low,
        interval_high=high,
        secondary={**beside, **_own_secondary(competition.name, found.secondary, beside)},
        scorer_hash=scorer_hash(source),
        solution_hash=solution.sha256,
        author_view=view,
    )
    return scores, found.full


def read_source(settings: Settings, name: str) -> bytes:
    """Read ``metric.py`` of competition `name`.

    Raises
    ------
    GradingError
        Where it is missing or cannot be read.
    """
    path: Path = settings.source / name / FILE
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_SOURCE + 1)
    except OSError as error:
        raise GradingError(
            f"{path}: the competition's own metric cannot be read: {error.strerror}; write a file with a function "
            "score(solution, predictions)"
        ) from error
    if len(content) > _MOST_SOURCE:
        raise GradingError(f"{path}: expected at most {_MOST_SOURCE} bytes, found more")
    return content


def scorer_hash(source: bytes) -> str:
    """Hash what turns predictions into a score: ``metric.py`` (`source`), how it is run, and the libraries it finds.

    Returns
    -------
    str
        SHA-256, hexadecimal.
    """
    digest = hashlib.sha256(_platform_hash())
    digest.update(hashlib.sha256(source).digest())
    return digest.hexdigest()


@functools.cache
def _platform_hash() -> bytes:
    modules = (Path(__file__), Path(own_metric_inside.__file__), Path(watched.__file__))
    digest = hashlib.sha256(f"{scoring.scorer_hash()} {platform.python_version()}".encode())
    for path in modules:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.digest()


def _run(assignment: Assignment, source: bytes, predictions: NDArray[Any], mask: NDArray[Any]) -> _Found:
    competition = assignment.competition
    seconds = competition.metric.timeout_s
    limits = assignment.limits.model_copy(update={"wall_s": seconds, "cpu_s": min(seconds, assignment.limits.cpu_s)})
    token = secrets.token_hex(16)
    task = {"token": token, "resamples": RESAMPLES, "seconds": min(_INTERVAL_S, _INTERVAL_SHARE * seconds)}
    done = run_watched(
        _sandbox(limits),
        (sys.executable, "-m", _MODULE),
        {
            METRIC: source,
            SOLUTION: _npy(assignment.solution.array),
            PREDICTIONS: _npy(predictions),
            PUBLIC: _npy(mask),
        },
        limits,
        scratch=(SCRATCH, "/dev/shm"),  # noqa: S108  the sandbox's own
        most_output=_MOST_OUTPUT,
        what=f"{FILE} of {competition.name}",
        told=json.dumps(task).encode(),
    )
    return _read(done, token, competition.name)


def _sandbox(limits: Limits) -> Sandbox:
    env = {
        **python_env(),
        "HOME": f"{SCRATCH}/home",
        "TMPDIR": SCRATCH,
        "USER": "scorer",
        "MPLBACKEND": "agg",
        "PYTHONHASHSEED": "0",
        # One thread: sums have the same order, and so the same digits, on every machine.
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    }
    return Sandbox(
        ro_binds=(*base_binds(), *python_binds()),
        tmpfs=(Tmpfs(SCRATCH, max(16, limits.scratch_mb // 2)),),
        symlinks=base_symlinks(),
        shm_mb=16,
        env=env,
        account=accounts()[1],
        rlimits=prlimits(limits),
        chdir=SCRATCH,
        hostname="scoring",
    )


def _read(done: Watched, token: str, name: str) -> _Found:
    said = f"\n{done.said[-_SAID:]}" if done.said else ""
    if done.status != 0 or done.stopped:
        why = done.stopped or _ended(done)
        raise GradingError(f"competition {name}: {FILE} gave no score: {why}{said}")
    if not done.output:
        raise GradingError(f"competition {name}: {FILE} gave no score: it ended its process early{said}")
    try:
        found = _Found.model_validate_json(done.output)
    except ValidationError as error:
        raise GradingError(
            f"competition {name}: {FILE} gave no score: expected one line of finite numbers, found "
            f"{done.output[:200]!r} ({error.error_count()} errors){said}"
        ) from error
    if not secrets.compare_digest(found.token.encode(), token.encode()):
        raise GradingError(f"competition {name}: {FILE} gave no score: it wrote to the result's channel itself{said}")
    return found


def _ended(done: Watched) -> str:
    if done.status > 128:
        return f"it was ended by signal {done.status - 128}; most often this means that memory ran out, or a crash"
    return f"it ended with status {done.status}"


def _own_secondary(name: str, found: _Sides, beside: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    if found.public.keys() != found.private.keys():
        raise GradingError(
            f"competition {name}: {FILE}: secondary: expected the same names on both sides, found "
            f"{', '.join(found.public) or 'none'} and {', '.join(found.private) or 'none'}"
        )
    twice = sorted(beside.keys() & found.public.keys())
    if twice:
        raise GradingError(f"competition {name}: {FILE}: secondary: {twice[0]!r} is in competition.toml already")
    return {key: {"public": value, "private": found.private[key]} for key, value in found.public.items()}


def _npy(array: NDArray[Any]) -> bytes:
    target = io.BytesIO()
    np.save(target, array, allow_pickle=False)
    return target.getvalue()
