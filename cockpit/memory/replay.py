"""A graph run through MLX's scheduler with sizes in place of numbers: how high memory goes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from cockpit.memory.backends import RunAhead
from cockpit.memory.buffers import Buffer, Memory, Placement
from cockpit.memory.graph import Graph, Op, Value
from cockpit.memory.primitives import TABLE, fresh
from cockpit.memory.schedule import evaluation_order


@dataclass(frozen=True, slots=True)
class Replay:
    """The highest level, and the lowest that it can be where that depends on chance.

    ``unknown`` are primitives that the table lacks. ``live`` are the buffers at the peak, when
    they were asked for: their size and the value that made each.
    """

    peak_bytes: int
    least_bytes: int
    unknown: frozenset[str] = frozenset()
    live: tuple[tuple[int, Value | None], ...] = field(default=(), repr=False)


def replay(graph: Graph, base_bytes: int, ahead: RunAhead) -> Replay:
    """The peak of evaluating ``graph`` when ``base_bytes`` are live before it starts."""
    memory = Memory(base_bytes, ahead.page_bytes)
    by_dispatches = ahead.cut_by == "dispatches"
    pace = _ByDispatches(ahead, memory) if by_dispatches else _ByCommits(ahead, memory)
    unknown = _run(graph, memory, pace)
    if isinstance(pace, _ByDispatches):
        peaks = pace.peaks(base_bytes)
        return Replay(max(peaks), min(peaks), unknown)
    return Replay(memory.peak_bytes, memory.peak_bytes, unknown)


def live_at_peak(graph: Graph, base_bytes: int) -> Replay:
    """The same with buffers freed at their last use, and what is live when it is highest."""
    memory = _Recording(base_bytes)
    unknown = _run(graph, memory, _AtOnce(memory))
    return Replay(memory.peak_bytes, memory.peak_bytes, unknown, memory.at_peak)


def _run(graph: Graph, memory: Memory, pace: Pace) -> frozenset[str]:
    ops = evaluation_order(graph.evaluated)
    _place(graph, ops, memory)
    unknown: set[str] = set()
    table = TABLE
    for op in ops:
        known = table.get(op.name)
        if known is None:
            unknown.add(op.name)
            known = fresh
        work = known(op, memory)
        pace(op, work, memory.finish(op))
    return frozenset(unknown)


def _place(graph: Graph, ops: list[Op], memory: Memory) -> None:
    """Counts the readers of every value and puts inputs and constants where they are."""
    given = {*graph.inputs, *graph.constants}
    for value in given:
        value.memory = Placement()
    for op in ops:
        for value in op.outputs:
            value.memory = Placement()
    for op in ops:
        readers = len(op.outputs)
        for value in op.inputs:
            value.memory.uses += readers
    for value in given:
        memory.place_input(value)
        if not value.memory.uses or value in graph.constants:
            value.memory.held = True
    for value in (*graph.evaluated, *graph.held):
        value.memory.held = True


Pace = Callable[[Op, int, list[Buffer]], None]


class _AtOnce:
    """Work runs as it is scheduled: the floor."""

    def __init__(self, memory: Memory):
        self._memory = memory

    def __call__(self, op: Op, work: int, holding: list[Buffer]) -> None:
        for buffer in holding:
            self._memory.release(buffer)


class _ByDispatches:
    """The CPU backend: every so many dispatches make a task; it waits above a number of tasks.

    Dispatches are counted on from one evaluation to the next, so an update starts anywhere in a
    task, which moves the peak by up to one percent. ``peaks`` has all of them; a run of many
    updates meets the highest.
    """

    def __init__(self, ahead: RunAhead, memory: Memory):
        self._ahead = ahead
        self._memory = memory
        self._dispatched = 0
        self._done_tasks = 0
        self._pending: deque[tuple[int, list[Buffer]]] = deque()
        # After each operation: dispatches so far, bytes allocated, bytes freed at once.
        self._steps: list[tuple[int, int, int]] = []
        # Bytes freed by a piece of work that had to run first, and which.
        self._freed: list[tuple[int, int]] = []

    def __call__(self, op: Op, work: int, holding: list[Buffer]) -> None:
        ahead, memory = self._ahead, self._memory
        self._dispatched += work + 1  # the last one holds the buffers
        self._steps.append((self._dispatched, memory.allocated_bytes, memory.freed_bytes))
        self._pending.append((self._dispatched, holding))
        if self._dispatched // ahead.work_per_task - self._done_tasks > ahead.outstanding_tasks:
            self._done_tasks += 1
            self._run(self._done_tasks * ahead.work_per_task)

    def _run(self, until: int) -> None:
        pending = self._pending
        while pending and pending[0][0] <= until:
            dispatch, holding = pending.popleft()
            for buffer in holding:
                buffer.references -= 1
                if not buffer.references:
                    self._memory.active_bytes -= buffer.size_bytes
                    self._freed.append((dispatch, buffer.size_bytes))

    def peaks(self, base_bytes: int) -> list[int]:
        """The peak for each place in a task where the evaluation can start."""
        self._run(self._dispatched)
        if not self._steps:
            return [base_bytes]
        steps = np.array(self._steps, dtype=np.int64)
        dispatched, allocated, at_once = steps.T
        before = np.concatenate([[0], at_once[:-1]])
        level = base_bytes + allocated - before
        freed = np.array(sorted(self._freed), dtype=np.int64).reshape(-1, 2)
        total = np.concatenate([[0], np.cumsum(freed[:, 1])])
        task = self._ahead.work_per_task
        peaks = []
        for start in range(task):
            tasks = (dispatched + start) // task - self._ahead.outstanding_tasks
            done = np.maximum(tasks, 0) * task - start
            gone = total[np.searchsorted(freed[:, 0], done, side="right")]
            peaks.append(int((level - np.concatenate([[0], gone[:-1]])).max()))
        return peaks


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
