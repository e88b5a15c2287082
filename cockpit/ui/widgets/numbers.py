"""The run's figures: what it learns, how fast, and how much is left."""

from __future__ import annotations

from collections.abc import Sequence

from cockpit.core import format as fmt
from cockpit.ui.spans import Line, Role, heading, indented, line, pad
from cockpit.ui.view import RunView
from cockpit.ui.widgets.lines import Lines

NAME_WIDTH = 15


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
        return [head, *indented(number_lines(self._view))][:height]


def number_lines(view: RunView) -> list[Line]:
    state, last = view.state, view.state.last
    best = state.best_validation
    newest = state.validations[-1] if state.validations else None
    at_best = f"best {fmt.loss(best.loss)}" if best is not None else ""
    loaded = state.loaded
    trainable = loaded.trainable_parameters if loaded else None
    return [
        _row("loss", fmt.loss(last.loss if last else None), role="strong"),
        _row("validation", fmt.loss(newest.loss if newest else None), at_best, role="strong"),
        _row("learning rate", fmt.scientific(last.learning_rate if last else None)),
        _row("speed", fmt.speed(state.tokens_per_second)),
        _row("saved", _saved_at(view)),
        _row("grad norm", fmt.loss(last.grad_norm if last else None)),
        _row("epoch", "n/a" if last is None else f"{last.epoch:.2f}"),
        _row("tokens", fmt.count(last.trained_tokens if last else None)),
        _row("test loss", fmt.loss(state.test.loss if state.test else None)),
        _row("trainable", fmt.parameters(trainable), _of_all(view)),
        _row("examples", fmt.count(loaded.train_examples if loaded else None), _valid(view)),
        _row("device", fmt.plain(state.device or "n/a"), fmt.plain(state.dtype or "")),
        _row("blas", fmt.plain(state.blas or "n/a")),
        _row("awake by", fmt.plain(state.keep_awake or "n/a")),
    ]


def _saved_at(view: RunView) -> str:
    saved = view.state.checkpoints
    return f"at update {fmt.count(saved[-1].update)}" if saved else "n/a"


def _of_all(view: RunView) -> str:
    loaded = view.state.loaded
    return "" if loaded is None else f"of {fmt.parameters(loaded.parameters)} parameters"


def _valid(view: RunView) -> str:
    loaded = view.state.loaded
    return "" if loaded is None else f"and {fmt.count(loaded.valid_examples)} to validate"


def _row(name: str, value: str, detail: str = "", role: Role = "text") -> Line:
    return line((pad(name, NAME_WIDTH), "label"), (value, role), (f"  {detail}", "label"))
