"""Buffers, run-ahead and the table of primitives, on graphs small enough to reckon by hand."""

from __future__ import annotations

from dataclasses import replace

from cockpit.memory import backends
from cockpit.memory.graph import Graph, Op, Value
from cockpit.memory.replay import Evaluation

FLOAT = 4
ELEMENTS = 1000
SIZE = FLOAT * ELEMENTS
# As the CPU backend, without the freed buffers that it keeps.
PLAIN = replace(backends.CPU, cache_limit_bytes=0)


def chain(length: int, name: str = "Exp", held: bool = True) -> Graph:
    """``length`` operations, each reading the one before."""
    first = last = Value("x", (ELEMENTS,), FLOAT)
    ops = []
    for number in range(length):
        out = Value(f"v{number}", (ELEMENTS,), FLOAT)
        ops.append(Op(name, [last], [out]))
        last = out
    graph = Graph([first], [last], {}, ops, [last])
    graph.held = {first} if held else set()
    return graph


def test_the_floor_counts_the_base_and_what_is_live_at_once() -> None:
    floor, live = Evaluation(chain(5, "Reduce"), SIZE).floor()
    assert floor == 3 * SIZE  # the input, a result, and what it is made from
    assert sum(size for size, _ in live) == floor


def test_elementwise_results_take_over_buffers_that_nothing_else_reads() -> None:
    floor, _ = Evaluation(chain(5, "Exp"), SIZE).floor()
    assert floor == 2 * SIZE  # the input is held, one buffer serves all five results


def test_an_input_that_is_not_held_is_taken_over_too() -> None:
    floor, _ = Evaluation(chain(5, "Exp", held=False), SIZE).floor()
    assert floor == SIZE


def test_scheduled_work_keeps_its_buffers_until_it_has_run() -> None:
    evaluation = Evaluation(chain(300, "Reduce"), SIZE)
    ahead = evaluation.peak_bytes(PLAIN)
    # Ten tasks of ten dispatches are scheduled ahead, two dispatches an operation: 50 results,
    # and what fills the task that is being cut, and the input.
    assert 50 * SIZE < ahead <= 58 * SIZE


def test_the_peak_depends_on_where_in_a_task_it_starts() -> None:
    evaluation = Evaluation(chain(300, "Reduce"), SIZE)
    peaks = [evaluation.peak_bytes(PLAIN), *evaluation.later_peaks(PLAIN)]
    assert len(peaks) == PLAIN.work_per_task
    assert max(peaks) - min(peaks) in range(1, 6 * SIZE)


def test_what_is_held_is_the_most_of_all_starts() -> None:
    evaluation = Evaluation(chain(300, "Reduce"), SIZE)
    peaks = [evaluation.peak_bytes(PLAIN, start) for start in (1, 2)]
    assert peaks[1] < peaks[0] <= evaluation.held_bytes


def test_fewer_outstanding_tasks_lower_it() -> None:
    evaluation = Evaluation(chain(300, "Reduce"), SIZE)
    fewer = replace(PLAIN, outstanding_tasks=5)
    assert evaluation.peak_bytes(fewer) < 0.6 * evaluation.peak_bytes(PLAIN)


def test_command_buffers_are_cut_by_work_and_by_size() -> None:
    metal = replace(backends.METAL["g"], page_bytes=0, cache_limit_bytes=0)
    evaluation = Evaluation(chain(1000, "Reduce"), SIZE)
    by_work = evaluation.peak_bytes(metal)
    assert 10 * metal.work_per_task * SIZE < by_work <= 12 * (metal.work_per_task + 1) * SIZE
    by_size = replace(metal, mebi_per_task=0, mebi_of="bytes")
    assert evaluation.peak_bytes(replace(by_size, work_per_task=10**6)) > by_work


def test_views_take_no_memory() -> None:
    x, y = Value("x", (10, 100), FLOAT), Value("y", (100, 10), FLOAT)
    z = Value("z", (1000,), FLOAT)
    ops = [Op("Transpose", [x], [y], [[1, 0]]), Op("Flatten", [y], [z])]
    graph = Graph([x], [y], {}, ops[:1], [y], {x})
    assert Evaluation(graph, SIZE).floor()[0] == SIZE
    # Reading a transposed matrix row by row takes a copy.
    graph = Graph([x], [z], {}, ops, [z], {x})
    assert Evaluation(graph, SIZE).floor()[0] == 2 * SIZE


def test_an_unknown_primitive_is_reported_and_given_new_buffers() -> None:
    evaluation = Evaluation(chain(1, "FlashQuux"), SIZE)
    assert evaluation.unknown == {"FlashQuux"}
    assert evaluation.floor()[0] == 2 * SIZE
