"""A competition's own metric gives its numbers, and whatever it does instead harms nobody but its competition."""

from __future__ import annotations

import contextlib
import os
import socket
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from datauab import metrics, scoring, solutions
from datauab.autograde.assignment import Assignment, public_rows, score_predictions
from datauab.autograde.limits import descendants
from datauab.autograde.outcome import Scores
from datauab.autograde.own_metric import RESAMPLES, read_source, scorer_hash
from datauab.autograde.program import ProgramFailed
from datauab.autograde.sandbox import package_folder
from datauab.competition import load_competition
from datauab.errors import GradingError, InvalidSubmission
from datauab.settings import Limits, Settings

pytestmark = pytest.mark.sandbox

ROWS = 60
LARGEST_ERROR = "def score(solution, predictions):\n    return float(abs(solution - predictions).max())\n"
SILENT = "def score(solution, predictions):\n    return 1.0\n"
Score = Callable[..., tuple[Scores, float]]


@pytest.fixture(scope="module")
def club(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    root = tmp_path_factory.mktemp("own")
    (root / "source").mkdir()
    (root / "gradebook").mkdir(mode=0o700)
    return Settings(root=root, limits=Limits(memory_mb=512, processes=64, scratch_mb=32, file_mb=16, wall_s=60))


def truth(kind: str) -> np.ndarray:
    rng = np.random.default_rng(4)
    return rng.normal(10, 3, ROWS) if kind == "real" else np.concatenate([[0, 1], rng.integers(0, 2, ROWS - 2)])


def guess(kind: str) -> np.ndarray:
    rng = np.random.default_rng(5)
    return truth(kind) + rng.normal(0, 1, ROWS) if kind == "real" else (truth(kind) + (rng.random(ROWS) < 0.3)) % 2


@pytest.fixture
def assignment(club: Settings, request: pytest.FixtureRequest) -> Callable[..., Assignment]:
    """Make a competition with a ``metric.py``."""
    number = iter(range(100))

    def make(source: str | None, *, kind: str = "real", timeout_s: int = 20, extra: str = "") -> Assignment:
        name = f"own-{zlib.crc32(request.node.nodeid.encode()):x}-{next(number)}"
        folder: Path = club.source / name
        folder.mkdir()
        classes = ", classes = [0, 1]" if kind == "class" else ""
        (folder / "competition.toml").write_text(
            'title = "Own"\nsummary = "A line."\nauthors = ["A"]\ndate = 2026-01-01\ncover = "img/cover.svg"\n'
            f'dataset = "own"\npublic_share = 0.5\npredictions = {{kind = "{kind}"{classes}}}\n'
            + f"points = {{begin = 0.0, full = 1.0}}\n{extra}"
            + f'[metric]\nname = "metric.py"\ndirection = "minimize"\ntimeout_s = {timeout_s}\n'
            + ('secondary = ["mae"]\n' if kind == "real" else "")
            + '[[phases]]\nname = "open"\nopens = 2026-01-01T00:00:00Z\n'
        )
        if source is not None:
            (folder / "metric.py").write_text(source)
        solutions.write(club, name, truth(kind), "f")
        return Assignment.open(club, load_competition(folder), {})

    return make


@pytest.fixture
def nothing_runs() -> Callable[[], None]:
    """Check that no process of a sandbox is left."""
    before = set(descendants(os.getpid()))

    def check() -> None:
        ends = time.monotonic() + 5
        while (left := set(descendants(os.getpid())) - before) and time.monotonic() < ends:
            time.sleep(0.05)
        assert not left

    return check


def test_it_scores_both_sides_all_rows_and_an_interval(assignment):
    made = assignment(
        LARGEST_ERROR + "def secondary(solution, predictions):\n"
        "    return {'bias': (predictions - solution).mean(), 'rows': len(solution)}\n"
    )
    mask = public_rows(made.settings, made.competition, made.solution)
    scores, full = score_predictions(made, guess("real"))
    errors = np.abs(truth("real") - guess("real"))
    assert (scores.public, scores.private, full) == (errors[mask].max(), errors[~mask].max(), errors.max())
    assert scores.interval_low < scores.interval_high <= scores.public
    assert scores.metric == "metric.py"
    assert scores.secondary["mae"]["public"] == metrics.score("mae", truth("real")[mask], guess("real")[mask])
    assert scores.secondary["bias"]["private"] == (guess("real") - truth("real"))[~mask].mean()
    assert scores.secondary["rows"] == {"public": mask.sum(), "private": (~mask).sum()}
    assert score_predictions(made, guess("real")) == (scores, full)


def test_the_documented_example_works(assignment, checkout):
    text = (checkout / "docs" / "competitions.md").read_text(encoding="utf-8")
    code = text.partition("### A metric of your own")[2].partition("```python\n")[2].partition("```")[0]
    scores, full = score_predictions(assignment(code), guess("real"))
    assert full == np.abs(truth("real") - guess("real")).max()
    assert set(scores.secondary) == {"mae", "bias"}


def test_its_interval_is_that_of_the_clubs_own_metric(assignment):
    made = assignment("from datauab.metrics import rmsle as score\n")
    mask = public_rows(made.settings, made.competition, made.solution)
    scores, _ = score_predictions(made, guess("real"))
    expected = scoring.interval("rmsle", truth("real")[mask], guess("real")[mask])
    width = expected[1] - expected[0]
    assert (scores.interval_low, scores.interval_high) == pytest.approx(expected, abs=0.3 * width)


def test_resamples_have_every_class(assignment):
    source = (
        "def score(solution, predictions):\n"
        "    hits = solution == predictions\n"
        "    return 1 - min(hits[solution == 0].mean(), hits[solution == 1].mean())\n"
    )
    scores, _ = score_predictions(assignment(source, kind="class"), guess("class"))
    assert scores.interval_low < scores.public < scores.interval_high


@pytest.mark.parametrize(
    "body",
    [
        "    import time\n    time.sleep(0.2)\n    return 2.0",  # too slow for its resamples
        "    if len(set(solution)) < len(solution):\n        raise ValueError\n    return 2.0",  # not on resamples
        "    return 2.0 if len(set(solution)) == len(solution) else float('nan')",
    ],
)
def test_without_resamples_both_ends_of_the_interval_are_the_score(body, assignment):
    scores, full = score_predictions(assignment(f"def score(solution, predictions):\n{body}\n"), guess("real"))
    assert (scores.public, scores.interval_low, scores.interval_high, full) == (2.0, 2.0, 2.0, 2.0)


def test_a_metric_may_print_draw_at_random_and_spoil_its_arrays(assignment):
    source = (
        "import numpy as np\n"
        "def score(solution, predictions):\n"
        "    print('{\"public\": 1.0}', flush=True)\n"
        "    value = np.abs(solution - predictions).mean() + np.random.random()\n"
        "    solution[:] = predictions[:] = 0\n"
        "    return value\n"
    )
    made = assignment(source)
    scores, full = score_predictions(made, guess("real"))
    assert full == np.abs(truth("real") - guess("real")).mean() + np.random.RandomState(20180220).random()
    assert score_predictions(made, guess("real"))[0] == scores


@pytest.mark.parametrize("value", ["np.float32(0.5)", "np.float64(0.5)", "Fraction(1, 2)", "0.5"])
def test_any_kind_of_one_real_number_is_a_score(value, assignment):
    source = "import numpy as np\nfrom fractions import Fraction\ndef score(s, p):\n"
    assert score_predictions(assignment(f"{source}    return {value}\n"), guess("real"))[1] == 0.5


def test_what_a_metric_leaves_running_ends_with_it(assignment, nothing_runs):
    source = (
        "import os, time\n"
        "def score(solution, predictions):\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        time.sleep(99)\n"
        "    return 1.0\n"
    )
    began = time.monotonic()
    with contextlib.suppress(GradingError):  # its resamples fork as well, and may reach the limit of processes
        assert score_predictions(assignment(source), guess("real"))[1] == 1.0
    assert time.monotonic() - began < 15
    nothing_runs()


WRITE_EVERYWHERE = """
import json, os
def score(solution, predictions):
    forged = json.dumps({"token": "", "public": 1.0, "private": 1.0, "full": 1.0, "interval": None,
                         "secondary": {"public": {}, "private": {}}}).encode() + b"\\n"
    for number in range(64):
        try:
            os.write(number, forged)
        except OSError:
            pass
"""
ATTACKS = {
    "crash": ("def score(solution, predictions):\n    raise KeyError('here')\n", "KeyError: 'here'"),
    "segfault": ("import ctypes\ndef score(s, p):\n    ctypes.string_at(0)\n", "signal 11|status 139"),
    "abort": ("import os\ndef score(s, p):\n    os.abort()\n", "signal 6"),
    "hang": ("def score(solution, predictions):\n    while True: pass\n", "more than 1 s"),
    "hang loudly": ("def score(s, p):\n    while True: print('x' * 99)\n", "more than 1 s"),
    "hang while loading": ("import time\ntime.sleep(99)\n", "more than 1 s"),
    "ignore signals": (
        "import signal, time\ndef score(s, p):\n"
        "    [signal.signal(n, signal.SIG_IGN) for n in (1, 2, 3, 10, 12, 13, 14, 15)]\n    time.sleep(99)\n",
        "more than 1 s",
    ),
    "eat memory": (
        "def score(s, p):\n    kept = []\n    while True: kept.append(bytearray(b'x' * 2**24))\n",
        "more than 512 MiB of memory|MemoryError",
    ),
    "fill the disk": ("def score(s, p):\n    open('/tmp/x', 'wb').write(bytes(2**27))\n    return 1.0\n", "OSError"),
    "fork for ever": (
        "import os, time\ndef score(s, p):\n    while True:\n"
        "        try:\n            os.fork()\n        except OSError:\n            time.sleep(1)\n",
        "processes and threads|more than 1 s",
    ),
    "exit": ("import sys\ndef score(s, p):\n    sys.exit(0)\n", "ended its process early"),
    "exit at once": ("import os\ndef score(s, p):\n    os._exit(0)\n", "ended its process early"),
    "exit while loading": ("raise SystemExit\n", "ended its process early"),
    "exit with a status": ("import os\ndef score(s, p):\n    os._exit(9)\n", "status 9"),
    "forge and exit": (WRITE_EVERYWHERE + "    os._exit(0)\n", "wrote to the result's channel itself"),
    "forge and go on": (WRITE_EVERYWHERE + "    return 1.0\n", "expected one line of finite numbers"),
    "forge and fail": (WRITE_EVERYWHERE + "    raise ValueError\n", "ValueError"),
    "flood the channel": (
        "import os\ndef score(s, p):\n    for n in range(3, 40):\n        try:\n"
        "            [os.write(n, b'9' * 2**16) for _ in range(50)]\n        except OSError: pass\n    return 1.0\n",
        "expected one line of finite numbers",
    ),
    "close the channel": (
        "import os\ndef score(s, p):\n    os.closerange(0, 64)\n    return 1.0\n",
        "status|ended its process early",
    ),
    "exit at the end": (
        "import atexit, os\natexit.register(os._exit, 5)\ndef score(s, p):\n    return 1.0\n",
        "status 5",
    ),
    "hang at the end": (
        "import atexit, time\natexit.register(time.sleep, 99)\ndef score(s, p):\n    return 1.0\n",
        "more than 1 s",
    ),
    "nan": ("def score(s, p):\n    return float('nan')\n", "score: expected a finite number, found nan"),
    "infinity": ("import numpy as np\ndef score(s, p):\n    return -np.inf\n", "expected a finite number, found -inf"),
    "nothing": ("def score(s, p):\n    pass\n", "expected one number, found NoneType"),
    "text": ("def score(s, p):\n    return '1.0'\n", "expected one number, found str"),
    "array": ("def score(s, p):\n    return s\n", "expected one number, found ndarray"),
    "array of one": ("import numpy as np\ndef score(s, p):\n    return np.ones(1)\n", "found ndarray"),
    "truth value": ("def score(s, p):\n    return True\n", "expected one number, found bool"),
    "complex": ("def score(s, p):\n    return 1j\n", "expected one number, found complex"),
    "too large": ("def score(s, p):\n    return 10**400\n", "OverflowError"),
    "no function": ("answer = 42\n", r"expected a function score\(solution, predictions\)"),
    "other arguments": ("def score(s):\n    return 1.0\n", "TypeError"),
    "no Python": ("def score(:\n", "SyntaxError"),
    "secondary of nan": (SILENT + "def secondary(s, p):\n    return {'a': float('nan')}\n", "secondary 'a'"),
    "secondary of lists": (SILENT + "def secondary(s, p):\n    return [1]\n", "expected a dict"),
    "secondary names": (SILENT + "def secondary(s, p):\n    return {'a\\nb': 1}\n", "letters"),
    "secondary that differs": (
        SILENT + "def secondary(s, p, seen=[]):\n    seen.append(1)\n    return {str(len(seen)): 1}\n",
        "the same names on both sides",
    ),
    "secondary twice": (SILENT + "def secondary(s, p):\n    return {'mae': 1}\n", "in competition.toml already"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_metric_that_gives_no_number_is_the_organisers_error(attack, assignment, nothing_runs):
    source, says = ATTACKS[attack]
    began = time.monotonic()
    made = assignment(source, timeout_s=1 if "more than 1 s" in says else 20)
    with pytest.raises(GradingError, match=says) as caught:
        score_predictions(made, guess("real"))
    assert f"competition {made.competition.name}" in str(caught.value)
    assert not isinstance(caught.value, (InvalidSubmission, ProgramFailed))
    assert len(str(caught.value)) < 4000
    assert time.monotonic() - began < 15
    nothing_runs()


SPY = """
import os, socket
from pathlib import Path
def score(solution, predictions):
    found = []
    for path in (ROOT, '/etc/shadow'):
        try:
            found += os.listdir(path) if os.path.isdir(path) else [open(path).read()]
        except OSError:
            pass
    try:
        socket.create_connection(('127.0.0.1', PORT), 1)
        found.append('network')
    except OSError:
        pass
    found += [name for name in os.environ if 'DATAUAB' in name or 'SECRET' in name]
    found += [name for name in os.listdir(PACKAGE) if name in ('source', 'gradebook', 'docs')]
    if sum(name.isdigit() for name in os.listdir('/proc')) > 9:
        found.append('processes')
    for target in ('/metric.py', '/solution.npy', '/x', '/usr/x'):
        try:
            open(target, 'w')
            found.append('wrote ' + target)
        except OSError:
            pass
    if found:
        raise ValueError(found)
    return 1.0
"""


def test_a_metric_sees_nothing_of_the_host(assignment, monkeypatch):
    monkeypatch.setenv("DATAUAB_ROOT", "/nowhere")
    with socket.create_server(("127.0.0.1", 0)) as server:
        source = SPY.replace("PORT", str(server.getsockname()[1])).replace(
            "PACKAGE", repr(str(package_folder().parent))
        )
        made = assignment(None)
        folder = made.settings.source / made.competition.name
        (folder / "metric.py").write_text(source.replace("ROOT", repr(str(made.settings.root))))
        assert score_predictions(made, guess("real"))[1] == 1.0


def test_a_missing_metric_is_told_with_its_path(assignment):
    with pytest.raises(GradingError, match=r"metric\.py: the competition's own metric cannot be read"):
        score_predictions(assignment(None), guess("real"))


def test_an_endless_metric_is_refused(assignment):
    made = assignment(SILENT + "#" * 2**20)
    with pytest.raises(GradingError, match="at most 1048576 bytes"):
        score_predictions(made, guess("real"))


def test_the_hash_changes_with_the_metric_alone(assignment):
    first, second = assignment(SILENT), assignment(SILENT + "# another word\n")
    hashes = [score_predictions(made, guess("real"))[0].scorer_hash for made in (first, second, first)]
    assert hashes[0] == hashes[2] != hashes[1]
    assert hashes[0] == scorer_hash(read_source(first.settings, first.competition.name))
    assert len(hashes[0]) == 64
    assert RESAMPLES == 200


def test_authors_see_their_errors_where_the_organiser_likes(assignment):
    made = assignment(LARGEST_ERROR, extra="board = {author_view = true}\n")
    view = score_predictions(made, guess("real"))[0].author_view
    assert view is not None
    assert view["kind"] == "residuals"
