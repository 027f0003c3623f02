"""The chart of a leaderboard: best public score over time, as an SVG that needs no script.

Colours come from the page's style sheet through classes, so that the chart follows light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

LABEL_GAP = 15.0
"""Least distance between the baselines of two labels, in user units of the drawing."""

_TIME_STEPS = tuple(
    timedelta(**{unit: count})
    for unit, counts in {
        "minutes": (1, 2, 5, 10, 15, 30),
        "hours": (1, 2, 3, 6, 12),
        "days": (1, 2, 7, 14, 28, 56, 112, 224, 448, 896),
    }.items()
    for count in counts
)


@dataclass(frozen=True)
class Improvement:
    """A moment at which the best score of the whole board changed."""

    at: datetime
    score: float
    name: str


@dataclass(frozen=True)
class ScoreHistory:
    """What the chart shows.

    Attributes
    ----------
    title, axis : str
        Heading of the drawing, and the label of its vertical axis.
    improvements : sequence of Improvement
        In the order of time; the last one leads.
    attempts : sequence of (datetime, float)
        Every scored attempt of members, in any order.
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

    title: str
    axis: str
    improvements: Sequence[Improvement]
    attempts: Sequence[tuple[datetime, float]]
    baselines: Sequence[tuple[str, float]]
    until: datetime
    maximize: bool
    digits: int
    zone: ZoneInfo


@dataclass(frozen=True)
class Frame:
    """The drawing's area in user units, and the ranges it maps to it."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    start: datetime
    end: datetime
    low: float
    high: float
    narrow: bool = field(default=False)

    def x(self, moment: datetime) -> float:
        """Horizontal position of `moment`."""
        share = (moment - self.start) / (self.end - self.start)
        return self.left + share * (self.width - self.left - self.right)

    def y(self, score: float) -> float:
        """Vertical position of `score`."""
        share = (score - self.low) / (self.high - self.low)
        return self.height - self.bottom - share * (self.height - self.top - self.bottom)


def draw_history(history: ScoreHistory, *, narrow: bool) -> Markup:
    """Draw `history` for a wide or a narrow screen; an empty string where no member has a score yet."""
    if not history.improvements:
        return Markup("")
    frame = _frame(history, narrow)
    shown = [(at, score) for at, score in history.attempts if frame.low <= score <= frame.high]
    hidden = len(history.attempts) - len(shown)
    parts = [
        *_grid(frame, history),
        *(_dot(frame, at, score) for at, score in shown),
        *_lines(frame, history),
        *_labels(frame, history),
    ]
    leader = history.improvements[-1]
    kind = "narrow" if narrow else "wide"
    summary = (
        f"{len(history.attempts)} scored attempts. Best: {_number(leader.score, history.digits)} by {leader.name}, "
        f"since {leader.at.astimezone(history.zone):%d %b %Y, %H:%M}."
    )
    if hidden:
        summary += f" {hidden} lie beyond the axis and are not drawn."
    head = (
        f'<svg class="chart chart-{kind}" viewBox="0 0 {frame.width:g} {frame.height:g}" role="img" '
        f'aria-labelledby="chart-title-{kind} chart-text-{kind}" xmlns="http://www.w3.org/2000/svg">'
        f'<title id="chart-title-{kind}">{escape(history.title)}</title>'
        f'<desc id="chart-text-{kind}">{escape(summary)}</desc>'
    )
    return Markup(head + "".join(parts) + "</svg>")  # noqa: S704 - every name above went through escape()


def score_range(history: ScoreHistory) -> tuple[float, float]:
    """Range of the vertical axis: the best attempts but for the worst tenth, and the baselines near them.

    One attempt with an R² of minus a million must not flatten everybody else's line.
    """
    better_first = sorted((score for _, score in history.attempts), reverse=history.maximize)
    usual = better_first[: max(1, math.ceil(0.9 * len(better_first)))]
    spread = abs(usual[0] - usual[-1]) if usual else 0.0
    best = history.improvements[-1].score
    values = [best, *usual]
    reach = 1.2 * spread or abs(best) or 1.0
    values += [score for _, score in history.baselines if abs(score - best) <= reach]
    low, high = min(values), max(values)
    # a range too thin for its numbers to differ in print would have no ticks
    pad = 0.06 * (high - low) if high - low > 1e-9 * max(1.0, abs(high)) else max(0.05 * abs(high), 0.01)
    return low - pad, high + pad


def nice_ticks(low: float, high: float, most: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten in [low, high], at most `most` of them."""
    raw = (high - low) / max(1, most)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def time_ticks(start: datetime, end: datetime, most: int, zone: ZoneInfo) -> list[datetime]:
    """Round moments of `zone` in [start, end], at most `most` of them; the step is a usual one of the clock."""
    span = end - start
    step = next((one for one in _TIME_STEPS if span / one <= most), span)
    local = start.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    offset = (local.replace(tzinfo=None) - midnight.replace(tzinfo=None)) // step
    wall = midnight.replace(tzinfo=None) + offset * step
    ticks: list[datetime] = []
    while True:
        # steps are taken on the wall clock, so that midnights stay midnights when summer time changes
        moment = wall.replace(tzinfo=zone)
        if moment > end:
            return ticks
        if moment >= start:
            ticks.append(moment)
        wall += step


def spread_labels(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move label positions apart to at least `gap`, keeping their order and, where they fit, [low, high]."""
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    placed = [0.0] * len(wanted)
    floor = low
    for index in order:
        placed[index] = max(wanted[index], floor)
        floor = placed[index] + gap
    ceiling = high
    for index in reversed(order):
        placed[index] = min(placed[index], ceiling)
        ceiling = placed[index] - gap
    return placed


def _frame(history: ScoreHistory, narrow: bool) -> Frame:
    low, high = score_range(history)
    start = min([history.improvements[0].at, *(at for at, _ in history.attempts)])
    end = max(history.until, history.improvements[-1].at, start + timedelta(minutes=5))
    start -= (end - start) * 0.02
    sizes = (360.0, 300.0, 44.0, 96.0) if narrow else (800.0, 320.0, 52.0, 190.0)
    width, height, left, right = sizes
    return Frame(width, height, left, right, 40, 34, start, end, low, high, narrow)


def _grid(frame: Frame, history: ScoreHistory) -> list[str]:
    parts = [
        f'<text class="chart-title" x="0" y="16">{escape(history.title)}</text>',
        f'<text class="chart-axis" x="0" y="32">{escape(history.axis)}</text>',
    ]
    plot_right = frame.width - frame.right
    ticks = nice_ticks(frame.low, frame.high, 5)
    digits = _tick_digits(ticks)
    for value in ticks:
        y = frame.y(value)
        parts.append(f'<line class="chart-grid" x1="{frame.left:g}" x2="{plot_right:g}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text class="chart-tick" x="{frame.left - 8:g}" y="{y + 4:.1f}" text-anchor="end">'
            f"{_number(value, digits)}</text>"
        )
    moments = time_ticks(frame.start, frame.end, 3 if frame.narrow else 6, history.zone)
    pattern = _time_pattern(moments)
    floor = frame.height - frame.bottom
    for moment in moments:
        x = frame.x(moment)
        parts.append(f'<line class="chart-tickmark" x1="{x:.1f}" x2="{x:.1f}" y1="{floor:g}" y2="{floor + 5:g}"/>')
        text = moment.strftime(pattern).lstrip("0")
        parts.append(f'<text class="chart-tick" x="{x:.1f}" y="{floor + 20:g}" text-anchor="middle">{text}</text>')
    parts.append(f'<line class="chart-floor" x1="{frame.left:g}" x2="{plot_right:g}" y1="{floor:g}" y2="{floor:g}"/>')
    return parts


def _lines(frame: Frame, history: ScoreHistory) -> list[str]:
    right = frame.width - frame.right
    parts = []
    for _, score in history.baselines:
        if frame.low <= score <= frame.high:
            y = frame.y(score)
            parts.append(f'<line class="chart-baseline" x1="{frame.left:g}" x2="{right:g}" y1="{y:.1f}" y2="{y:.1f}"/>')
    path = ""
    for improvement in history.improvements:
        x = frame.x(improvement.at)
        y = min(max(frame.y(improvement.score), frame.top), frame.height - frame.bottom)
        path += f"H{x:.1f}V{y:.1f}" if path else f"M{x:.1f} {y:.1f}"
    parts.append(f'<path class="chart-best" d="{path}H{right:g}"/>')
    leader = history.improvements[-1]
    parts.append(
        f'<circle class="chart-leader" cx="{frame.x(leader.at):.1f}" cy="{frame.y(leader.score):.1f}" r="4.5"/>'
    )
    return parts


def _labels(frame: Frame, history: ScoreHistory) -> list[str]:
    leader = history.improvements[-1]
    wanted = [(frame.y(leader.score), leader.name, leader.score, "chart-label-best")]
    wanted += [
        (frame.y(score), name, score, "chart-label")
        for name, score in history.baselines
        if frame.low <= score <= frame.high
    ]
    gap, below = (33.0, 15.0) if frame.narrow else (LABEL_GAP, 0.0)
    places = spread_labels([y for y, *_ in wanted], gap, frame.top, frame.height - frame.bottom - below)
    x = frame.width - frame.right + 8
    parts = []
    for (_, name, score, style), y in zip(wanted, places, strict=True):
        number = _number(score, history.digits)
        if frame.narrow:
            parts.append(f'<text class="{style}" x="{x:g}" y="{y + 4:.1f}">{number}</text>')
            parts.append(f'<text class="chart-label" x="{x:g}" y="{y + 18:.1f}">{escape(_short(name, 12))}</text>')
        else:
            shown = escape(_short(name, 23 - len(number)))
            parts.append(f'<text class="{style}" x="{x:g}" y="{y + 4:.1f}">{number}  {shown}</text>')
    return parts


def _dot(frame: Frame, at: datetime, score: float) -> str:
    return f'<circle class="chart-dot" cx="{frame.x(at):.1f}" cy="{frame.y(score):.1f}" r="2.5"/>'


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1].rstrip() + "…"


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace("-", "−")


def _tick_digits(ticks: Sequence[float]) -> int:
    if len(ticks) < 2:
        return 2
    return max(0, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9))


def _time_pattern(moments: Sequence[datetime]) -> str:
    if len(moments) > 1 and moments[1] - moments[0] < timedelta(hours=23):
        same_day = moments[0].date() == moments[-1].date()
        return "%H:%M" if same_day else "%d %b %H:%M"
    return "%d %b"
