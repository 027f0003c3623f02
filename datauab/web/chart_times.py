"""Charts of scores over time: the top ten of a board, and one member's own attempts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from datauab.web.chart import (
    LABEL_GAP,
    Drawing,
    Frame,
    Scale,
    floor_line,
    heading,
    number,
    padded,
    short,
    spread_labels,
    svg,
    time_pattern,
    time_ticks,
    value_grid,
)

STRONG = 3
"""Lines that have a colour of their own; the others are drawn thin."""


@dataclass(frozen=True)
class Line:
    """How the score of one row grew: steps of moment and score, in the order of time; never empty."""

    name: str
    steps: Sequence[tuple[datetime, float]]

    @property
    def last(self) -> float:
        """The score that counts now."""
        return self.steps[-1][1]


@dataclass(frozen=True)
class TimeChart:
    """What the chart shows.

    Attributes
    ----------
    name : str
        Tells charts of one page apart, in identifiers.
    title, axis : str
        Heading of the drawing, and the label of its vertical axis.
    lines : sequence of Line
        The best first; the first has the strongest line.
    dots : sequence of (datetime, float)
        Single attempts, in any order.
    baselines : sequence of (str, float)
        Name and score of each baseline.
    until : datetime
        Right end of the time axis (aware).
    maximize : bool
        Whether more is better.
    digits : int
        Digits of a score in labels.
    zone : ZoneInfo
        Zone in which times are written.
    """

    name: str
    title: str
    axis: str
    lines: Sequence[Line]
    dots: Sequence[tuple[datetime, float]]
    baselines: Sequence[tuple[str, float]]
    until: datetime
    maximize: bool
    digits: int
    zone: ZoneInfo


def draw_times(chart: TimeChart) -> Drawing:
    """Draw `chart` in both sizes; nothing where it has no line."""
    if not chart.lines:
        return Drawing()
    return Drawing(_draw(chart, narrow=False), _draw(chart, narrow=True))


def score_scale(chart: TimeChart) -> Scale:
    """Range of the vertical axis: dots and steps but for the worst tenth or quarter, and the baselines near them.

    One attempt with an R² of minus a million must not flatten everybody else's line.
    """
    dots = sorted((score for _, score in chart.dots), reverse=chart.maximize)
    steps = sorted((score for line in chart.lines for _, score in line.steps), reverse=chart.maximize)
    usual = [*dots[: math.ceil(0.9 * len(dots))], *steps[: math.ceil(0.75 * len(steps))]]
    usual += [line.last for line in chart.lines]
    best = chart.lines[0].last
    reach = 1.2 * (max(usual) - min(usual)) or abs(best) or 1.0
    near = [score for _, score in chart.baselines if abs(score - best) <= reach]
    return padded([*usual, *near])


def _draw(chart: TimeChart, *, narrow: bool) -> Markup:
    sizes = (360.0, 320.0, 44.0, 96.0) if narrow else (800.0, 330.0, 52.0, 190.0)
    width, height, left, right = sizes
    frame = Frame(width, height, left, right, 40, 34, narrow)
    scale = score_scale(chart)
    times = _time_scale(chart)
    shown = [(at, score) for at, score in chart.dots if scale.holds(score)]
    parts = [
        *heading(chart.title, chart.axis),
        *value_grid(frame, scale),
        *floor_line(frame, _moments(chart, times, 3 if narrow else 6)),
        *_baselines(frame, scale, chart),
        *(_dot(frame, times.share(at.timestamp()), scale.share(score)) for at, score in shown),
        *(_line(frame, scale, times, place, line) for place, line in reversed(list(enumerate(chart.lines)))),
        *_labels(frame, scale, chart),
    ]
    return svg(chart.name, frame, chart.title, _summary(chart, len(chart.dots) - len(shown)), parts)


def _summary(chart: TimeChart, hidden: int) -> str:
    leader = chart.lines[0]
    since = leader.steps[-1][0].astimezone(chart.zone)
    text = f"Best: {number(leader.last, chart.digits)} by {leader.name}, since {since:%d %b %Y, %H:%M}."
    if len(chart.lines) > 1:
        others = "; ".join(f"{line.name} {number(line.last, chart.digits)}" for line in chart.lines[1:])
        text += f" Then {others}."
    if hidden:
        text += f" {hidden} of {len(chart.dots)} attempts lie beyond the axis and are not drawn."
    return text


def _time_scale(chart: TimeChart) -> Scale:
    moments = [at for at, _ in chart.dots] + [at for line in chart.lines for at, _ in line.steps]
    start = min(moments)
    end = max(chart.until, *moments, start + timedelta(minutes=5))
    start -= (end - start) * 0.02
    return Scale(start.timestamp(), end.timestamp())


def _moments(chart: TimeChart, times: Scale, most: int) -> list[tuple[float, str]]:
    start, end = (datetime.fromtimestamp(value, chart.zone) for value in (times.low, times.high))
    moments = time_ticks(start, end, most, chart.zone)
    pattern = time_pattern(moments)
    return [(times.share(one.timestamp()), one.strftime(pattern).lstrip("0")) for one in moments]


def _baselines(frame: Frame, scale: Scale, chart: TimeChart) -> list[str]:
    heights = [frame.up(scale.share(score)) for _, score in chart.baselines if scale.holds(score)]
    ends = f'x1="{frame.left:g}" x2="{frame.plot_right:g}"'
    return [f'<line class="chart-baseline" {ends} y1="{y:.1f}" y2="{y:.1f}"/>' for y in heights]


def _line(frame: Frame, scale: Scale, times: Scale, place: int, line: Line) -> str:
    path = ""
    for at, score in line.steps:
        x, y = frame.across(times.share(at.timestamp())), frame.up(scale.share(score))
        if path:
            path += f"H{x:.1f}V{y:.1f}"
        elif scale.holds(score) or at == line.steps[-1][0]:  # what lies beyond the axis is not drawn along it
            path = f"M{x:.1f} {y:.1f}"
    at, score = line.steps[-1]
    x, y = frame.across(times.share(at.timestamp())), frame.up(scale.share(score))
    style = _style(place)
    return (
        f'<path class="chart-line {style}" d="{path}H{frame.plot_right:g}"/>'
        f'<circle class="chart-end {style}" cx="{x:.1f}" cy="{y:.1f}" r="{4.5 if place == 0 else 3:g}"/>'
    )


def _labels(frame: Frame, scale: Scale, chart: TimeChart) -> list[str]:
    wanted = [
        (frame.up(scale.share(line.last)), line.name, line.last, f"chart-label {_style(place)}")
        for place, line in enumerate(chart.lines)
    ]
    wanted += [
        (frame.up(scale.share(score)), name, score, "chart-label chart-label-baseline")
        for name, score in chart.baselines
        if scale.holds(score)
    ]
    room = int((frame.floor - frame.top) / LABEL_GAP)
    wanted = wanted[:room]
    places = spread_labels([y for y, *_ in wanted], LABEL_GAP, frame.top, frame.floor)
    x = frame.plot_right + 8
    parts = []
    for (_, name, score, style), y in zip(wanted, places, strict=True):
        value = number(score, chart.digits)
        text = short(name, 11) if frame.narrow else f"{value}  {short(name, 21 - len(value))}"
        parts.append(f'<text class="{style}" x="{x:g}" y="{y + 4:.1f}">{escape(text)}</text>')
    return parts


def _style(place: int) -> str:
    return f"chart-place-{place + 1}" if place < STRONG else "chart-place-rest"


def _dot(frame: Frame, across: float, up: float) -> str:
    return f'<circle class="chart-dot" cx="{frame.across(across):.1f}" cy="{frame.up(up):.1f}" r="2.5"/>'
