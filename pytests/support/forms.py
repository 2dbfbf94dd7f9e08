"""The forms of the console's pages, as browsers send them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

__all__ = ["PageForm", "forms_of"]


@dataclass
class PageForm:
    """A form of a screen: its address, its fields, and its options.

    Attributes:
        screen: the screen that it posts to.
        action: the action that it requests.
        fixed: the hidden fields that the page has filled in, without those that change each time.
        typed: the other fields, as the page shows them.
        choices: the options of each select.
    """

    screen: str
    action: str
    fixed: dict[str, str] = field(default_factory=dict)
    typed: dict[str, str] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)

    def each(self, name: str) -> Iterator[PageForm]:
        """Yield the form once for every option of a select; once if it has no select."""
        for chosen in [{name: value} for value in self.choices[name]] if name in self.choices else [{}]:
            yield PageForm(self.screen, self.action, self.fixed | chosen, self.typed, self.choices)

    @property
    def key(self) -> tuple[str, str, tuple[tuple[str, str], ...]]:
        """Return a key that identifies the form."""
        return self.screen, self.action, tuple(sorted(self.fixed.items()))


# The browser's token, a new id, and the version of a setting.
_CHANGING = {"csrf", "new_id", "version"}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[PageForm] = []
        self._form: PageForm | None = None
        self._select = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        if tag == "form":
            screen, _, action = values.get("action", "").rpartition("/")
            self._form = PageForm(screen.rpartition("/")[2], action) if values.get("method") == "post" else None
        if self._form is None:
            return
        name = values.get("name", "")
        if tag == "input" and name:
            value = values.get("value", "")
            if values.get("type") == "hidden" and name not in _CHANGING:
                self._form.fixed[name] = value
            elif values.get("type") != "checkbox":
                self._form.typed[name] = value
        elif tag == "select":
            self._select = name
            self._form.choices[name] = []
        elif tag == "textarea":
            self._form.typed[name] = "{}"
        elif tag == "option":
            options = self._form.choices[self._select]
            options.append(values["value"])
            if len(options) == 1 or "selected" in values:
                self._form.typed[self._select] = values["value"]

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self._form is not None:
            self.found.append(self._form)
            self._form = None


def forms_of(page: str) -> list[PageForm]:
    """Return the forms of a page that use POST."""
    reader = _Reader()
    reader.feed(page)
    return reader.found
