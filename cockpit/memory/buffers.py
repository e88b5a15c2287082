"""Live buffers during a replay: what is allocated, shared, donated and freed, and the peak."""

from __future__ import annotations

import sys
from bisect import bisect_left, insort

from cockpit.memory import layout
from cockpit.memory.backends import RunAhead
from cockpit.memory.graph import Op, Value
from cockpit.memory.layout import Layout

# A buffer may be handed on to a result that is at most this much smaller (MLX's is_donatable).
DONATION_SLACK_BYTES = 16_384
# Inputs of an operation up to which a list is searched faster than a set.
_FEW = 8


class Buffer:
    """``references`` counts the values that use it and the running work that holds it."""

    __slots__ = ("origin", "references", "size_bytes")

    def __init__(self, size_bytes: int, origin: Value | None):
        self.size_bytes = size_bytes
        self.origin = origin
        self.references = 1


class Placement:
    """Where a value is, how it lies there, and how many inputs still refer to it."""

    __slots__ = ("buffer", "held", "layout", "uses")

    def __init__(self, held: bool = False) -> None:
        self.buffer: Buffer | None = None
        self.layout: Layout = _NOWHERE
        self.uses = 0
        self.held = held


_NOWHERE = Layout((), 0, True, True, True)


class Memory:
    """Allocates and frees as MLX's allocator does, and remembers the highest level.

    Without ``ahead`` nothing is rounded up and no freed buffer is kept. ``held_bytes`` is the
    most that was live or kept at one time.
    """

    def __init__(self, base_bytes: int, ahead: RunAhead | None = None):
        self.active_bytes = base_bytes
        self.peak_bytes = base_bytes
        self.held_bytes = base_bytes
        self.temporaries: list[Buffer] = []
        self._page_bytes = ahead.page_bytes if ahead else 0
        self._slack_bytes = ahead.reuse_slack_bytes if ahead else 0
        limit = ahead.cache_limit_bytes if ahead else 0
        self._cache_limit_bytes = sys.maxsize if limit is None else limit
        self._kept: list[int] = []  # sizes of freed buffers, ascending
        self._kept_bytes = 0

    def allocate(self, size_bytes: int, origin: Value | None) -> Buffer:
        page = self._page_bytes
        if page and size_bytes > page:
            size_bytes = -(-size_bytes // page) * page
        kept = self._kept
        if kept:
            at = bisect_left(kept, size_bytes)
            most = min(2 * size_bytes, size_bytes + self._slack_bytes)
            if at < len(kept) and kept[at] < most:
                size_bytes = kept.pop(at)
                self._kept_bytes -= size_bytes
        self.active_bytes += size_bytes
        if self.active_bytes + self._kept_bytes > self.held_bytes:
            self.held_bytes = self.active_bytes + self._kept_bytes
        if self.active_bytes > self.peak_bytes:
            self.peak_bytes = self.active_bytes
        return Buffer(size_bytes, origin)

    def release(self, buffer: Buffer) -> None:
        buffer.references -= 1
        if not buffer.references:
            size_bytes = buffer.size_bytes
            self.active_bytes -= size_bytes
            if size_bytes and self._kept_bytes + size_bytes <= self._cache_limit_bytes:
                insort(self._kept, size_bytes)
                self._kept_bytes += size_bytes

    def place_input(self, value: Value) -> None:
        """An input is there from the start; its bytes are part of the base."""
        place = value.memory
        place.buffer = Buffer(value.size_bytes, value)
        place.layout = layout.packed(value.shape, value.size)

    # What primitives do with their results.

    def fresh(self, out: Value) -> None:
        place = out.memory
        place.buffer = self.allocate(out.size * out.itemsize, out)
        place.layout = layout.packed(out.shape, out.size)

    def fresh_like(self, out: Value, source: Value) -> None:
        """A new buffer laid out as ``source`` is, repeats left out."""
        place = out.memory
        place.layout = source.memory.layout
        place.buffer = self.allocate(place.layout.data_size * out.itemsize, out)

    def view(self, out: Value, source: Value, seen: Layout | None = None) -> None:
        """``out`` is ``source``'s buffer."""
        place, other = out.memory, source.memory
        place.buffer = other.buffer
        place.buffer.references += 1
        place.layout = other.layout if seen is None else seen

    def temporary(self, size_bytes: int, origin: Value) -> None:
        """A buffer that lives until the operation has run."""
        self.temporaries.append(self.allocate(size_bytes, origin))

    def is_donatable(self, source: Value) -> bool:
        """Whether nothing else will read it: its buffer may become the result's."""
        place = source.memory
        return place.uses == 1 and not place.held and place.buffer.references == 1

    def donate(self, source: Value, out: Value) -> bool:
        """Hands ``source``'s buffer on to ``out`` if nothing else needs it and it fits."""
        if (
            source.itemsize == out.itemsize
            and self.is_donatable(source)
            and source.memory.buffer.size_bytes <= out.size * out.itemsize + DONATION_SLACK_BYTES
        ):
            self.view(out, source)
            return True
        return False

    def finish(self, op: Op) -> list[Buffer]:
        """Lets go of what ``op`` was the last to read; returns what its running work holds."""
        inputs, outputs, reached = op.inputs, op.outputs, op.reached
        assert reached is not None
        own = reached.memory.buffer
        readers = len(outputs)
        holding: list[Buffer] = []
        if readers == 1 and len(inputs) <= _FEW:
            for value in inputs:
                buffer = value.memory.buffer
                if buffer is not own and buffer not in holding:
                    holding.append(buffer)
        else:
            working = {value.memory.buffer: None for value in (*inputs, *outputs)}
            del working[own]
            holding = list(working)
        for buffer in holding:
            buffer.references += 1
        if self.temporaries:
            holding += self.temporaries
            self.temporaries = []
        for value in inputs:
            place = value.memory
            place.uses -= readers
            if not place.uses and not place.held:
                self.release(place.buffer)
        for value in outputs:
            place = value.memory
            if not place.uses and not place.held:
                self.release(place.buffer)
        return holding
