"""Plots as SVG, drawn by hand: bars, and lines over a few steps."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, MARGIN, ROW = 760, 24, 34
_LABEL, _END = 268, 104
_INK, _SOFT, _RULE = "#1f2933", "#62707f", "#e4e8ed"
_OURS, _OTHER = "#0f766e", "#b6c2cf"
_COLOURS = (_OURS, "#d97706", "#4f6bed", "#9b59b6")
_FONT = "font-family='system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'"


@dataclass(frozen=True, slots=True)
class Bar:
    """A value and its name; one that is ours stands out."""

    label: str
    value: float
    is_ours: bool = False

    @property
    def colour(self) -> str:
        """What it is filled with."""
        return _OURS if self.is_ours else _OTHER


def bars(title: str, note: str, rows: Sequence[Bar], unit: str) -> str:
    """Horizontal bars from nothing, with their values at their ends."""
    most = max(row.value for row in rows)
    room = WIDTH - 2 * MARGIN - _LABEL - _END
    drawn = []
    for number, row in enumerate(rows):
        top, long = 84 + number * ROW, max(2.0, room * row.value / most)
        left = MARGIN + _LABEL
        weight = 600 if row.is_ours else 400
        drawn += [
            _text(left - 12, top + 15, row.label, anchor="end", weight=weight),
            f"<rect x='{left}' y='{top}' width='{long:.1f}' height='22' rx='3' fill='{row.colour}'/>",
            _text(left + long + 8, top + 15, f"{row.value:,.0f} {unit}", weight=weight),
        ]
    return _card(title, note, 84 + len(rows) * ROW + 14, drawn)


def lines(title: str, note: str, steps: Sequence[int], series: Mapping[str, Sequence[float]], unit: str) -> str:
    """A line each over the same steps, on a logarithmic scale, with its name and last value at its end."""
    top, bottom, left, right = 92, 372, MARGIN + 64, WIDTH - 236
    values = [value for line in series.values() for value in line]
    low, high = math.log10(min(values) * 0.8), math.log10(max(values) * 1.15)

    def x(number: int) -> float:
        return left + (right - left) * number / max(1, len(steps) - 1)

    def y(value: float) -> float:
        return bottom - (bottom - top) * (math.log10(value) - low) / (high - low)

    drawn = []
    marks = (one * 10**power for power in range(math.floor(low), math.ceil(high)) for one in (1, 2, 5))
    for value in (mark for mark in marks if low <= math.log10(mark) <= high):
        drawn.append(f"<path d='M{left} {y(value):.1f}H{right}' stroke='{_RULE}'/>")
        drawn.append(_text(left - 10, y(value) + 4, f"{value:g} {unit}", anchor="end", colour=_SOFT))
    drawn += [_text(x(at), bottom + 24, str(step), anchor="middle", colour=_SOFT) for at, step in enumerate(steps)]
    drawn.append(_text((left + right) / 2, bottom + 46, "connections", anchor="middle", colour=_SOFT))
    heights = _apart({name: y(line[-1]) for name, line in series.items()})
    for colour, (name, line) in zip(_COLOURS, series.items(), strict=False):
        points = [(x(at), y(value)) for at, value in enumerate(line)]
        path = "L".join(f"{across:.1f} {down:.1f}" for across, down in points)
        drawn.append(
            f"<path d='M{path}' fill='none' stroke='{colour}' stroke-width='2.5' stroke-linejoin='round'/>"
        )
        drawn += [
            f"<circle cx='{across:.1f}' cy='{down:.1f}' r='3.5' fill='{colour}'/>" for across, down in points
        ]
        drawn.append(
            _text(right + 12, heights[name] + 4, f"{name} {line[-1]:.3g} {unit}", colour=colour, weight=600)
        )
    return _card(title, note, bottom + 64, drawn)


def _apart(heights: Mapping[str, float]) -> dict[str, float]:
    """The same heights, none nearer to another than a line of text."""
    found: dict[str, float] = {}
    for name in sorted(heights, key=lambda one: heights[one]):
        lowest = max(found.values(), default=-math.inf)
        found[name] = max(heights[name], lowest + 18)
    return found


def _card(title: str, note: str, height: float, drawn: Sequence[str]) -> str:
    size = f"viewBox='0 0 {WIDTH} {height:.0f}' width='{WIDTH}' height='{height:.0f}'"
    head = [
        f"<svg xmlns='http://www.w3.org/2000/svg' {size} {_FONT} role='img' aria-label='{escape(title)}'>",
        f"<rect x='.5' y='.5' width='{WIDTH - 1}' height='{height - 1:.0f}' rx='8' fill='#fff' stroke='{_RULE}'/>",
        _text(MARGIN, 38, title, size=17, weight=600),
        _text(MARGIN, 60, note, colour=_SOFT),
    ]
    return "\n".join([*head, *drawn, "</svg>", ""])


def _text(
    x: float, y: float, words: str, *, size: int = 13, weight: int = 400, anchor: str = "start", colour: str = _INK
) -> str:
    place = f"x='{x:.1f}' y='{y:.1f}' font-size='{size}' font-weight='{weight}'"
    return f"<text {place} text-anchor='{anchor}' fill='{colour}'>{escape(words)}</text>"
