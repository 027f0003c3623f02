"""Feedback from an allow-list: the student's own cells and outputs, their marks, and nothing of the grader's."""

from __future__ import annotations

from typing import Any

from jinja2 import BytecodeCache, Environment
from jinja2.bccache import Bucket
from nbconvert.exporters import HTMLExporter
from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import List

from datauab import gradebook as gradebooks
from datauab.autograde.outputs import clean_markdown, plain, safe_output
from datauab.autograde.sanitise import autograder_cells, known_cells

HIDDEN = "# The checks of this cell run on hidden labels; its result is below."
# What the feedback page reads of a cell; nbgrader's GetGrades puts marks and comments there.
_SHOWN = (
    "grade",
    "grade_id",
    "solution",
    "task",
    "locked",
    "points",
    "score",
    "comment",
    "schema_version",
    "cell_type",
)


class _Compiled(BytecodeCache):
    """Templates that this process has compiled: that is most of the time that a page takes."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[str, Any]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        checksum, code = self._kept.get(bucket.key, ("", None))
        if checksum == bucket.checksum:
            bucket.code = code

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key] = (bucket.checksum, bucket.code)


_COMPILED = _Compiled()


class FeedbackExporter(HTMLExporter):
    """nbconvert's exporter, which compiles each template of the page once in a process."""

    def _create_environment(self) -> Environment:
        environment: Environment = super()._create_environment()
        environment.bytecode_cache = _COMPILED
        return environment


class FeedbackOnly(NbGraderPreprocessor):
    """Runs after GetGrades: of an autograder cell only its marks and the public score stay."""

    # The HTML exporter sets this on each of its preprocessors and warns about those that do not know it.
    display_data_priority = List(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """Build the notebook that feedback is made from."""
        info = resources["nbgrader"]
        with gradebooks.at(info["db_url"]) as gradebook:
            known = known_cells(gradebook, info["notebook"], info["assignment"])
        hidden = set(autograder_cells(known))
        nb.cells = [_shown(cell, hidden) for cell in nb.cells]
        nb.metadata = NotebookNode(language_info={"name": "python", "pygments_lexer": "ipython3"})
        return nb, resources


def _shown(cell: NotebookNode, hidden: set[str]) -> NotebookNode:
    info = cell.metadata.get("nbgrader", {})
    metadata = {name: info[name] for name in _SHOWN if name in info}
    made = NotebookNode(cell_type=cell.cell_type, id=cell.get("id", "cell"), metadata=NotebookNode())
    if metadata:
        made.metadata.nbgrader = NotebookNode(metadata)
    if cell.cell_type != "code":
        made.source = clean_markdown(cell.source)
        return made
    made.execution_count = cell.get("execution_count")
    if info.get("grade_id") in hidden:
        made.source = HIDDEN
        made.outputs = [
            NotebookNode(output_type="stream", name="stdout", text=plain(output.text, 4000))
            for output in cell.outputs
            if output.output_type == "stream"
        ]
        return made
    made.source = cell.source
    made.outputs = [kept for kept in map(safe_output, cell.outputs) if kept is not None]
    return made
