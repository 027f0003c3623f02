"""The trusted kernel: runs autograder cells as their author wrote them, beside the solution.

It is a clean kernel in a sandbox of its own. From the student comes one array of checked type and shape, nothing else.
"""

from __future__ import annotations

import base64
import io
import json
import math
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datauab.autograde.kernels import SOLUTION, trusted_job
from datauab.autograde.limits import RunStopped
from datauab.autograde.wire import Kernel, Message
from datauab.competition import Competition
from datauab.errors import GradingError
from datauab.settings import Limits

_VALUES = "application/vnd.datauab.reported+json"
# Names that begin so are hidden from autograder cells' own, which are ordinary Python.
_PRELUDE = f"""
import base64, io, json
import numpy as np

solution = np.load({SOLUTION!r}, allow_pickle=False)


class _Reported(dict):
    def _repr_mimebundle_(self, **_):
        return {{{_VALUES!r}: json.dumps(self)}}


_reported = _Reported()


def report(**values):
    \"\"\"Hand metric values to the grader; one of them is the competition's own and gives the points.\"\"\"
    _reported.update((name, float(value)) for name, value in values.items())


def _predictions(text):
    return np.load(io.BytesIO(base64.b64decode(text)), allow_pickle=False)
"""


@dataclass(frozen=True)
class Verdict:
    """What one autograder cell said.

    Attributes
    ----------
    reported : dict of str to float
        Values that it handed to ``report``; empty where it never did.
    raised : str
        What it raised, for instructors only: it may show labels. Empty where nothing.
    result : str
        How IPython wrote the value of its last expression; empty where there was none.
    """

    reported: dict[str, float]
    raised: str = ""
    result: str = ""


class TrustedKernel:
    """A clean kernel that holds the solution of one competition, as a context manager."""

    def __init__(self, competition: Competition, solution: NDArray[Any], limits: Limits) -> None:
        content = io.BytesIO()
        np.save(content, solution, allow_pickle=False)
        self._competition = competition
        self._kernel = Kernel(trusted_job(content.getvalue()), limits)

    def __enter__(self) -> TrustedKernel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kernel.close()

    def give(self, predictions: NDArray[Any], score: float | None = None) -> None:
        """Hand over checked predictions; must come before any cell.

        `score` becomes the variable of that name: what the competition's own metric gave, which cells cannot compute.
        """
        content = io.BytesIO()
        np.save(content, predictions, allow_pickle=False)
        text = base64.b64encode(content.getvalue()).decode("ascii")
        described = self._competition.model_dump_json()
        self._run(_PRELUDE + f"\ncompetition = json.loads({described!r})\n")
        self._run(f"predictions = _predictions({text!r})")
        if score is not None:
            self._run(f"score = {float(score)!r}")

    def run(self, source: str) -> Verdict:
        """Run one autograder cell.

        Raises
        ------
        GradingError
            Where the kernel dies: what the cell does is the organiser's.
        """
        self._run("_reported.clear()")
        said: list[Message] = []
        try:
            reply = self._kernel.execute(source, on_output=said.append)
        except RunStopped as error:
            raise GradingError(f"an autograder cell of {self._competition.name} ended its kernel: {error}") from error
        raised = "" if reply.ok else f"{reply.content.get('ename')}: {reply.content.get('evalue')}"
        found = self._run("", {"reported": "_reported"})
        try:
            values = json.loads(found["reported"]["data"][_VALUES])
        except (KeyError, TypeError, ValueError) as error:
            raise GradingError(
                f"an autograder cell of {self._competition.name} broke report(): it must not assign to that name"
            ) from error
        wrong = {name: value for name, value in values.items() if not math.isfinite(value)}
        if wrong:
            raise GradingError(f"an autograder cell of {self._competition.name} reported no finite number: {wrong}")
        return Verdict(values, raised, _result(said))

    def _run(self, source: str, expressions: dict[str, str] | None = None) -> dict[str, Any]:
        try:
            reply = self._kernel.execute(source, expressions=expressions)
        except RunStopped as error:
            raise GradingError(f"the trusted kernel of {self._competition.name} ended: {error}") from error
        if not reply.ok:
            raise GradingError(
                f"the trusted kernel of {self._competition.name} failed: {reply.content.get('ename')}: "
                f"{reply.content.get('evalue')}"
            )
        values: dict[str, Any] = reply.content.get("user_expressions", {})
        return values


def _result(said: list[Message]) -> str:
    """The first result that the kernel sent: where nbgrader looks for partial credit, and no student's code runs."""
    for message in said:
        if message["header"].get("msg_type") == "execute_result":
            return str(message["content"]["data"].get("text/plain", ""))
    return ""
