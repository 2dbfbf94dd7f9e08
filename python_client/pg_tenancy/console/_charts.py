"""Charts of costs, drawn on the server as SVG, without scripts. Tables show the same values."""

from __future__ import annotations

from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["bars"]

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 720, 200, 56, 24, 10


def bars(values: Sequence[tuple[str, Decimal]], *, title: str, amount_in_words: Callable[[Decimal], str]) -> str:
    """Return a bar chart.

    Args:
        values: the label and the amount of each bar; amounts are 0 or more.
        title: the title for screen readers.
        amount_in_words: formats an amount with its unit.
    """
    top = _nice(max((amount for _, amount in values), default=Decimal(0)))
    height = _HEIGHT - _TOP - _BOTTOM
    step = (_WIDTH - _LEFT) / max(len(values), 1)
    parts = [
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">',
    ]
    for part in (0, 1, 2):
        y = _TOP + height - height * part / 2
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="axis" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">'
            f"{escape(amount_in_words(top * part / 2))}</text>"
        )
    # Only as many labels as fit.
    every = max(1, -(-len(values) // 10))
    for number, (label, amount) in enumerate(values):
        size = float(amount / top) * height
        x = _LEFT + number * step
        parts.append(
            f'<rect class="bar" x="{x + step * 0.12:.1f}" y="{_TOP + height - size:.1f}" width="{step * 0.76:.1f}"'
            f' height="{size:.1f}"><title>{escape(label)}: {escape(amount_in_words(amount))}</title></rect>'
        )
        if number % every == 0:
            parts.append(
                f'<text class="axis" x="{x + step / 2:.1f}" y="{_HEIGHT - 6}" text-anchor="middle">'
                f"{escape(label)}</text>"
            )
    return "".join([*parts, "</svg>"])


def _nice(amount: Decimal) -> Decimal:
    """Round up to 1, 2 or 5 times a power of ten, for the top of an axis."""
    if amount <= 0:
        return Decimal(1)
    power = Decimal(10) ** amount.adjusted()
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= amount)
