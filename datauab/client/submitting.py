"""Handing in from a notebook or the command line, and what comes back."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from datauab.client.predictions import Packed, pack
from datauab.client.service import Service, open_service
from datauab.errors import ClubError

LONGEST_WAIT = 30.0
"""Seconds that the club holds one request open; who waits longer asks again."""

NEWS = timedelta(days=1)
"""Announcements that are younger are shown."""


@dataclass(frozen=True)
class Result:
    """What became of something that was handed in.

    Attributes
    ----------
    attempt : int
        Its number.
    state : {"queued", "running", "scored", "failed"}
        When the wait ended.
    score : float or None
        On the public rows; None where there is none, or none to be seen.
    interval : tuple of float or None
        95 % bootstrap interval of `score`.
    rank, entrants : int or None
        Place on the public board, and of how many.
    left_today : int or None
        Scored attempts that are left today; None where there is no limit.
    reason : str
        Why it failed; empty where it did not.
    note : str
        Why something is not shown; empty where everything is.
    receipt : str
        Signed proof of what arrived and when.
    url : str
        The attempt's page.
    """

    competition: str
    attempt: int
    state: Literal["queued", "running", "scored", "failed"]
    score: float | None
    interval: tuple[float, float] | None
    rank: int | None
    entrants: int | None
    left_today: int | None
    reason: str
    note: str
    receipt: str
    url: str
    digits: int = 4

    def __str__(self) -> str:
        return "\n".join([f"attempt {self.attempt} at {self.competition}: {self._outcome()}", *self._details()])

    def _repr_html_(self) -> str:
        """One line with a link: the rest was printed when it was handed in."""
        place = urlsplit(self.url).path  # the notebook is served by the same host as the club's pages
        words = [f'<a href="{escape(place)}" target="_blank">Attempt {self.attempt}</a>', escape(self._outcome())]
        if self.rank is not None:
            words.append(f"rank {self.rank} of {self.entrants}")
        return f"<p>{' · '.join(words)}</p>"

    def _outcome(self) -> str:
        if self.state == "failed":
            return f"could not be scored: {self.reason}"
        if self.state != "scored":
            return "it arrived and waits for its score"
        if self.score is None:
            return "scored"
        between = ""
        if self.interval:
            low, high = (f"{bound:.{self.digits}f}" for bound in self.interval)
            between = f" (95 % interval {low} to {high})"
        return f"public score {self.score:.{self.digits}f}{between}"

    def _details(self) -> list[str]:
        lines = [self.note] if self.note else []
        if self.rank is not None:
            lines.append(f"rank {self.rank} of {self.entrants}")
        if self.left_today is not None:
            lines.append(f"{self.left_today} scored {'attempt' if self.left_today == 1 else 'attempts'} left today")
        return [f"  {line}" for line in (*lines, f"receipt {self.receipt}")]


def submit(name: str, predictions: Any, wait: float = 30.0) -> Result:
    """Hand in predictions, or a file, and show its score.

    Parameters
    ----------
    name : str
        The competition.
    predictions : array-like, str or Path
        One prediction for each test row, in the order of the rows; or a file: predictions (``.npy``, ``.csv``,
        ``.parquet``, ``.pkl``, or a ``.zip`` of one), or the assignment's notebook.
    wait : float
        Seconds to wait for the score; 0 returns as soon as it is on the club's disk.

    Raises
    ------
    InvalidSubmission, PhaseClosed, LimitReached
        Where it is refused, with the reason; nothing is stored then, and no attempt is used up.
    ClubError
        Where there is no hub, as while being graded, or it does not answer.
    """
    with open_service(f"submit {name}", "nothing can be handed in here") as service:
        for line in news(service, name):
            print(line)  # noqa: T201 - the answer to a student in a notebook
        result = send(service, name, pack(name, predictions), wait)
    print(result)  # noqa: T201 - the same
    return result


def send(service: Service, name: str, packed: Packed, wait: float) -> Result:
    """Send one file so that it becomes exactly one attempt, and wait for its ending.

    Raises
    ------
    ClubError
        Where it is refused, where nobody answers, or where what arrived is not what was sent.
    """
    until = time.monotonic() + max(0.0, wait)
    headers = {"Idempotency-Key": uuid.uuid4().hex, "Content-Type": "application/octet-stream"}
    first = min(max(0.0, wait), LONGEST_WAIT)
    path = f"competitions/{name}/attempts"
    answer = service.post(path, packed.content, headers, wait=first, filename=packed.filename)
    digest = hashlib.sha256(packed.content).hexdigest()
    if answer.get("sha256") != digest:
        raise ClubError(
            f"{service.what}: what arrived is not what was sent: expected SHA-256 {digest}, found "
            f"{answer.get('sha256')}; send it again"
        )
    while answer["state"] in ("queued", "running") and (left := until - time.monotonic()) > 0:
        answer = service.get(f"attempts/{answer['id']}", wait=min(left, LONGEST_WAIT))
    return _result(service, answer)


def news(service: Service, name: str) -> list[str]:
    """Announcements of the last day, the newest first; none where they cannot be read."""
    try:
        found = service.get(f"competitions/{name}/announcements", tries=1)
    except ClubError:  # whatever is wrong is told when the predictions are sent
        return []
    since = datetime.now(UTC) - NEWS
    recent = [one for one in found if datetime.fromisoformat(one["at"]) > since]
    return [f"announcement of {datetime.fromisoformat(one['at']):%d %B, %H:%M} UTC: {one['text']}" for one in recent]


def _result(service: Service, answer: Mapping[str, Any]) -> Result:
    interval = answer.get("interval")
    return Result(
        competition=answer["competition"],
        attempt=answer["id"],
        state=answer["state"],
        score=answer.get("score"),
        interval=(interval[0], interval[1]) if interval else None,
        rank=answer.get("rank"),
        entrants=answer.get("entrants"),
        left_today=answer.get("left_today"),
        reason=answer.get("reason") or "",
        note=answer.get("note") or "",
        receipt=answer["receipt"],
        url=f"{service.where}attempts/{quote(str(answer['id']))}",
        digits=answer.get("digits", 4),
    )
