"""What a submitted notebook says about itself is replaced by what the gradebook knows about it."""

from __future__ import annotations

from typing import Any

from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor

from datauab import gradebook as gradebooks
from datauab.autograde.checkpoint import TAG

_SCHEMA = 3  # of nbgrader's cell metadata


class Sanitise(NbGraderPreprocessor):
    """Runs first: keeps the student's sources and order of cells, and nothing else that they could have written.

    Metadata, attachments and outputs go. A cell counts as one of the assignment's where its ``grade_id`` is known
    (of doubles the last one, as nbgrader chooses); its type, points and rights then come from the gradebook. Cells of
    the assignment that are missing come back after the one before them.
    """

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """Clean `nb` in place."""
        info = resources["nbgrader"]
        with gradebooks.at(info["db_url"]) as gradebook:
            known = known_cells(gradebook, info["notebook"], info["assignment"])
        return sanitised(nb, known), resources


def sanitised(nb: NotebookNode, known: dict[str, NotebookNode]) -> NotebookNode:
    """Keep of `nb` the student's sources and order of cells; `known` says the rest. Changes `nb` in place."""
    found: dict[str, NotebookNode] = {}
    cells = []
    for cell in reversed(nb.cells):
        grade_id = _grade_id(cell)
        if grade_id not in known or grade_id in found:
            cells.append(clean_cell(cell))
        else:
            found[grade_id] = restored(cell, known[grade_id])
            cells.append(found[grade_id])
    cells.reverse()
    nb.cells = add_missing(cells, known)
    for number, cell in enumerate(nb.cells):
        cell.id = f"cell-{number}"
    kernelspec = NotebookNode(name="python3", display_name="Python 3", language="python")
    nb.metadata = NotebookNode(kernelspec=kernelspec, language_info=NotebookNode(name="python"))
    nb.nbformat, nb.nbformat_minor = 4, 5
    return nb


def known_cells(gradebook: Any, notebook: str, assignment: str) -> dict[str, NotebookNode]:
    """Cells of the assignment as they were generated, by ``grade_id``, in their order; hidden tests included."""
    found = gradebook.find_notebook(notebook, assignment)
    worth = {cell.name: float(cell.max_score) for cell in found.grade_cells}
    tasks = {cell.name: float(cell.max_score) for cell in found.task_cells}
    solutions = {cell.name for cell in found.solution_cells}
    known = {}
    for cell in found.source_cells:
        task = cell.name in tasks
        metadata = {
            "grade_id": cell.name,
            "grade": cell.name in worth,
            "solution": cell.name in solutions,
            "task": task,
            "locked": bool(cell.locked),
            "checksum": cell.checksum,
            "cell_type": cell.cell_type,
            "schema_version": _SCHEMA,
        }
        if cell.name in worth or task:
            metadata["points"] = worth[cell.name] if cell.name in worth else tasks[cell.name]
        made = {"cell_type": cell.cell_type, "source": cell.source or "", "metadata": {"nbgrader": metadata}}
        known[cell.name] = _with_fields(NotebookNode(made))
        known[cell.name].metadata = _node(made["metadata"])
    return known


def autograder_cells(known: dict[str, NotebookNode]) -> dict[str, NotebookNode]:
    """Those of `known` that are autograder cells: graded code that the student does not write."""
    return {
        name: cell
        for name, cell in known.items()
        if cell.cell_type == "code" and cell.metadata.nbgrader.grade and not cell.metadata.nbgrader.solution
    }


def clean_cell(cell: NotebookNode) -> NotebookNode:
    """A cell of the student's own: its type and source."""
    kind = cell.cell_type if cell.get("cell_type") in ("code", "markdown", "raw") else "raw"
    return _with_fields(NotebookNode(cell_type=kind, source=_source(cell), metadata=_kept_tags(cell)))


def restored(cell: NotebookNode, known: NotebookNode) -> NotebookNode:
    """The assignment's cell `known` with the student's source where that may be changed."""
    made = _copy(known)
    made.metadata.update(_kept_tags(cell))
    if not known.metadata.nbgrader.locked or known.metadata.nbgrader.solution:
        made.source = _source(cell)
    return made


def add_missing(cells: list[NotebookNode], known: dict[str, NotebookNode]) -> list[NotebookNode]:
    """`cells` with those of `known` that they lack, each after the one that comes before it in `known`."""
    cells = list(cells)
    place = 0
    for name, cell in known.items():
        places = [number for number, found in enumerate(cells) if _grade_id(found) == name]
        if places:
            place = places[0] + 1
            continue
        if name in autograder_cells({name: cell}):
            # Moved or deleted: at the end everything that the notebook computes is there.
            cells.append(_copy(cell))
        else:
            cells.insert(place, _copy(cell))
            place += 1
    return cells


def _kept_tags(cell: NotebookNode) -> NotebookNode:
    """Of a cell's tags the one that means something while grading."""
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    return NotebookNode(tags=[TAG]) if isinstance(tags, list) and TAG in tags else NotebookNode()


def _grade_id(cell: NotebookNode) -> str:
    metadata = cell.get("metadata")
    info = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    name = info.get("grade_id") if isinstance(info, dict) else None
    return name if isinstance(name, str) else ""


def _source(cell: NotebookNode) -> str:
    source = cell.get("source", "")
    text = "".join(map(str, source)) if isinstance(source, list) else str(source)
    return text.encode("utf-8", "replace").decode("utf-8")


def _with_fields(cell: NotebookNode) -> NotebookNode:
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None
    return cell


def _copy(cell: NotebookNode) -> NotebookNode:
    made = NotebookNode(cell_type=cell.cell_type, source=cell.source)
    made.metadata = _node({"nbgrader": dict(cell.metadata.nbgrader)})
    return _with_fields(made)


def _node(value: dict[str, Any]) -> NotebookNode:
    return NotebookNode({key: NotebookNode(part) if isinstance(part, dict) else part for key, part in value.items()})
