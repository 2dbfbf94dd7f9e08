"""Tables as SVG pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

__all__ = ["DARK", "PALE", "grid", "svg_text"]

DARK: Final = "#0f172a"
PALE: Final = "#f1f5f9"

_ROW: Final = 24


def grid(
    title: str,
    columns: Sequence[str],
    lines: Mapping[str, Mapping[str, tuple[str, str]]],
    legend: Mapping[str, str],
) -> str:
    """Return a picture with a line for each subject and a dot for each of its cells.

    Args:
        title: the text above it.
        columns: the columns' names.
        lines: the color and the tooltip of each cell, by line and column; a missing cell stays empty.
        legend: the meaning of each color, by meaning.

    """
    top = 60
    column = max(90, 20 + 7 * max(map(len, columns), default=0))
    left = 40 + 7 * max(map(len, lines), default=20)
    step = 40 + 7 * max(map(len, legend), default=0)
    width = max(left + column * len(columns) + 20, 28 + step * len(legend), 720)
    height = top + _ROW * len(lines) + 50
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="system-ui, sans-serif" font-size="13">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        svg_text(20, 24, title, DARK, bold=True),
    ]
    centers = {name: left + column * number + column / 2 for number, name in enumerate(columns)}
    parts += [svg_text(x, 48, name, DARK, "middle") for name, x in centers.items()]
    for number, (line, cells) in enumerate(lines.items()):
        y = top + _ROW * number
        if number % 2 == 0:
            parts.append(f'<rect x="8" y="{y}" width="{width - 16}" height="{_ROW}" rx="6" fill="{PALE}"/>')
        parts.append(svg_text(20, y + 16, line, DARK))
        for name, (color, tooltip) in cells.items():
            parts.append(
                f'<circle cx="{centers[name]:g}" cy="{y + 12}" r="6.5" fill="{color}">'
                f"<title>{escape(tooltip)}</title></circle>"
            )
    for number, (meaning, color) in enumerate(legend.items()):
        parts.append(f'<circle cx="{28 + step * number}" cy="{height - 22}" r="6.5" fill="{color}"/>')
        parts.append(svg_text(42 + step * number, height - 18, meaning, DARK))
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def svg_text(x: float, y: float, text: str, color: str, anchor: str = "start", *, bold: bool = False) -> str:
    """Return a text element of a picture."""
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x:g}" y="{y:g}" fill="{color}" text-anchor="{anchor}"{weight}>{escape(text)}</text>'
