"""A graph run through MLX's scheduler with sizes in place of numbers: how high memory goes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from cockpit.memory.backends import RunAhead
from cockpit.memory.buffers import Buffer, Memory, Placement
from cockpit.memory.graph import Graph, Op, Value
from cockpit.memory.primitives import TABLE, fresh
from cockpit.memory.schedule import evaluation_order


@dataclass(frozen=True, slots=True)
class Replay:
    """``peak_bytes`` over everything, ``unknown`` are primitives that the table lacks.

    ``live`` are the buffers at the peak, when they were asked for: size and what first used it.
    """

    peak_bytes: int
    unknown: frozenset[str] = frozenset()
    live: tuple[tuple[int, Value | None], ...] = field(default=(), repr=False)


def replay(graph: Graph, base_bytes: int, ahead: RunAhead | None) -> Replay:
    """``base_bytes`` are live before it starts. Without ``ahead`` buffers go at their last use."""
    memory = Memory(base_bytes, ahead.page_bytes if ahead else 0)
    ops = evaluation_order(graph.evaluated)
    _place(graph, ops, memory)
    pace = _pace(ahead, memory)
    unknown: set[str] = set()
    table = TABLE
    for op in ops:
        known = table.get(op.name)
        if known is None:
            unknown.add(op.name)
            known = fresh
        work = known(op, memory)
        pace(op, work, memory.finish(op))
    return Replay(memory.peak_bytes, frozenset(unknown))


def live_at_peak(graph: Graph, base_bytes: int) -> Replay:
    """The same with buffers freed at their last use, and what is live when it is highest."""
    memory = _Recording(base_bytes)
    ops = evaluation_order(graph.evaluated)
    _place(graph, ops, memory)
    pace = _pace(None, memory)
    for op in ops:
        pace(op, TABLE.get(op.name, fresh)(op, memory), memory.finish(op))
    return Replay(memory.peak_bytes, frozenset(), memory.at_peak)


def _place(graph: Graph, ops: list[Op], memory: Memory) -> None:
    """Counts the readers of every value and puts inputs and constants where they are."""
    for op in ops:
        readers = len(op.outputs)
        for value in op.outputs:
            value.memory = Placement()
        for value in op.inputs:
            if value.op is None and value.memory is None:
                value.memory = Placement()
    for value in [*graph.inputs, *graph.constants]:
        value.memory = Placement()
    for op in ops:
        readers = len(op.outputs)
        for value in op.inputs:
            if value.memory is None:
                value.memory = Placement()
            value.memory.uses += readers
    for value in graph.evaluated:
        if value.memory is None:
            value.memory = Placement()
        value.memory.held = True
    for value in graph.held:
        value.memory.held = True
    for value in [*graph.inputs, *graph.constants]:
        memory.place_input(value)
        if not value.memory.uses or value in graph.constants:
            value.memory.held = True


Pace = Callable[[Op, int, list[Buffer]], None]


def _pace(ahead: RunAhead | None, memory: Memory) -> Pace:
    if ahead is None:
        return _AtOnce(memory)
    return _ByDispatches(ahead, memory) if ahead.cut_by == "dispatches" else _ByCommits(
        ahead, memory
    )


class _AtOnce:
    """Work runs as it is scheduled: the floor."""

    def __init__(self, memory: Memory):
        self._memory = memory

    def __call__(self, op: Op, work: int, holding: list[Buffer]) -> None:
        for buffer in holding:
            self._memory.release(buffer)


class _ByDispatches:
    """The CPU backend: every so many dispatches make a task; it waits above a number of tasks."""

    def __init__(self, ahead: RunAhead, memory: Memory):
        self._ahead = ahead
        self._memory = memory
        self._dispatched = 0
        self._done_tasks = 0
        self._pending: deque[tuple[int, list[Buffer]]] = deque()

    def __call__(self, op: Op, work: int, holding: list[Buffer]) -> None:
        ahead = self._ahead
        self._dispatched += work + 1  # the last one holds the buffers
        self._pending.append((self._dispatched, holding))
        if self._dispatched // ahead.work_per_task - self._done_tasks > ahead.outstanding_tasks:
            self._done_tasks += 1
            done = self._done_tasks * ahead.work_per_task
            release = self._memory.release
            while self._pending and self._pending[0][0] <= done:
                for buffer in self._pending.popleft()[1]:
                    release(buffer)


class _ByCommits:
    """The GPU backends: work fills a command buffer, which is committed when it is full."""

    def __init__(self, ahead: RunAhead, memory: Memory):
        self._ahead = ahead
        self._memory = memory
        self._work = 0
        self._amount = 0
        self._seen: set[Buffer] = set()
        self._filling: list[Buffer] = []
        self._committed: deque[list[Buffer]] = deque()

    def __call__(self, op: Op, work: int, holding: list[Buffer]) -> None:
        ahead = self._ahead
        self._filling += holding
        self._work += work
        if work:
            self._count(op)
        if self._work > ahead.work_per_task or self._amount >> 20 > ahead.mebi_per_task:
            self._committed.append(self._filling)
            self._filling, self._work, self._amount = [], 0, 0
            self._seen.clear()
            if len(self._committed) > ahead.outstanding_tasks:
                for buffer in self._committed.popleft():
                    self._memory.release(buffer)

    def _count(self, op: Op) -> None:
        in_bytes = self._ahead.mebi_of == "bytes"
        for value in (*op.inputs, *op.outputs):
            place = value.memory
            if place.buffer not in self._seen:
                self._seen.add(place.buffer)
                elements = place.layout.data_size
                self._amount += elements * value.itemsize if in_bytes else elements


class _Recording(Memory):
    """Keeps the set of live buffers, and a copy of it whenever the peak rises."""

    def __init__(self, base_bytes: int):
        super().__init__(base_bytes)
        self._live: set[Buffer] = set()
        self.at_peak: tuple[tuple[int, Value | None], ...] = ()
        self._inputs: set[Buffer] = set()

    def place_input(self, value: Value) -> None:
        super().place_input(value)
        self._live.add(value.memory.buffer)
        self._inputs.add(value.memory.buffer)

    def allocate(self, size_bytes: int, origin: Value | None) -> Buffer:
        before = self.peak_bytes
        buffer = super().allocate(size_bytes, origin)
        self._live.add(buffer)
        if self.peak_bytes > before:
            self.at_peak = tuple((b.size_bytes, b.origin) for b in self._live)
        return buffer

    def release(self, buffer: Buffer) -> None:
        super().release(buffer)
        if not buffer.references:
            self._live.discard(buffer)
