"""How a value lies in its buffer: strides, gaps, and what MLX's flags say of them."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from cockpit.memory.graph import Shape

# One graph is replayed many times over, and has few distinct layouts.
_remembered = lru_cache(maxsize=50_000)


class Layout(NamedTuple):
    """``data_size`` counts the elements the buffer holds for it, repeats left out.

    ``contiguous`` means without gaps, ``rows`` and ``columns`` in C and in Fortran order.
    """

    strides: Shape
    data_size: int
    contiguous: bool
    rows: bool
    columns: bool


@_remembered
def packed(shape: Shape, size: int) -> Layout:
    """The layout of a fresh array."""
    strides = [0] * len(shape)
    step = 1
    for axis in range(len(shape) - 1, -1, -1):
        strides[axis] = step
        step *= shape[axis]
    return Layout(tuple(strides), size, True, True, size <= 1 or size == max(shape))


def check_contiguity(shape: Shape, strides: Shape) -> tuple[int, bool, bool]:
    """Elements without repeats, and whether they lie in row and in column order."""
    elements = forward = backward = 1
    rows = columns = True
    last = len(shape) - 1
    for axis, extent in enumerate(shape):
        if extent != 1 and strides[axis] != forward:
            columns = False
        if shape[last - axis] != 1 and strides[last - axis] != backward:
            rows = False
        forward *= extent
        backward *= shape[last - axis]
        if strides[axis] > 0:
            elements *= extent
    return elements, rows, columns


@_remembered
def transposed(shape: Shape, source: Layout, size: int, axes: Shape) -> Layout:
    """``source`` with its axes permuted to give ``shape``."""
    strides = tuple(source.strides[axis] for axis in axes)
    if source.contiguous and source.data_size == size:
        _, rows, columns = check_contiguity(shape, strides)
        return Layout(strides, source.data_size, True, rows, columns)
    return source._replace(strides=strides)


@_remembered
def broadcast(shape: Shape, source_shape: Shape, source: Layout, grows: bool) -> Layout:
    new = len(shape) - len(source_shape)
    steps = zip(source_shape, source.strides, strict=True)
    strides = (0,) * new + tuple(0 if extent == 1 else step for extent, step in steps)
    if grows:
        return source._replace(strides=strides, rows=False, columns=False)
    return source._replace(strides=strides)


@_remembered
def sliced(shape: Shape, source: Layout, steps: Shape) -> Layout:
    strides = tuple(stride * step for stride, step in zip(source.strides, steps, strict=True))
    return strided(shape, strides)


@_remembered
def strided(shape: Shape, strides: Shape) -> Layout:
    """A view with these strides."""
    span = 1 + sum(abs(step) * (extent - 1) for step, extent in zip(strides, shape, strict=True))
    elements, rows, columns = check_contiguity(shape, strides)
    return Layout(strides, span, elements == span, rows, columns)


@_remembered
def split(shape: Shape, source: Layout) -> Layout:
    elements, rows, columns = check_contiguity(shape, source.strides)
    contiguous = source.contiguous
    if elements == 1:
        contiguous = True
    elif elements != source.data_size:
        contiguous = contiguous and (rows or columns)
    return Layout(source.strides, elements, contiguous, rows, columns)


@_remembered
def reshaped(shape: Shape, source_shape: Shape, source: Layout, size: int) -> Layout | None:
    """The layout of ``source`` seen as ``shape``; None if that takes a copy."""
    if size == 0 or source.rows:
        whole = packed(shape, size)
        return whole._replace(data_size=source.data_size, contiguous=source.contiguous)
    if not source_shape:
        return source._replace(strides=(0,) * len(shape))
    extents, steps = _collapse(source_shape, source.strides)
    strides: list[int] = []
    at = 0
    for extent in shape:
        if at < len(extents) and extents[at] % extent == 0:
            extents[at] //= extent
            strides.append(extents[at] * steps[at])
            at += extents[at] == 1
        elif extent == 1 and strides:
            strides.append(strides[-1])
        else:
            return None
    return source._replace(strides=tuple(strides))


def _collapse(shape: Shape, strides: Shape) -> tuple[list[int], list[int]]:
    """The same elements in as few axes as the strides allow."""
    extents, steps = [shape[0]], [strides[0]]
    for extent, step in zip(shape[1:], strides[1:], strict=True):
        if extent == 1:
            continue
        if step * extent == steps[-1]:
            extents[-1] *= extent
            steps[-1] = step
        else:
            extents.append(extent)
            steps.append(step)
    return extents, steps
