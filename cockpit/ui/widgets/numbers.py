"""The run's figures: what it learns, how fast, and how much is left."""

from __future__ import annotations

from collections.abc import Sequence

from cockpit.core import format as fmt
from cockpit.ui.spans import Line, Role, heading, indented, line, pad, width_of
from cockpit.ui.view import RunView
from cockpit.ui.widgets.lines import Lines

NAME_WIDTH = 15
# Names for a panel of fewer cells than that.
ROOMY = 42
SHORT_WIDTH = 11
SHORT_NAMES = {"learning rate": "lr"}

Row = tuple[str, str, str]


class Numbers(Lines):
    """The figures that matter most first; more of them where there is room."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._view: RunView | None = None

    def update_view(self, view: RunView) -> None:
        self._view = view
        self.redraw()

    def build(self, width: int, height: int) -> Sequence[Line]:
        if self._view is None:
            return ()
        head = heading(line(("Training", "strong")), (), width)
        return [head, *indented(number_lines(self._view, width - 1))][:height]


def number_lines(view: RunView, width: int) -> list[Line]:
    """A figure a line, the details only where all of them fits into ``width`` cells."""
    state, last = view.state, view.state.last
    best = state.best_validation
    newest = state.validations[-1] if state.validations else None
    at_best = f"best {fmt.loss(best.loss)}" if best is not None else ""
    loaded = state.loaded
    trainable = loaded.trainable_parameters if loaded else None
    rows: list[Row] = [
        ("loss", fmt.loss(last.loss if last else None), ""),
        ("validation", fmt.loss(newest.loss if newest else None), at_best),
        ("learning rate", fmt.scientific(last.learning_rate if last else None), ""),
        ("speed", fmt.speed(state.tokens_per_second), ""),
        ("saved", _saved_at(view), ""),
        ("grad norm", fmt.loss(last.grad_norm if last else None), ""),
        ("epoch", "n/a" if last is None else f"{last.epoch:.2f}", ""),
        ("tokens", fmt.count(last.trained_tokens if last else None), ""),
        ("test loss", fmt.loss(state.test.loss if state.test else None), ""),
        ("trainable", fmt.parameters(trainable), _of_all(view)),
        ("examples", fmt.count(loaded.train_examples if loaded else None), _valid(view)),
        ("device", fmt.plain(state.device or "n/a"), fmt.plain(state.dtype or "")),
        ("blas", fmt.plain(state.blas or "n/a"), ""),
        ("awake by", fmt.plain(state.keep_awake or "n/a"), ""),
    ]
    return [_line(row, width) for row in rows]


def _saved_at(view: RunView) -> str:
    saved = view.state.checkpoints
    return f"at update {fmt.count(saved[-1].update)}" if saved else "n/a"


def _of_all(view: RunView) -> str:
    loaded = view.state.loaded
    return "" if loaded is None else f"of {fmt.parameters(loaded.parameters)} parameters"


def _valid(view: RunView) -> str:
    loaded = view.state.loaded
    return "" if loaded is None else f"and {fmt.count(loaded.valid_examples)} to validate"


def _line(row: Row, width: int) -> Line:
    """The names give way first, then the detail; a figure is never cut."""
    name, value, detail = row
    narrow = width < ROOMY
    shown = SHORT_NAMES.get(name, name) if narrow else name
    role: Role = "strong" if name in ("loss", "validation") else "text"
    figures = line((pad(shown, SHORT_WIDTH if narrow else NAME_WIDTH), "label"), (value, role))
    whole: Line = (*figures, (f"  {detail}", "label")) if detail else figures
    return whole if width_of(whole) <= width else figures
