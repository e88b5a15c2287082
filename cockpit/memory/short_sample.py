"""A model cut short, and what its run does with short batches, which is little enough to trace."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass

import mlx.nn as nn

from cockpit.core.forecast import MemoryForecast
from cockpit.core.plan import RunPlan
from cockpit.memory import fewer_blocks, moments
from cockpit.memory.calibration import run_ahead
from cockpit.memory.fewer_blocks import Cut
from cockpit.memory.lengths import BatchShape
from cockpit.memory.replay import Evaluation
from cockpit.memory.trace import Trained, job_of, phases_of, trace

Make = Callable[[], nn.Module]

# At which weights, adapters and moments are counted.
SHORTEST = 17


@dataclass(frozen=True, slots=True)
class Sample:
    """A model with the blocks of ``cut``, and what it does with batches of one length or another:
    updates, or validation."""

    make: Make
    cut: Cut
    plan: RunPlan
    rows: int
    where: Trained
    adapted_layers: int | None
    validates: bool = False

    @property
    def key(self) -> tuple[object, ...]:
        """The same for plans of one model that differ in their length alone."""
        plan, batch = self._at(SHORTEST)
        return (
            plan.model_dump_json(),
            batch,
            self.cut,
            self.adapted_layers,
            self.where,
            self.validates,
        )

    def courses(self, length: int, run_ahead_too: bool = False) -> tuple[list[moments.Course], int]:
        """Of the validation, which comes first. Or of the update, or of the micro-batch that ends
        it, and of the first one: what has to be made for that moves the order in which everything
        is evaluated. And, if asked for, what run-ahead adds."""
        backend = self.where.backend
        ahead = self.where.ahead or run_ahead(backend, self.where.chip)
        plan, batch = self._at(length)
        valid = batch if self.validates else None
        job = job_of(self._model(), plan, batch, valid, self.where, self.adapted_layers)
        phases = phases_of(job, self.where.flavour)
        found, ahead_bytes = [], 0
        for phase in [next(phases)] if self.validates else list(phases)[-2:]:
            evaluation = Evaluation(phase.graph, phase.base_bytes, phase.born, backend)
            found.append(moments.course(evaluation.course()))
            if run_ahead_too:
                ahead_bytes = evaluation.peak_bytes(ahead) - moments.peak(found[-1:])
        del job, phase, phases, evaluation
        gc.collect()  # the worker leaves it to the end of a question, and a graph is large
        return found, ahead_bytes

    def forecast(self, length: int) -> MemoryForecast:
        plan, batch = self._at(length)
        return trace(self._model(), plan, batch, None, self.where, self.adapted_layers).forecast

    def _model(self) -> nn.Module:
        return fewer_blocks.with_last(self.make(), self.cut.kept)

    def _at(self, length: int) -> tuple[RunPlan, BatchShape]:
        asked = self.plan.with_changes(max_seq_length=length, num_layers=self.cut.trained)
        return asked, (self.rows, length)
