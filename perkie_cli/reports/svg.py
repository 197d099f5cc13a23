"""Charts as inline SVG: lines and columns over one axis. Only attributes, so that no CSP and no style sheet matters."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from perkie_cli.domain.frozen import frozen

WIDTH, HEIGHT = 920, 300
LEFT, RIGHT, TOP, BOTTOM = 74, 34, 34, 46  # margins around the plot, in px
_INK, _FAINT, _GRID = "#1c2330", "#5b6676", "#e4e8ee"
COLOURS = ("#1f5fbf", "#c2571a", "#7a3fa0", "#17663a", "#b3261e")


@frozen
class Line:
    """A named line of (x, y). ``dashed`` tells lines apart without colours."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: str = COLOURS[0]
    dashed: bool = False


@frozen
class Band:
    """A shaded part of the x axis."""

    name: str
    begin: float
    end: float


@frozen
class Axis:
    """Places values between ``low`` and ``high``; ``ticks`` are (value, label)."""

    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    title: str = ""
    scale: Callable[[float], float] = float

    def share(self, value: float) -> float:
        """0 at ``low``, 1 at ``high``; values outside are moved to the edge."""
        low, high = self.scale(self.low), self.scale(self.high)
        return min(max((self.scale(min(max(value, self.low), self.high)) - low) / ((high - low) or 1.0), 0.0), 1.0)


def linear(low: float, high: float, label: Callable[[float], str], title: str = "", steps: int = 6) -> Axis:
    """An axis with round ticks; ``high`` is raised to the next one."""
    raw = max(high - low, 1e-9) / steps
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= raw * 0.999)
    first, last = math.floor(low / step), math.ceil(high / step)
    ticks = [(number * step, label(number * step)) for number in range(first, max(last, first + 1) + 1)]
    return Axis(ticks[0][0], ticks[-1][0], ticks, title)


def logarithmic(low: float, high: float, label: Callable[[float], str], title: str = "") -> Axis:
    """An axis of powers of ten, for values above 0."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    ticks = [(10.0**power, label(10.0**power)) for power in range(first, max(last, first + 1) + 1)]
    return Axis(ticks[0][0], ticks[-1][0], ticks, title, math.log10)


def chart(title: str, lines: Sequence[Line], x: Axis, y: Axis, bands: Sequence[Band] = ()) -> str:
    """The chart; ``title`` is what a screen reader says."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(title)}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" width="100%" font-family="system-ui,sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        *(_band(band, x) for band in bands),
        *(_horizontal(y.share(value), label) for value, label in y.ticks),
        *(_vertical(x.share(value), label) for value, label in x.ticks),
        f'<text x="{LEFT}" y="14" fill="{_FAINT}">{escape(y.title)}</text>',
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" text-anchor="end" fill="{_FAINT}">{escape(x.title)}</text>',
        *(_line(line, x, y) for line in lines),
        *_legend(lines),
        "</svg>",
    ]
    return "\n".join(parts)


def _across(share: float) -> float:
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _down(share: float) -> float:
    return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)


def _horizontal(share: float, label: str) -> str:
    y = _down(share)
    return (
        f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke="{_GRID}"/>'
        f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end" fill="{_INK}">{escape(label)}</text>'
    )


def _vertical(share: float, label: str) -> str:
    x = _across(share)
    return (
        f'<path d="M{x} {HEIGHT - BOTTOM}v5" stroke="{_FAINT}"/>'
        f'<text x="{x}" y="{HEIGHT - BOTTOM + 19}" text-anchor="middle" fill="{_INK}">{escape(label)}</text>'
    )


def _band(band: Band, x: Axis) -> str:
    left, right = _across(x.share(band.begin)), _across(x.share(band.end))
    height = HEIGHT - TOP - BOTTOM
    return (
        f'<rect x="{left}" y="{TOP}" width="{round(right - left, 1)}" height="{height}" fill="#f1f3f7"/>'
        f'<text x="{left + 4}" y="{TOP + 14}" fill="{_FAINT}">{escape(band.name)}</text>'
    )


def _line(line: Line, x: Axis, y: Axis) -> str:
    if not line.points:
        return ""
    points = " ".join(f"{_across(x.share(at))},{_down(y.share(value))}" for at, value in line.points)
    dash = ' stroke-dasharray="6 4"' if line.dashed else ""
    return f'<polyline points="{points}" fill="none" stroke="{line.colour}" stroke-width="2"{dash}/>'


def _legend(lines: Sequence[Line]) -> list[str]:
    """Names at the top, from the right."""
    found: list[str] = []
    right = float(WIDTH - RIGHT)
    for line in reversed(lines):
        wide = 6.2 * len(line.name)  # of 12 px text, about
        dash = ' stroke-dasharray="6 4"' if line.dashed else ""
        found.append(f'<text x="{right}" y="14" text-anchor="end" fill="{_INK}">{escape(line.name)}</text>')
        start = round(right - wide - 30, 1)
        found.append(f'<path d="M{start} 10h22" stroke="{line.colour}" stroke-width="2"{dash}/>')
        right = start - 18
    return found
