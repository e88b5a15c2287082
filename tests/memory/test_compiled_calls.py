"""Activations that mlx and mlx-lm compile for any shape: the kernels that MLX makes of them."""

from __future__ import annotations

import io
from types import ModuleType

import mlx.core as mx
import pytest
from mlx.nn.layers import activations as of_mlx
from mlx_lm.models import activations as of_mlx_lm

from cockpit.memory import rewrite_compiled
from cockpit.memory.capture import capture

_ALL = [
    pytest.param(module, name, id=name)
    for module in (of_mlx, of_mlx_lm)
    for name, value in vars(module).items()
    if type(value) is rewrite_compiled.COMPILED
]


@pytest.mark.parametrize(("module", "name"), _ALL)
def test_a_compiled_activation_is_cut_into_the_kernels_that_mlx_makes(
    module: ModuleType, name: str
) -> None:
    compiled = getattr(module, name)
    required = compiled.__code__.co_argcount - len(compiled.__defaults__ or ())
    arrays = [mx.ones((4, 8)) + n for n in range(required)]
    mx.eval(arrays)
    with rewrite_compiled.marked_compiled_calls() as calls:
        graph = capture(lambda *given: [getattr(module, name)(*given)], arrays)
    rewrite_compiled.rewrite(graph, calls, fused=True)
    traced = sorted(op.name + "".join(op.fused) for op in graph.ops)
    assert traced == _of_mlx(compiled(*arrays))


def test_of_a_deep_one_two_kernels_are_made() -> None:
    """More than eleven operations deep, with the broadcasts that a fixed shape would not need."""
    with rewrite_compiled.marked_compiled_calls() as calls:
        graph = capture(lambda x: [of_mlx.gelu_approx(x)], [mx.ones((4, 8))])
    rewrite_compiled.rewrite(graph, calls, fused=True)
    assert [op.name for op in graph.ops] == ["Compiled", "Compiled"]


def _of_mlx(result: mx.array) -> list[str]:
    """Primitives of a result that was not evaluated, from MLX's own drawing of its graph."""
    dot = io.StringIO()
    mx.export_to_dot(dot, result)
    lines = (line for line in dot.getvalue().splitlines() if "shape=rectangle" in line)
    names = (line.split('label ="')[1].split('"')[0] for line in lines)
    return sorted("Reduce" if name == "Max" else name for name in names)
