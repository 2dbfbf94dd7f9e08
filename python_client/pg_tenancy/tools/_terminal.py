"""Text for people: headings, marks and tables, in color if the terminal supports it."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["Terminal", "printable", "progress_bar"]

_STYLES: Final = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}


class Terminal:
    """Writes to a stream.

    Color is used on a terminal, unless ``NO_COLOR`` is set or ``TERM`` is ``dumb``.
    Signs outside ASCII are used if the stream's encoding has them.

    Args:
        stream: the stream. None writes nothing.

    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self.is_terminal = stream is not None and stream.isatty()
        self._color = self.is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        encoding = (getattr(stream, "encoding", None) or "ascii").lower()
        self._unicode = encoding.replace("-", "").startswith("utf")
        self.tick = "✔" if self._unicode else "ok"
        self.cross = "✘" if self._unicode else "FAILED"

    @classmethod
    def stdout(cls) -> Terminal:
        """Return a writer to the current standard output."""
        return cls(sys.stdout)

    def style(self, text: str, *names: str) -> str:
        """Return the text in styles, if color is used."""
        if not self._color or not names:
            return text
        return f"\033[{';'.join(_STYLES[name] for name in names)}m{text}\033[0m"

    def line(self, text: str = "", *styles: str) -> None:
        """Write one line."""
        if self._stream is None:
            return
        if not self._unicode:
            text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
        self._stream.write(self.style(text, *styles) + "\n")
        self._stream.flush()

    def heading(self, text: str) -> None:
        """Write a heading, after an empty line."""
        self.line()
        self.line(text, "bold", "cyan")

    def check(self, right: bool, text: str, more: str = "") -> None:
        """Write a line with a mark for success or failure."""
        mark = self.style(self.tick, "green") if right else self.style(self.cross, "red", "bold")
        self.line(f"  {mark} {text}{'  ' + self.style(more, 'dim') if more else ''}")

    def table(self, header: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[int] = ()) -> None:
        """Write a table.

        Args:
            header: the columns' names.
            rows: the cells.
            right: the numbers of the columns that are aligned to the right.

        """
        written = [list(row) for row in rows]
        aligned = set(right)
        widths = [max(map(_width, column)) for column in zip(header, *written, strict=True)]

        def joined(cells: Sequence[str]) -> str:
            parts = []
            for number, (cell, width) in enumerate(zip(cells, widths, strict=True)):
                space = " " * (width - _width(cell))
                parts.append(space + cell if number in aligned else cell + space)
            return "  " + "  ".join(parts).rstrip()

        self.line(joined(header), "dim")
        for row in written:
            self.line(joined(row))


def printable(text: str) -> str:
    """Return a text without control characters: names are chosen by users."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


@contextmanager
def progress_bar(terminal: Terminal, what: str) -> Iterator[Callable[[int, int], None]]:
    """Show progress: a bar on a terminal if rich is installed, lines otherwise.

    Args:
        terminal: the terminal.
        what: the name of the step.

    Yields:
        a function that takes how much is done and the total.

    """
    bar = _bar(terminal)
    if bar is None:
        yield lambda done, total: terminal.line(f"  {what}: {done:,} of {total:,}")
        return
    with bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _bar(terminal: Terminal) -> Progress | None:
    if not terminal.is_terminal:
        return None
    try:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    except ImportError:  # an optional dependency
        return None
    columns = (
        TextColumn("  {task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns)


def _width(text: str) -> int:
    # Color codes have no width.
    shown, inside = 0, False
    for letter in text:
        if letter == "\033":
            inside = True
        elif inside:
            inside = letter != "m"
        elif not unicodedata.combining(letter):
            shown += 1
    return shown
