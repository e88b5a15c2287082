"""One line about a run: what ``cockpit runs`` lists and ``cockpit train`` ends with.

A list of many runs must be quick, so only the ends of the event files are read, and again only
when they have changed. Peak memory is what MLX counts, which never falls while a trainer lives.
"""

from __future__ import annotations

import copy
import dataclasses
import heapq
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cockpit.core import events as ev
from cockpit.core.plan import RunPlan
from cockpit.core.run_state import RunState, apply
from cockpit.errors import CockpitError
from cockpit.system import death, history, jsonl, liveness
from cockpit.system.run_dir import AttemptDir, RunDir, all_runs

HEAD_BYTES = 4 * 1024
# Samples of text can be long: look further back until an update or the end is found.
TAIL_BYTES = (16 * 1024, 1 << 20, 16 << 20)
# Enough to explain a death nobody saw.
KEPT_SAMPLES = 3

_Stamp = tuple[tuple[str, int, int], ...]
_cache: dict[Path, tuple[_Stamp, RunState]] = {}
_ended: dict[Path, tuple[_Stamp, RunSummary]] = {}


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run in the words of ``cockpit runs --json``; None is unknown.

    ``problem`` says what is wrong with the directory itself, if anything is.
    """

    run: str
    status: str
    model: str | None
    iterations: int | None
    final_train_loss: float | None
    predicted_peak_bytes: int | None
    measured_peak_bytes: int | None
    adapter_path: str | None
    diagnosis: dict[str, Any] | None = None
    problem: str | None = None

    def document(self) -> dict[str, Any]:
        """The JSON document; ``diagnosis`` is there when, and only when, the run failed."""
        fields = dataclasses.asdict(self)
        del fields["problem"]
        if self.status != "failed":
            del fields["diagnosis"]
        return fields


def list_summaries() -> list[RunSummary]:
    """All runs, newest first. Never raises for a damaged one."""
    return [summary(run) for run in all_runs()]


def summary(run: RunDir) -> RunSummary:
    """One run. Never raises for a damaged one."""
    stamp = _stamp(run)
    kept = _ended.get(run.path)
    if kept is not None and kept[0] == stamp:
        return kept[1]
    state = digest(run)
    made = _summarise(run, state)
    if not state.active and _stamp(run) == stamp:
        _ended[run.path] = stamp, made
    return made


def _summarise(run: RunDir, state: RunState) -> RunSummary:
    newest = _newest_attempt(run)
    plan, problem = _plan(run, newest)
    forecast = (newest.forecast() if newest else None) or {}
    predicted = forecast.get("peak_bytes")
    loss = state.losses[-1][1] if state.losses else None
    return RunSummary(
        run=run.name,
        status=state.status,
        model=plan.model if plan else None,
        iterations=state.update * plan.grad_accumulation_steps if plan else None,
        final_train_loss=loss if loss is not None and math.isfinite(loss) else None,
        predicted_peak_bytes=predicted if isinstance(predicted, int) else None,
        measured_peak_bytes=state.peak_bytes,
        adapter_path=str(run.adapters) if _has_adapters(run) else None,
        diagnosis=_failure(run, state, problem) if state.status == "failed" else None,
        problem=problem,
    )


def digest(run: RunDir) -> RunState:
    """A state with status, processes, last update, peak and end right; its curves are not whole."""
    stamp = _stamp(run)
    cached = _cache.get(run.path)
    if cached is None or cached[0] != stamp:
        cached = _cache[run.path] = (stamp, _read(run))
    state = copy.copy(cached[1])
    liveness.see_what_follows(run, state)
    if liveness.is_dead(run, state):
        if _stamp(run) != stamp:
            return digest(run)
        liveness.bury(run, state)
    return state


def _read(run: RunDir) -> RunState:
    state = RunState()
    series = [[event for part in _ends(run.supervisor_events, TAIL_BYTES[0]) for event in part]]
    series += [_trainer_events(attempt.trainer_events) for attempt in run.attempts()]
    for event in heapq.merge(*series, key=lambda event: event.t):
        apply(state, event)
    return state


def _trainer_events(path: Path) -> list[ev.Event]:
    head: list[ev.Event] = []
    tail: list[ev.Event] = []
    for tail_bytes in TAIL_BYTES:
        head, tail = _ends(path, tail_bytes)
        if not head or any(isinstance(event, ev.Updated | ev.Ended) for event in tail):
            break
    return head + tail


def _ends(path: Path, tail_bytes: int) -> tuple[list[ev.Event], list[ev.Event]]:
    try:
        head, tail = jsonl.ends(path, HEAD_BYTES, tail_bytes)
    except OSError:
        return [], []
    return _parse(head), _parse(tail)


def _parse(lines: list[bytes]) -> list[ev.Event]:
    wanted = history.without_old_samples(lines, KEPT_SAMPLES)
    return [event for line in wanted if (event := ev.parse_event(line)) is not None]


def _stamp(run: RunDir) -> _Stamp:
    """What changes when the run's records do: names, sizes and times of its event files."""
    paths = [run.supervisor_events, *(attempt.trainer_events for attempt in run.attempts())]
    stamps: list[tuple[str, int, int]] = []
    for path in paths:
        try:
            status = path.stat()
            stamps.append((str(path), status.st_size, status.st_mtime_ns))
        except OSError:
            stamps.append((str(path), -1, -1))
    return tuple(stamps)


def _newest_attempt(run: RunDir) -> AttemptDir | None:
    attempts = run.attempts()
    return attempts[-1] if attempts else None


def _plan(run: RunDir, newest: AttemptDir | None) -> tuple[RunPlan | None, str | None]:
    """The newest attempt's plan, else the run's own, and what is wrong with either."""
    problem = None if run.plan_path.is_file() else f"{run.plan_path} is missing"
    for read in (newest.plan if newest else run.plan, run.plan):
        try:
            return read(), problem
        except (CockpitError, OSError) as error:
            problem = problem or str(error)
    return None, problem


def _has_adapters(run: RunDir) -> bool:
    return (run.adapters / "adapters.safetensors").is_file()


def _failure(run: RunDir, state: RunState, problem: str | None) -> dict[str, Any]:
    """Why it failed: its last word weighed, else the supervisor's diagnosis."""
    found = death.diagnosis_of(run, state) or ev.Diagnosis(kind="unknown", title="The run failed")
    evidence = (*found.evidence, problem) if problem else found.evidence
    return found.model_copy(update={"evidence": evidence}).model_dump(mode="json")
