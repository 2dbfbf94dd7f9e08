"""Which rows somebody reached, in words and colors."""

from __future__ import annotations

from typing import Final

__all__ = ["AUTHOR", "COLORS", "NOTHING", "OTHERS", "OWN", "REACHES", "STYLES", "UNTRACED", "meanings"]

OTHERS: Final = "others"
UNTRACED: Final = "cannot be traced"
OWN: Final = "own"
AUTHOR: Final = "author"
NOTHING: Final = "nothing"

# The worst first.
REACHES: Final = (OTHERS, UNTRACED, OWN, AUTHOR, NOTHING)

_MEANINGS: Final = {
    OTHERS: "rows of another tenant",
    OWN: "only rows of the caller's own workspace",
    AUTHOR: "only rows of which the caller is the author",
    NOTHING: "no rows, or it is not allowed",
    UNTRACED: "could not be tried",
}
COLORS: Final = {OWN: "#047857", AUTHOR: "#1d4ed8", OTHERS: "#be123c", NOTHING: "#94a3b8", UNTRACED: "#b45309"}
STYLES: Final = {
    OWN: ("green",),
    AUTHOR: ("blue",),
    OTHERS: ("red", "bold"),
    NOTHING: ("dim",),
    UNTRACED: ("yellow",),
}


def meanings(*reaches: str) -> list[str]:
    """Return a line about each of these reaches."""
    return [f"{reach}: {_MEANINGS[reach]}" for reach in reaches]
