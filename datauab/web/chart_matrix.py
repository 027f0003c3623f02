"""The author's own view of an attempt on the public rows: a confusion matrix, or how large the errors are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from markupsafe import Markup, escape

from datauab.web.chart import Drawing, Frame, number, short, svg
from datauab.web.chart_bars import BarChart, draw_bars

MOST_CLASSES = 30
"""With more classes a cell would be smaller than its border."""

_NUMBERED = 12
"""Classes up to which each cell has its count written in it."""


def draw_author_view(view: Mapping[str, Any], class_names: Sequence[str] = ()) -> Drawing:
    """Draw what `datauab.scoring.author_view` made; nothing where its kind is unknown or too large.

    Parameters
    ----------
    view : mapping
        ``{"kind": "confusion", "classes": […], "counts": [[…]]}``, a row for each true class, or
        ``{"kind": "residuals", "edges": […], "counts": […]}``, errors as prediction less truth.
    class_names : sequence of str
        Names in the order of the classes, where the competition has some.
    """
    if view.get("kind") == "residuals":
        return draw_bars(_residuals(view))
    if view.get("kind") != "confusion" or len(view["classes"]) > MOST_CLASSES:
        return Drawing()
    names = [str(one) for one in class_names] or [str(one) for one in view["classes"]]
    counts = [[int(count) for count in row] for row in view["counts"]]
    return Drawing(_matrix(names, counts, narrow=False), _matrix(names, counts, narrow=True))


def _residuals(view: Mapping[str, Any]) -> BarChart:
    edges, counts = [float(one) for one in view["edges"]], [int(one) for one in view["counts"]]
    middle = [(low + high) / 2 for low, high in pairwise(edges)]
    total = sum(counts)
    mean = sum(value * count for value, count in zip(middle, counts, strict=True)) / total if total else 0.0
    return BarChart(
        name="author",
        title="Errors on the public rows",
        axis="rows",
        unit="prediction less truth",
        edges=edges,
        counts=counts,
        marks=[("no error", 0.0, "chart-baseline")],
        summary=f"{total} rows; on average the prediction is {number(mean, 3)} off.",
    )


def _matrix(names: Sequence[str], counts: Sequence[Sequence[int]], *, narrow: bool) -> Markup:
    most = 10 if narrow else 16
    left = min(7.4 * max(len(short(name, most)) for name in names) + 14, 110 if narrow else 150)
    width = 360.0 if narrow else 800.0
    cell = min((width - left) / len(names), 44.0)
    top, bottom = 58.0, 12.0
    frame = Frame(width, top + cell * len(names) + bottom, left, 0, top, bottom, narrow)
    parts = [
        '<text class="chart-title" x="0" y="16">Confusion on the public rows</text>',
        '<text class="chart-axis" x="0" y="32">rows: true class · columns: predicted class</text>',
    ]
    for index, name in enumerate(names):
        middle = (index + 0.5) * cell
        parts.append(
            f'<text class="chart-label" x="{left - 8:.1f}" y="{top + middle + 4:.1f}" text-anchor="end">'
            f"{escape(short(name, most))}</text>"
            f'<text class="chart-label" x="{left + middle:.1f}" y="{top - 6:g}" text-anchor="middle">'
            f"{escape(short(name, max(1, int(cell / 7.5))))}</text>"
        )
    for true, row in enumerate(counts):
        parts += _cells(frame, cell, true, row)
    right = sum(row[index] for index, row in enumerate(counts))
    total = sum(map(sum, counts))
    return svg("author", frame, "Confusion on the public rows", f"{right} of {total} rows are right.", parts)


def _cells(frame: Frame, cell: float, true: int, row: Sequence[int]) -> list[str]:
    total = sum(row) or 1
    parts = []
    for predicted, count in enumerate(row):
        x, y, share = frame.left + predicted * cell, frame.top + true * cell, count / total
        style = "chart-cell-right" if predicted == true else "chart-cell-wrong"
        parts.append(
            f'<rect class="chart-cell {style}" x="{x:.1f}" y="{y:.1f}" width="{cell - 1:.1f}" height="{cell - 1:.1f}" '
            f'fill-opacity="{0.06 + 0.94 * share if count else 0.04:.2f}"/>'
        )
        if len(row) <= _NUMBERED and count:
            strong = " chart-count-strong" if share > 0.55 else ""
            parts.append(
                f'<text class="chart-count{strong}" x="{x + cell / 2 - 0.5:.1f}" y="{y + cell / 2 + 4:.1f}" '
                f'text-anchor="middle">{count}</text>'
            )
    return parts
