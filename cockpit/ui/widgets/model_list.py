"""The models on this machine, narrowed by what is typed, which finds the catalogue's as well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input

from cockpit import catalogue
from cockpit.core import format as fmt
from cockpit.system.models import ModelEntry
from cockpit.ui.spans import Line, heading, line, pad, shorten_path, width_of
from cockpit.ui.widgets.cursor_list import CursorList

CHOSEN, UNUSABLE, OTHER = "●", "✗", " "


class ModelFilter(Input):
    """Where the filter is typed; down and escape lead back to the list."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,escape", "leave", "To the list", show=False),
    ]

    class Left(Message):
        """The list is wanted."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(compact=True, id=id, placeholder="/ find, or org/name or a path")
        self.cursor_blink = False

    def action_leave(self) -> None:
        self.post_message(self.Left())


class ModelList(CursorList):
    """The row of the cursor is the choice, so moving is choosing."""

    class Picked(Message):
        """Another model is chosen."""

        def __init__(self, name: str):
            super().__init__()
            self.name = name

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.entries: list[ModelEntry] = []
        self.loaded = False
        self._typed = ""
        self._rows: list[ModelEntry] = []
        self._picked = ""

    @property
    def total(self) -> int:
        return len(self._rows)

    @property
    def picked(self) -> ModelEntry | None:
        """The chosen model, or None if nothing matches and nothing was typed."""
        return self._rows[self.cursor] if self._rows else None

    def show_models(self, entries: list[ModelEntry], chosen: str) -> None:
        """Fills the list and puts the cursor on ``chosen``, listed or not."""
        self.entries = entries
        self.loaded = True
        if chosen and chosen not in {entry.name for entry in entries}:
            self.entries = [*entries, ModelEntry(chosen, None, typed_source(chosen))]
        self._rows = matching(self.entries, self._typed)
        names = [entry.name for entry in self._rows]
        self.cursor = names.index(chosen) if chosen in names else 0
        self._settle()

    def narrow(self, typed: str) -> None:
        """Shows what matches ``typed``, and ``typed`` itself if it could be a model."""
        before = self.picked
        self._typed = typed.strip()
        self._rows = matching(self.entries, self._typed)
        self.cursor = self._rows.index(before) if before in self._rows else 0
        self._settle()

    def move_to(self, index: int) -> None:
        super().move_to(index)
        self._settle()

    def _settle(self) -> None:
        self.redraw()
        name = self.picked.name if self.picked else ""
        if name != self._picked:
            self._picked = name
            self.post_message(self.Picked(name))

    def head(self, width: int) -> Sequence[Line]:
        number = f"{self.total} found" if self._typed else str(self.total)
        lines = [heading(self.title("Model"), line((number, "label")), width)]
        if not self.loaded:
            lines.append(line(("  looking for models…", "label")))
        elif not self._rows:
            lines.append(line(("  nothing matches", "label")))
        return lines

    def row(self, index: int, width: int) -> Line:
        entry = self._rows[index]
        sign = UNUSABLE if entry.problem else CHOSEN if index == self.cursor else OTHER
        facts = _facts(entry)
        room = width - width_of(facts) - 3
        name = pad(shorten_path(fmt.plain(entry.name), room), room)
        return line((f"{sign} ", "bad" if entry.problem else "accent"), name, " ", *facts)


class ModelsSide(Vertical):
    """The list over its filter: what is typed in one narrows the other."""

    def compose(self) -> ComposeResult:
        yield ModelFilter(id="filter")
        yield ModelList(id="models")

    @on(Input.Changed, "#filter")
    def _narrow(self, event: Input.Changed) -> None:
        models = self.query_one(ModelList)
        # In its own turn: what a child says in its parent's never gets beyond the parent.
        models.call_next(models.narrow, event.value)

    @on(ModelFilter.Left)
    @on(Input.Submitted, "#filter")
    def _filtered(self) -> None:
        self.query_one(ModelList).focus()

    def find(self) -> None:
        """Where the filter is typed."""
        self.query_one(ModelFilter).focus()


def matching(entries: Sequence[ModelEntry], typed: str) -> list[ModelEntry]:
    """Entries whose name holds every word of ``typed``; then those of the catalogue, which can be
    priced before they are downloaded, and ``typed`` as a name of its own."""
    words = typed.lower().split()
    found = [e for e in entries if all(word in e.name.lower() for word in words)]
    known = {entry.name for entry in entries}
    names = [name for name in listed_names(words) if name not in known]
    if could_be_model(typed) and typed not in known:
        names.append(typed)
    return found + [ModelEntry(name, None, typed_source(name)) for name in dict.fromkeys(names)]


def listed_names(words: Sequence[str]) -> Iterator[str]:
    """Hub names of the catalogue's models that hold every word: the conversion first."""
    for model in catalogue.models() if words else ():
        text = f"{model.slug} {model.name} {model.hub} {model.mlx or ''}".lower()
        if all(word in text for word in words):
            yield from (name for name in (model.mlx, model.hub) if name is not None)


def could_be_model(typed: str) -> bool:
    """A path, or ``org/name`` as the hub has them."""
    return "/" in typed.strip("/") or typed.startswith(("/", "~", "."))


def typed_source(typed: str) -> Literal["folder", "hub"]:
    """Where a typed name points to, by its shape."""
    is_path = typed.startswith(("/", "~", ".")) or typed.count("/") != 1
    return "folder" if is_path else "hub"


def _facts(entry: ModelEntry) -> Line:
    if entry.path is None:
        return line((entry.source, "label"))
    bits = f"{entry.quantization_bits}-bit " if entry.quantization_bits else ""
    return line((f"{bits}{fmt.gigabytes(entry.size_bytes)}", "label"))
