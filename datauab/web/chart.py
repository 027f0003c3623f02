"""What charts share: frames, round ticks, labels that keep apart, and the text that stands for a drawing.

Every chart is an SVG that needs no script, drawn for a wide and for a narrow screen. Colours come from the page's style
sheet through classes, so that charts follow light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
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
class Drawing:
    """One chart in both sizes; empty texts where there is nothing to draw."""

    wide: Markup = field(default_factory=Markup)
    narrow: Markup = field(default_factory=Markup)

    def __bool__(self) -> bool:
        return bool(self.wide)


@dataclass(frozen=True)
class Frame:
    """The drawing's area in user units: what the margins leave of `width` and `height` is the plot."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    narrow: bool = False

    @property
    def plot_right(self) -> float:
        """Right end of the plot."""
        return self.width - self.right

    @property
    def floor(self) -> float:
        """Lower end of the plot."""
        return self.height - self.bottom

    def across(self, share: float) -> float:
        """Horizontal position of a share of the plot's width."""
        return self.left + share * (self.plot_right - self.left)

    def up(self, share: float) -> float:
        """Vertical position of a share of the plot's height, 0 at the floor."""
        return self.floor - share * (self.floor - self.top)


@dataclass(frozen=True)
class Scale:
    """Maps [low, high] to [0, 1]."""

    low: float
    high: float

    def share(self, value: float) -> float:
        """Where `value` lies between the ends, kept within them."""
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))

    def holds(self, value: float) -> bool:
        """Whether `value` lies between the ends."""
        return self.low <= value <= self.high


def svg(name: str, frame: Frame, title: str, summary: str, parts: Iterable[str]) -> Markup:
    """Put `parts` (of escaped text) into a drawing with a title and a text for who cannot see it.

    `name` tells apart the charts of one page.
    """
    kind = "narrow" if frame.narrow else "wide"
    head = (
        f'<svg class="chart chart-{kind}" viewBox="0 0 {frame.width:g} {frame.height:g}" role="img" '
        f'aria-labelledby="{name}-title-{kind} {name}-text-{kind}" xmlns="http://www.w3.org/2000/svg">'
        f'<title id="{name}-title-{kind}">{escape(title)}</title>'
        f'<desc id="{name}-text-{kind}">{escape(summary)}</desc>'
    )
    return Markup(head + "".join(parts) + "</svg>")  # noqa: S704 - callers pass escaped parts


def heading(title: str, axis: str) -> list[str]:
    """Title of a drawing, and below it what its vertical axis tells."""
    return [
        f'<text class="chart-title" x="0" y="16">{escape(title)}</text>',
        f'<text class="chart-axis" x="0" y="32">{escape(axis)}</text>',
    ]


def value_grid(frame: Frame, scale: Scale, most: int = 5) -> list[str]:
    """Horizontal lines at round values, each with its number."""
    parts = []
    ticks = nice_ticks(scale.low, scale.high, most)
    digits = tick_digits(ticks)
    for value in ticks:
        y = frame.up(scale.share(value))
        parts.append(
            f'<line class="chart-grid" x1="{frame.left:g}" x2="{frame.plot_right:g}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="chart-tick" x="{frame.left - 8:g}" y="{y + 4:.1f}" text-anchor="end">'
            f"{number(value, digits)}</text>"
        )
    return parts


def floor_line(frame: Frame, ticks: Iterable[tuple[float, str]]) -> list[str]:
    """The horizontal axis with its ticks: each a share of the width and a text."""
    parts = [
        f'<line class="chart-floor" x1="{frame.left:g}" x2="{frame.plot_right:g}" '
        f'y1="{frame.floor:g}" y2="{frame.floor:g}"/>'
    ]
    for share, text in ticks:
        x = frame.across(share)
        parts.append(
            f'<line class="chart-tickmark" x1="{x:.1f}" x2="{x:.1f}" y1="{frame.floor:g}" y2="{frame.floor + 5:g}"/>'
            f'<text class="chart-tick" x="{x:.1f}" y="{frame.floor + 20:g}" text-anchor="middle">{escape(text)}</text>'
        )
    return parts


def padded(values: Iterable[float]) -> Scale:
    """A scale that holds `values` with some room; one too thin for its numbers to differ in print is widened."""
    found = list(values)
    low, high = min(found), max(found)
    pad = 0.06 * (high - low) if high - low > 1e-9 * max(1.0, abs(high)) else max(0.05 * abs(high), 0.01)
    return Scale(low - pad, high + pad)


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


def short(name: str, most: int) -> str:
    """`name` cut to `most` characters."""
    return name if len(name) <= most else name[: max(1, most - 1)].rstrip() + "…"


def number(value: float, digits: int) -> str:
    """`value` with `digits` decimals and a true minus sign; huge and tiny ones with a power of ten."""
    if value and (abs(value) >= 1e7 or abs(value) < 10.0 ** -(digits + 2)):
        return f"{value:.3g}".replace("-", "−")
    return f"{value:.{digits}f}".replace("-", "−")


def tick_digits(ticks: Sequence[float]) -> int:
    """Decimals in which neighbouring ticks differ."""
    if len(ticks) < 2:
        return 2
    return min(10, max(0, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9)))


def time_pattern(moments: Sequence[datetime]) -> str:
    """How to write the moments of an axis."""
    if len(moments) > 1 and moments[1] - moments[0] < timedelta(hours=23):
        same_day = moments[0].date() == moments[-1].date()
        return "%H:%M" if same_day else "%d %b %H:%M"
    return "%d %b"
