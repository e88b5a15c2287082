"""Where a model makes logits of hidden states, so that it can be done for a few at a time.

mlx-lm's models have no common way to leave their head out, and many do something to the logits
afterwards (softcapping, scaling). So the model's own call is used: once with its head listening,
which gives the hidden states, and then once for every piece, with the head given that piece alone
and everything before it answering as it did. What the model does after its head is then done to
the piece, whatever it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten

from cockpit.trainer.failures import Failure
from cockpit.trainer.inference import inference

# Tokens on which pieces are tried, and by how much of the largest logit they may be off: half
# precision may be rounded otherwise.
_TRIED = 4
_DIFFERENCE = 0.02

# A head is a linear layer, or an embedding used as one.
_METHODS = ("__call__", "as_linear")

# What a tapped method does: its name, itself, and what it is called with.
_Tap = Callable[[str, Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class Hidden:
    """``states`` (batch, positions, width) enter the head; ``body`` is what led to them."""

    states: mx.array
    inputs: mx.array
    body: Any


@dataclass(frozen=True, slots=True)
class Head:
    """What makes a model's logits: ``method`` of ``module``.

    ``body`` has returned before and holds all blocks; None where blocks and head are called side
    by side. A model may multiply with its embedding's weight instead of calling it: ``module`` is
    then None, and the hidden states are what ``body`` returns.
    """

    model: nn.Module
    module: nn.Module | None
    method: str
    body: nn.Module | None

    def trained(self) -> dict[str, Any]:
        """The trainable weights of the head."""
        return {} if self.module is None else self.module.trainable_parameters()

    def update(self, weights: dict[str, Any]) -> None:
        if self.module is not None:
            self.module.update(weights)

    def hidden(self, inputs: mx.array) -> Hidden:
        """Runs the model on ``inputs`` up to its head."""
        entered: list[mx.array] = []
        answers: list[Any] = []

        def listen(method: str, call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
            if method == self.method:
                entered.append(args[0])
            return call(*args, **kwargs)

        def remember(_: str, call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
            answers.append(call(*args, **kwargs))
            return answers[-1]

        self._run(inputs, listen, remember)
        (states,) = answers if self.module is None else entered
        return Hidden(states, inputs, answers[0] if answers else None)

    def logits(self, hidden: Hidden, states: mx.array) -> mx.array:
        """The model's logits for ``states``, some of ``hidden``'s in an array of three axes."""

        def replace(method: str, call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
            args = (states, *args[1:]) if method == self.method else args
            return call(*args, **kwargs)

        def answer(*_: Any) -> Any:
            return states if self.module is None else hidden.body

        return self._run(hidden.inputs, replace, answer)

    def _run(self, inputs: mx.array, of_head: _Tap, of_body: _Tap) -> mx.array:
        with ExitStack() as stack:
            if self.module is not None:
                stack.enter_context(_tapped(self.module, of_head))
            if self.body is not None:
                stack.enter_context(_tapped(self.body, of_body))
            logits: mx.array = self.model(inputs)
        return logits


def find(model: nn.Module) -> Head:
    """The head of ``model``, found by calling it, with nothing evaluated; Failure without one.

    No dropout is drawn: a run that is resumed looks for its head again.
    """
    inputs = mx.zeros((1, 2), mx.int32)
    try:
        with inference(model):
            calls, logits = _calls(model, inputs)
            head = _head(model, calls, logits)
            hidden = head.hidden(inputs)
            one = head.logits(hidden, hidden.states[:, :1])
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise _inseparable(model) from error
    if one.shape != (1, 1, logits.shape[-1]):
        raise _inseparable(model)
    return head


def verify(head: Head) -> None:
    """Tries a few tokens, whole and one by one; Failure if the logits differ.

    A model may bring its own code, which may do to logits what depends on their neighbours.
    """
    inputs = mx.arange(_TRIED)[None]
    with inference(head.model):
        whole = head.model(inputs)
        hidden = head.hidden(inputs)
        pieces = [head.logits(hidden, hidden.states[:, i : i + 1]) for i in range(_TRIED)]
        difference = mx.abs(whole - mx.concatenate(pieces, axis=1)).max()
        if not (difference <= _DIFFERENCE * mx.abs(whole).max()).item():
            raise _inseparable(head.model)


@dataclass(frozen=True, slots=True)
class _Call:
    module: nn.Module
    method: str
    argument: Any
    result: Any


def _calls(model: nn.Module, inputs: mx.array) -> tuple[list[_Call], mx.array]:
    """What ``model`` calls outside of its blocks, in the order in which that returns."""
    calls: list[_Call] = []

    def listener(module: nn.Module) -> _Tap:
        def listen(method: str, call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
            result = call(*args, **kwargs)
            calls.append(_Call(module, method, args[0] if args else None, result))
            return result

        return listen

    inside = {id(part) for block in model.layers for part in block.modules()}
    with ExitStack() as stack:
        for module in model.modules():
            if module is not model and id(module) not in inside:
                stack.enter_context(_tapped(module, listener(module)))
        return calls, model(inputs)


def _head(model: nn.Module, calls: list[_Call], logits: mx.array) -> Head:
    rows, vocabulary = logits.shape[:-1], logits.shape[-1]
    heads = [
        place
        for place, call in enumerate(calls)
        if _is_hidden(call.argument, rows) and _is_hidden(call.result, rows, vocabulary)
    ]
    before = calls[: heads[-1]] if heads else calls
    block = model.layers[0]
    bodies = [c for c in before if any(block is part for part in c.module.modules())]
    body = bodies[-1].module if bodies else None
    if heads:
        head = calls[heads[-1]]
        return Head(model, head.module, head.method, body)
    if not _is_hidden(bodies[-1].result, rows) or _trained_outside_blocks(model):
        raise LookupError
    return Head(model, None, "", body)


def _is_hidden(value: Any, rows: tuple[int, ...], width: int | None = None) -> bool:
    return (
        isinstance(value, mx.array)
        and mx.issubdtype(value.dtype, mx.floating)
        and value.shape[:-1] == rows
        and width in (None, value.shape[-1])
    )


def _trained_outside_blocks(model: nn.Module) -> bool:
    inside = sum(len(tree_flatten(block.trainable_parameters())) for block in model.layers)
    return len(tree_flatten(model.trainable_parameters())) > inside


@contextmanager
def _tapped(module: nn.Module, tap: _Tap) -> Iterator[None]:
    """Inside, the calls of ``module``, and of no other of its class, go through ``tap``.

    A class refers to itself, so it is there until Python looks for cycles. What the tap holds,
    the arrays of a whole batch, is let go of at once.
    """
    kind = type(module)
    taps = [tap]

    def through(method: str) -> Callable[..., Any]:
        own = getattr(kind, method)

        def tapped(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
            return taps[0](method, own.__get__(self), args, kwargs)

        return tapped

    methods = {name: through(name) for name in _METHODS if hasattr(kind, name)}
    module.__class__ = type(kind.__name__, (kind,), methods)
    try:
        yield
    finally:
        module.__class__ = kind
        taps.clear()


def _inseparable(model: nn.Module) -> Failure:
    family = getattr(model, "model_type", None) or type(model).__module__.rsplit(".", 1)[-1]
    return Failure(
        "plan",
        "The loss of this model cannot be computed in pieces",
        f"loss_chunks is set, and models of the family {family} do not show where their logits "
        "are made",
        "Set loss_chunks = 1.",
    )
