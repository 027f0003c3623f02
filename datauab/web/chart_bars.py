"""Charts of counts: how scores are distributed, and for the author alone how large errors are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from markupsafe import Markup, escape

from datauab.web.chart import (
    Drawing,
    Frame,
    Scale,
    floor_line,
    heading,
    nice_ticks,
    number,
    short,
    svg,
    tick_digits,
    value_grid,
)

MOST_BARS = 24
FEWEST = 5
"""Below this number of entrants a distribution says nothing that the board does not."""


@dataclass(frozen=True)
class BarChart:
    """What the chart shows.

    Attributes
    ----------
    name : str
        Tells charts of one page apart, in identifiers.
    title, axis, unit : str
        Heading, the label of the vertical axis, and the name of the values along the horizontal one.
    edges : sequence of float
        Growing ends of the bars: one more than there are bars.
    counts : sequence of int
        Height of each bar.
    marks : sequence of (str, float, str)
        Vertical lines: name, value and the class of the line.
    summary : str
        The chart in words.
    """

    name: str
    title: str
    axis: str
    unit: str
    edges: Sequence[float]
    counts: Sequence[int]
    marks: Sequence[tuple[str, float, str]] = field(default=())
    summary: str = ""


def draw_bars(chart: BarChart) -> Drawing:
    """Draw `chart` in both sizes; nothing where all counts are 0."""
    if not any(chart.counts):
        return Drawing()
    return Drawing(_draw(chart, narrow=False), _draw(chart, narrow=True))


def score_edges(worst: float, best: float) -> list[float]:
    """Round ends of bars that hold both scores, at most `MOST_BARS` bars."""
    low, high = min(worst, best), max(worst, best)
    if high - low <= 1e-9 * max(1.0, abs(high)):
        pad = max(0.05 * abs(high), 0.01)
        low, high = low - pad, high + pad
    ticks = nice_ticks(low, high, MOST_BARS - 2)
    step = ticks[1] - ticks[0] if len(ticks) > 1 else high - low
    first = math.floor(low / step + 1e-9)
    last = max(first + 1, math.ceil(high / step - 1e-9))
    return [round(index * step, 12) for index in range(first, last + 1)]


def distribution(
    count: Callable[[Sequence[float]], list[int]],
    *,
    worst: float,
    best: float,
    entrants: int,
    title: str,
    unit: str,
    digits: int,
    marks: Sequence[tuple[str, float, str]],
) -> BarChart:
    """Make the chart of a board's scores between `worst` and `best`; `count` counts scores between edges."""
    edges = score_edges(worst, best)
    counts = count(edges)
    beyond = entrants - sum(counts)
    summary = f"{entrants} scores, the best {number(best, digits)}."
    if beyond:
        summary += f" {beyond} lie beyond the axis and are not drawn."
    return BarChart("spread", title, "entrants", unit, edges, counts, marks, summary)


def _draw(chart: BarChart, *, narrow: bool) -> Markup:
    width, height = (360.0, 250.0) if narrow else (800.0, 250.0)
    frame = Frame(width, height, 44.0 if narrow else 52.0, 14.0, 56, 46, narrow)
    across = Scale(chart.edges[0], chart.edges[-1])
    top = max(chart.counts)
    up = Scale(0, top * 1.08)
    ticks = nice_ticks(across.low, across.high, 5 if narrow else 9)
    digits = tick_digits(ticks)
    parts = [
        *heading(chart.title, chart.axis),
        *value_grid(frame, up, min(4, top)),
        *_bars(frame, across, up, chart),
        *floor_line(frame, [(across.share(value), number(value, digits)) for value in ticks]),
        f'<text class="chart-axis" x="{frame.plot_right:g}" y="{frame.height - 8:g}" text-anchor="end">'
        f"{escape(chart.unit)}</text>",
        *_marks(frame, across, chart),
    ]
    return svg(chart.name, frame, chart.title, chart.summary, parts)


def _bars(frame: Frame, across: Scale, up: Scale, chart: BarChart) -> list[str]:
    parts = []
    for (low, high), count in zip(pairwise(chart.edges), chart.counts, strict=True):
        x, end = frame.across(across.share(low)), frame.across(across.share(high))
        y = min(frame.up(up.share(count)), frame.floor - 1)
        gap = 1.0 if end - x > 4 else 0.0
        if count:
            parts.append(
                f'<rect class="chart-bar" x="{x + gap / 2:.1f}" y="{y:.1f}" width="{end - x - gap:.1f}" '
                f'height="{frame.floor - y:.1f}"/>'
            )
    return parts


def _marks(frame: Frame, across: Scale, chart: BarChart) -> list[str]:
    inside = [mark for mark in chart.marks if across.holds(mark[1])]
    shown = sorted((across.share(value), short(name, 14), style) for name, value, style in inside)
    parts = []
    ends = [0.0, 0.0]  # where the last label of the lower and of the upper line ends
    for share, name, style in shown:
        x, half = frame.across(share), 3.6 * len(name)
        middle = min(max(x, frame.left + half), frame.width - half)
        line = 0 if middle - half > ends[0] + 6 else 1
        ends[line] = middle + half
        parts.append(
            f'<line class="{style}" x1="{x:.1f}" x2="{x:.1f}" y1="{frame.top:g}" y2="{frame.floor:g}"/>'
            f'<text class="chart-label" x="{middle:.1f}" y="{frame.top - 5 - 14 * line:g}" text-anchor="middle">'
            f"{escape(name)}</text>"
        )
    return parts
