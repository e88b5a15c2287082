"""A graph run through MLX's scheduler with sizes in place of numbers: how high memory goes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from cockpit.core.profiles import Backend
from cockpit.memory.backends import RunAhead
from cockpit.memory.behaviours import fresh
from cockpit.memory.buffers import Buffer, Memory, Placement
from cockpit.memory.graph import Graph, Op, Value
from cockpit.memory.primitives import table
from cockpit.memory.schedule import evaluation_order

Pace = Callable[[Op, int, list[Buffer]], None]


class Evaluation:
    """One evaluation of ``graph``, to be replayed; ``base_bytes`` are live before it starts.

    ``born`` are inputs that are zeros still to be made when it starts.

    ``unknown`` are primitives that the table lacks, and ``held_bytes`` is the most that was live
    or kept for reuse in any replay so far: a run of many updates starts them everywhere in a task.
    """

    def __init__(
        self,
        graph: Graph,
        base_bytes: int,
        born: frozenset[Value] = frozenset(),
        backend: Backend = "cpu",
    ):
        self._graph = graph
        zero = Value("zero", (), 4)
        self._base_bytes = base_bytes + (zero.size_bytes if born else 0)
        for value in born:
            zeros = Value(value.name + ":zeros", value.shape, value.itemsize)
            Op("Broadcast", [zero], [zeros])
            Op("Full", [zeros], [value])
        order = evaluation_order(graph.evaluated)
        for value in born:
            value.op = None  # the graph is shared with evaluations that find them there
        known = table(backend)
        self._steps = [(op, known.get(op.name, fresh)) for op in order]
        self.unknown = frozenset(op.name for op in order if op.name not in known)
        given = (*graph.inputs, *graph.constants, *([zero] if born else ()))
        self._given = [value for value in given if value not in born]
        self._places = self._count_uses(order)
        self.held_bytes = base_bytes

    def peak_bytes(self, ahead: RunAhead, start: int = 0) -> int:
        """The highest level. ``start`` is how full the task is that the evaluation begins in."""
        memory = Memory(self._base_bytes, ahead)
        if ahead.cut_by == "dispatches":
            self._run(memory, _ByDispatches(ahead, memory, start))
        else:
            self._run(memory, _ByCommits(ahead, memory))
        self.held_bytes = max(self.held_bytes, memory.held_bytes)
        return memory.peak_bytes

    def later_peaks(self, ahead: RunAhead) -> list[int]:
        """The peaks if it starts later in a task than at its beginning.

        The CPU backend counts dispatches on from one evaluation to the next, so an update starts
        anywhere in a task, which moves its peak by up to one percent. A run of many updates meets
        the highest. A GPU backend commits what is left when an evaluation ends.
        """
        starts = range(1, ahead.work_per_task if ahead.cut_by == "dispatches" else 1)
        return [self.peak_bytes(ahead, start) for start in starts]

    def settled_peak_bytes(self, ahead: RunAhead) -> int:
        """The highest level once the results of the evaluation before are its inputs.

        A donated or reused buffer may be a little larger than what is in it, and the adapters and
        moments of one update are there when the next one starts: from here on in the base. How
        high it goes from there does not depend on the base.
        """
        peak_bytes = self.peak_bytes(ahead)
        results = [v for v in self._graph.evaluated if v.op is not None]
        excess = {
            v.memory.buffer: v.memory.buffer.size_bytes - v.size_bytes
            for v in results
            if v.memory.buffer.origin is not None and v.memory.buffer.origin.op is not None
        }
        excess_bytes: int = max(0, sum(excess.values()))
        self._base_bytes += excess_bytes
        self.held_bytes += excess_bytes
        return peak_bytes + excess_bytes

    def floor(self) -> tuple[int, tuple[tuple[int, Value | None], ...]]:
        """The peak with every buffer freed at its last use, and what is live at that moment:
        the size of each buffer and the value that made it."""
        memory = _Recording(self._base_bytes)
        self._run(memory, _AtOnce(memory))
        return memory.peak_bytes, memory.at_peak

    def course(self) -> list[tuple[Op, int]]:
        """Every operation in order, with the highest level while it is scheduled if each buffer
        is freed at its last use."""
        memory = Memory(self._base_bytes)
        found: list[tuple[Op, int]] = []

        def note(op: Op, work: int, holding: list[Buffer]) -> None:
            found.append((op, memory.peak_bytes))
            for buffer in holding:
                memory.release(buffer)
            memory.peak_bytes = memory.active_bytes

        self._run(memory, note)
        return found

    def _run(self, memory: Memory, pace: Pace) -> None:
        for value, place, uses in self._places:
            value.memory = place
            place.uses = uses
        for value in self._given:
            memory.place_input(value)
        finish = memory.finish
        for op, behaviour in self._steps:
            work = behaviour(op, memory)
            pace(op, work, finish(op))

    def _count_uses(self, order: list[Op]) -> list[tuple[Value, Placement, int]]:
        """Every value, where to say where it is, and how many inputs refer to it."""
        uses: dict[Value, int] = dict.fromkeys(self._given, 0)
        for op in order:
            uses.update(dict.fromkeys(op.outputs, 0))
        for op in order:
            readers = len(op.outputs)
            for value in op.inputs:
                uses[value] += readers
        held = {*self._graph.evaluated, *self._graph.held, *self._graph.constants}
        held.update(value for value in self._given if not uses[value])
        return [(value, Placement(value in held), count) for value, count in uses.items()]


class _AtOnce:
    """Work runs as it is scheduled: the floor."""

    def __init__(self, memory: Memory):
        self._memory = memory

    def __call__(self, op: Op, work: int, holding: list[Buffer]) -> None:
        for buffer in holding:
            self._memory.release(buffer)


class _ByDispatches:
    """The CPU backend: every so many dispatches make a task; it waits above a number of tasks."""

    def __init__(self, ahead: RunAhead, memory: Memory, start: int):
        self._per_task = ahead.work_per_task
        self._outstanding = ahead.outstanding_tasks
        self._release = memory.release
        self._dispatched = start
        self._done_tasks = 0
        self._pending: deque[tuple[int, list[Buffer]]] = deque()

    def __call__(self, op: Op, work: int, holding: list[Buffer]) -> None:
        pending = self._pending
        self._dispatched += work + 1  # the last one holds the buffers
        if holding:
            pending.append((self._dispatched, holding))
        if self._dispatched // self._per_task - self._done_tasks > self._outstanding:
            self._done_tasks += 1
            done = self._done_tasks * self._per_task
            while pending and pending[0][0] <= done:
                for buffer in pending.popleft()[1]:
                    self._release(buffer)


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
    """Keeps what was allocated and released, and where among it the peak was."""

    def __init__(self, base_bytes: int):
        super().__init__(base_bytes)
        self._events: list[Buffer] = []  # the first time it is allocated, the second released
        self._events_at_peak = 0

    @property
    def at_peak(self) -> tuple[tuple[int, Value | None], ...]:
        """Size and origin of every buffer that was live at the peak."""
        live: dict[Buffer, None] = {}
        for buffer in self._events[: self._events_at_peak]:
            if buffer in live:
                del live[buffer]
            else:
                live[buffer] = None
        return tuple((buffer.size_bytes, buffer.origin) for buffer in live)

    def place_input(self, value: Value) -> None:
        super().place_input(value)
        self._events.append(value.memory.buffer)

    def allocate(self, size_bytes: int, origin: Value | None) -> Buffer:
        before = self.peak_bytes
        buffer = super().allocate(size_bytes, origin)
        self._events.append(buffer)
        if self.peak_bytes > before:
            self._events_at_peak = len(self._events)
        return buffer

    def release(self, buffer: Buffer) -> None:
        super().release(buffer)
        if not buffer.references:
            self._events.append(buffer)
