"""The forecast from the graph that MLX will run. Imports mlx: in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import mlx.nn as nn
from mlx.utils import tree_flatten

from cockpit.core.forecast import MemoryForecast
from cockpit.core.plan import RunPlan
from cockpit.core.profiles import Backend
from cockpit.memory import build, process_size
from cockpit.memory.backends import RunAhead
from cockpit.memory.calibration import run_ahead
from cockpit.memory.compiler import has_compiler
from cockpit.memory.graph import Shape
from cockpit.memory.lengths import BatchShape, MicroBatches
from cockpit.memory.loading_phase import loading_phase, stored_arrays
from cockpit.memory.parts import Attribution
from cockpit.memory.phases import Job, Phase, cockpit_phases, mlx_lm_phases
from cockpit.memory.replay import Evaluation
from cockpit.memory.sampling_phase import sampling_phases

Flavour = Literal["cockpit", "mlx_lm"]

# Factors of the lowest and the highest peak.
CPU_BAND = (0.99, 1.01)
UNVALIDATED_BAND = (0.85, 1.15)
# The least that either end of the band is from the peak, by judgement: what a run keeps beside
# its graph, such as batches and sums, does not shrink with it.
BAND_FLOOR_BYTES = 1_000_000
# Phases within this of the highest are replayed from every start.
_NEAR = 0.97
_OF_BATCHES = ("validation", "update", "micro-batch", "last micro-batch")


@dataclass(frozen=True, slots=True)
class Trained:
    """Where a run happens and whose loop it is.

    ``loads``: whether the model is loaded from files as the trainer does it. ``prompt_tokens``
    is the longest sample prompt, 0 without any.
    ``blocked_attention``: whether a GPU's backward pass of attention is blocked, as Metal's is
    since mlx 0.32.4. ``ahead`` takes the place of the run-ahead that the device is known for.
    """

    backend: Backend = "cpu"
    chip: str | None = None
    flavour: Flavour = "cockpit"
    blocked_attention: bool = True
    ahead: RunAhead | None = None
    loads: bool = True
    prompt_tokens: int = 0


@dataclass(frozen=True, slots=True)
class PhasePeak:
    """The highest and the lowest of all starts, for phases near the highest; else of one."""

    name: str
    peak_bytes: int
    lowest_bytes: int


@dataclass(frozen=True, slots=True)
class Trace:
    """``peaks`` of all phases; ``forecast`` is about the highest."""

    forecast: MemoryForecast
    peaks: tuple[PhasePeak, ...]


def trace(
    model: nn.Module,
    plan: RunPlan,
    train: BatchShape,
    valid: BatchShape | None,
    where: Trained = Trained(),
    adapted_layers: int | None = None,
    micro: MicroBatches | None = None,
) -> Trace:
    """The forecast for ``model``, as ``build`` made it, on batches of these padded shapes.

    ``micro`` tells an update's batches apart if they differ.
    """
    stored = stored_arrays(model)
    job = job_of(model, plan, train, valid, where, adapted_layers, micro)
    ahead = where.ahead or run_ahead(where.backend, where.chip)
    replayed = [_replay(phase, ahead) for phase in phases_of(job, where.flavour)]
    if where.loads:
        replayed.append(_replay(loading_phase(stored, where.backend), ahead))
    if where.prompt_tokens:
        replayed += [_replay(p, ahead) for p in sampling_phases(job, where.prompt_tokens)]
    highest = max(replayed, key=lambda found: found.first_bytes)
    near = [found for found in replayed if found.first_bytes > _NEAR * highest.first_bytes]
    for found in near:
        found.peaks += found.evaluation.later_peaks(ahead)
    highest = max(near, key=lambda found: found.peak_bytes)
    unknown = frozenset().union(*(found.evaluation.unknown for found in replayed))
    peaks = tuple(
        PhasePeak(found.phase.name, found.peak_bytes, min(found.peaks)) for found in replayed
    )
    buffers_bytes = max(_buffers(found, ahead) for found in replayed)
    return Trace(_forecast(job, highest, ahead, unknown, buffers_bytes), peaks)


def job_of(
    model: nn.Module,
    plan: RunPlan,
    train: BatchShape,
    valid: BatchShape | None,
    where: Trained,
    adapted_layers: int | None = None,
    micro: MicroBatches | None = None,
) -> Job:
    """What there is to do for ``plan``; ``model`` becomes trainable by it."""
    build.make_trainable(model, plan, where.backend, adapted_layers)
    return Job(
        plan,
        model,
        build.optimizer(plan),
        train,
        valid,
        backend=where.backend,
        fused=has_compiler(where.backend),
        blocked_attention=where.blocked_attention,
        micro=micro,
    )


def phases_of(job: Job, flavour: Flavour) -> Iterator[Phase]:
    return cockpit_phases(job) if flavour == "cockpit" else mlx_lm_phases(job)


@dataclass(slots=True)
class _Replayed:
    """A phase with its peak if it starts with an empty task, and its ``peaks`` for all starts."""

    phase: Phase
    evaluation: Evaluation
    first_bytes: int
    peaks: list[int]

    @property
    def peak_bytes(self) -> int:
        return max(self.peaks)


def _replay(phase: Phase, ahead: RunAhead) -> _Replayed:
    evaluation = Evaluation(phase.graph, phase.base_bytes, phase.born, ahead.backend)
    first = evaluation.settled_peak_bytes if _settles(phase) else evaluation.peak_bytes
    first_bytes = first(ahead)
    return _Replayed(phase, evaluation, first_bytes, [first_bytes])


def _settles(phase: Phase) -> bool:
    """Whether its results are the next one's inputs."""
    return "update" in phase.name or "micro-batch" in phase.name


def _forecast(
    job: Job,
    highest: _Replayed,
    ahead: RunAhead,
    unknown: frozenset[str],
    buffers_bytes: int,
) -> MemoryForecast:
    phase, peak_bytes = highest.phase, highest.peak_bytes
    floor_bytes, live = highest.evaluation.floor()
    rows, length = (job.valid or job.train) if phase.name == "validation" else job.train
    attribution = Attribution(
        phase.graph, _trained_shapes(job.model), _vocabulary(job.model), length - 1
    )
    low, high = CPU_BAND if ahead.validated and not unknown else UNVALIDATED_BAND
    is_batch = phase.name in _OF_BATCHES or phase.name.removeprefix("first ") in _OF_BATCHES
    with_batch = f", with {rows} x {length - 1} tokens" if is_batch else ""
    notes = [f"highest in the {phase.name}{with_batch}"]
    if unknown:
        notes.append(f"not in the table of primitives: {', '.join(sorted(unknown))}")
    if not ahead.validated:
        notes.append(f"run-ahead on {ahead.backend} is read from source and was never measured")
    # Outside of updates it is up to the disk, or to Python, how far work runs ahead.
    lowest_bytes = min(highest.peaks) if _settles(phase) else floor_bytes
    outside_bytes = process_size.outside_mlx(ahead.backend, attribution.vocabulary)
    return MemoryForecast(
        peak_bytes=peak_bytes,
        low_bytes=min(round(lowest_bytes * low), lowest_bytes - BAND_FLOOR_BYTES),
        high_bytes=max(round(peak_bytes * high), peak_bytes + BAND_FLOOR_BYTES),
        floor_bytes=floor_bytes,
        peak_phase=phase.name,
        footprint_bytes=buffers_bytes + outside_bytes,
        parts=attribution.parts(live, peak_bytes),
        method="trace",
        unvalidated=not ahead.validated or bool(unknown),
        notes=tuple(notes),
    )


def _buffers(found: _Replayed, ahead: RunAhead) -> int:
    """The most of MLX's buffers that must be there at one time.

    A GPU backend gives those that it keeps for reuse back as memory gets short; the CPU backend
    keeps its few whatever happens.
    """
    return found.evaluation.held_bytes if ahead.backend == "cpu" else found.peak_bytes


def _trained_shapes(model: nn.Module) -> frozenset[Shape]:
    shapes = {tuple(value.shape) for _, value in tree_flatten(model.trainable_parameters())}
    return frozenset(shapes | {shape[:-2] + shape[:-3:-1] for shape in shapes})


def _vocabulary(model: nn.Module) -> int:
    """Rows of the largest embedding."""
    rows = [
        module.weight.shape[0]
        for _, module in model.named_modules()
        if isinstance(module, (nn.Embedding, nn.QuantizedEmbedding))
    ]
    return max(rows, default=0)
