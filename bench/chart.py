"""The measurements as a picture: the added microseconds."""

from __future__ import annotations

from html import escape

from bench.timing import Times

__all__ = ["chart"]

_LEFT, _BAR, _RIGHT, _LINE = 220, 420, 170, 22


def chart(measured: dict[str, list[tuple[str, Times]]]) -> str:
    """Return an SVG with two bars for each measurement, without row-level security and with it.

    Args:
        measured: the measurements by title.

    """
    rows = [times for group in measured.values() for _, times in group]
    # The slowest bars are cut off and end in an arrow, so that the others stay visible.
    longest = 4 * sorted(times.protected for times in rows)[len(rows) // 2]
    parts: list[str] = []
    y = 10
    for title, group in measured.items():
        parts.append(_text(10, y + 16, title, weight="bold"))
        y += 30
        for name, times in group:
            parts.append(_text(10, y + 14, name))
            for offset, value, color in ((0, times.plain, "#9ca3af"), (9, times.protected, "#1d4ed8")):
                width = min(value / longest, 1) * _BAR
                parts.append(f'<rect x="{_LEFT}" y="{y + offset}" width="{width:.0f}" height="8" fill="{color}"/>')
                if value > longest:
                    tip = _LEFT + _BAR
                    parts.append(f'<path d="M{tip} {y + offset} l8 4 l-8 4 z" fill="{color}"/>')
            label = f"{times.plain:,.0f} to {times.protected:,.0f} µs, {times.ratio:.2f}"
            parts.append(_text(_LEFT + _BAR + 14, y + 14, label))
            y += _LINE
        y += 12
    parts.append(f'<rect x="10" y="{y}" width="14" height="8" fill="#9ca3af"/>')
    parts.append(_text(30, y + 8, "WHERE workspace_id = ..., without row-level security"))
    parts.append(f'<rect x="330" y="{y}" width="14" height="8" fill="#1d4ed8"/>')
    parts.append(_text(350, y + 8, "in a workspace"))
    width, height = _LEFT + _BAR + _RIGHT, y + 24
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        ' font-family="sans-serif" font-size="12">\n'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _text(x: int, y: int, text: str, weight: str = "normal") -> str:
    return f'<text x="{x}" y="{y}" font-weight="{weight}" fill="#111827">{escape(text)}</text>'
