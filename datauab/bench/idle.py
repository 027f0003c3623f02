"""What a member waits for who hands a light notebook in while nobody else does."""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path

from datauab.archive import make_archive
from datauab.bench.courses import Course, linear_course
from datauab.bench.deployment import Bench, free_port
from datauab.bench.figure import Figure
from datauab.bench.served import TOKEN
from datauab.errors import ClubError
from datauab.ledger import Ledger
from datauab.solutions import read

_LOOK_S = 0.02
_PATIENCE_S = 120.0
_WARM_UP = 2
_PAUSE_S = 1.0


def idle_figures(root: Path, notebooks: int) -> list[Figure]:
    """Hand notebooks in one after another, through the real web service and the real grader.

    Parameters
    ----------
    root : Path
        An empty folder.
    notebooks : int
        How many; each by another member, when the one before is done.

    Returns
    -------
    list of Figure
        ``submit_to_board``, from the request to the row on the board, and ``overhead``, the grader's time for a
        notebook beyond its own cells: medians, in seconds.

    Raises
    ------
    ClubError
        Where one gets no score.
    """
    from datauab import course as courses

    course = linear_course(root, club=True)
    settings = course.settings
    with Ledger.open(settings) as ledger:
        ledger.publish_release(course.name, courses.release_archive(settings, course.name), by="bench")
    bench = Bench(settings, free_port(), read(settings, course.name).array, {})
    try:
        bench.start("web")
        bench.start("grader")
        seconds = [_submit(bench, course, number) for number in range(_WARM_UP + notebooks)]
    finally:
        bench.stop()
    with Ledger.open(settings) as ledger:
        found = ledger.newest_gradings(course.name)
    spent = [found[_member(number)].seconds for number in range(_WARM_UP, _WARM_UP + notebooks)]
    overhead = statistics.median(run["whole"] - run["cells"] for run in spent)
    return [
        Figure("overhead", overhead, "s beyond the notebook's own cells"),
        Figure("submit_to_board", statistics.median(seconds[_WARM_UP:]), "s"),
    ]


def _member(number: int) -> str:
    return f"member{number}"


def _submit(bench: Bench, course: Course, number: int) -> float:
    """Seconds from the request that hands in to the answer that shows the row."""
    member = _member(number)
    archive = make_archive({f"{course.name}.ipynb": course.solved(number).encode()})
    prefix = f"{bench.settings.web_prefix}api/v1/competitions/{course.name}"
    headers = {"Authorization": f"token {TOKEN}{member}", "Content-Type": "application/octet-stream"}
    connection = bench.client()
    began = time.monotonic()
    connection.request("POST", f"{prefix}/attempts?filename={course.name}.zip", archive, headers)
    answer = connection.getresponse()
    told = json.loads(answer.read())
    if answer.status != 201:
        raise ClubError(f"bench autograde: expected HTTP 201 for a notebook, found {answer.status}: {told}")
    while time.monotonic() - began < _PATIENCE_S:
        connection.request("GET", f"{prefix}/leaderboard?page=1", headers=headers)
        rows = json.loads(connection.getresponse().read())["rows"]
        if any(row["mine"] for row in rows):
            seconds = time.monotonic() - began
            time.sleep(_PAUSE_S)  # feedback is still written, and the machine is to be idle for the next one
            return seconds
        time.sleep(_LOOK_S)
    log = (bench.settings.root / "grader.log").read_text(encoding="utf-8", errors="replace")[-2000:]
    raise ClubError(f"bench autograde: expected {member} on the board within {_PATIENCE_S:g} s, found no row: {log}")
