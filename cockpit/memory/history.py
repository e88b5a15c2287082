"""Forecast against measured, for every run that finished here; it narrows the forecast's band.

``history.jsonl`` in the home is one readable line a run, the newest last, and never more than
``MOST_RECORDS``. It is rebuilt from the run directories' own files, so losing it loses little.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError

from cockpit.core import events as ev
from cockpit.core.forecast import MemoryForecast
from cockpit.core.plan import RunPlan
from cockpit.core.profiles import HardwareProfile
from cockpit.errors import CockpitError
from cockpit.system import hardware, jsonl, models, run_dir, whole_file
from cockpit.system.home import home
from cockpit.system.run_dir import AttemptDir, RunDir

MOST_RECORDS = 500
# So many runs make a spread; the tracer's own band on a validated device is the narrowest.
ENOUGH = 5
NARROWEST = (0.99, 1.01)

_HEAD_BYTES = 16 * 1024
_TAIL_BYTES = 64 * 1024
_SHAPING: tuple[str, ...] = ("fine_tune_type", "optimizer", "batch_size", "grad_accumulation_steps")
_SHAPING += ("max_seq_length", "num_layers", "grad_checkpoint")


class Kind(BaseModel):
    """What runs must have in common for the error of one to say something of another."""

    model_config = ConfigDict(frozen=True)

    device: str
    mlx: str
    architecture: str


class Record(BaseModel):
    """One attempt that trained to its end. ``plan`` is its shape in short, for a reader."""

    model_config = ConfigDict(frozen=True)

    run: str
    attempt: int
    kind: Kind
    plan: str
    forecast_bytes: PositiveInt
    measured_bytes: PositiveInt

    @property
    def ratio(self) -> float:
        return self.measured_bytes / self.forecast_bytes


def history_path() -> Path:
    return home() / "history.jsonl"


def records() -> list[Record]:
    """All that is recorded, oldest first; a damaged line is passed over."""
    path = history_path()
    try:
        status = path.stat()
        return list(_read(path, (status.st_mtime_ns, status.st_size)))
    except OSError:
        return []


@lru_cache(maxsize=2)
def _read(path: Path, stamp: tuple[int, int]) -> tuple[Record, ...]:
    """The records of a file that has not changed since ``stamp``, read once."""
    lines = path.read_bytes().splitlines()
    return tuple(record for line in lines if (record := _parse(line)) is not None)


def device_name(profile: HardwareProfile) -> str:
    """What the history calls a machine."""
    return profile.chip or profile.title


def record_here() -> int:
    """``record_finished_runs`` for the machine at hand; a failure is no news."""
    try:
        return record_finished_runs(device_name(hardware.detect()))
    except (CockpitError, OSError):
        return 0


def record_finished_runs(device: str) -> int:
    """Adds what finished since the last call, and tells how many that were.

    ``device`` is this machine's processor or GPU by name. Any number of processes may call it:
    each attempt is recorded once. A home that cannot be written to records nothing.
    """
    try:
        with _locked(history_path().with_suffix(".lock")):
            known = records()
            seen = {(record.run, record.attempt) for record in known}
            new = [record for run in run_dir.all_runs() for record in _of(run, device, seen)]
            # A run's name begins with its date.
            kept = sorted([*known, *new], key=lambda r: (r.run, r.attempt))[-MOST_RECORDS:]
            if kept != known:
                _write(kept)
            return sum(record in kept for record in new)
    except OSError:
        return 0


def narrowed(
    forecast: MemoryForecast, kind: Kind | None, known: Sequence[Record]
) -> MemoryForecast:
    """``forecast`` with the band that the recorded runs of its kind support.

    It may become wider too: it is what happened. A rough estimate, or one of a kind with too few
    runs, stays as it is.
    """
    ratios = sorted(record.ratio for record in known if record.kind == kind)
    if kind is None or forecast.method != "trace" or len(ratios) < ENOUGH:
        return forecast
    # Of n equally likely outcomes the next one is expected a gap beyond the extremes.
    gap = (ratios[-1] - ratios[0]) / (len(ratios) - 1)
    low = min(ratios[0] - gap, NARROWEST[0])
    high = max(ratios[-1] + gap, NARROWEST[1])
    where = f"{kind.architecture} on {kind.device} with mlx {kind.mlx}"
    note = f"band from {len(ratios)} finished runs of {where}"
    return forecast.model_copy(
        update={
            "low_bytes": round(forecast.peak_bytes * max(low, 0.0)),
            "high_bytes": round(forecast.peak_bytes * high),
            "unvalidated": False,
            "notes": (*forecast.notes, note),
        }
    )


def kind_of(device: str, mlx: str | None, plan: RunPlan) -> Kind | None:
    """The kind of a run of ``plan``; None if the model's architecture or mlx is not known."""
    try:
        spec = models.spec(plan.model)
    except CockpitError:
        return None
    if spec is None or mlx is None:
        return None
    return Kind(device=device, mlx=mlx, architecture=spec.model_type)


def _of(run: RunDir, device: str, seen: set[tuple[str, int]]) -> Iterable[Record]:
    for attempt in run.attempts():
        if (run.name, attempt.number) not in seen:
            found = _finished(run, attempt, device)
            if found is not None:
                yield found


def _finished(run: RunDir, attempt: AttemptDir, device: str) -> Record | None:
    """An attempt that completed as a whole: one that went on later may have missed the peak."""
    forecast = attempt.forecast() or {}
    if forecast.get("method") != "trace":
        return None
    try:
        head, tail = jsonl.ends(attempt.trainer_events, _HEAD_BYTES, _TAIL_BYTES)
        found = [event for line in (*head, *tail) if (event := ev.parse_event(line)) is not None]
        started = next((event for event in found if isinstance(event, ev.Started)), None)
        ended = next((event for event in reversed(found) if isinstance(event, ev.Ended)), None)
        if started is None or started.update or ended is None or ended.status != "completed":
            return None
        plan = attempt.plan()
    except (OSError, CockpitError):
        return None
    kind = kind_of(device, started.versions.get("mlx"), plan)
    fields = {"run": run.name, "attempt": attempt.number, "kind": kind, "plan": _in_short(plan)}
    fields |= {"forecast_bytes": forecast.get("peak_bytes"), "measured_bytes": ended.peak_bytes}
    return _valid(fields)


def _in_short(plan: RunPlan) -> str:
    shape = [f"{name}={getattr(plan, name)}" for name in _SHAPING]
    return " ".join([*shape, f"rank={plan.lora_parameters.rank}"])


def _parse(line: bytes) -> Record | None:
    try:
        return _valid(json.loads(line))
    except ValueError:
        return None


def _valid(fields: Any) -> Record | None:
    try:
        return Record.model_validate(fields)
    except ValidationError:
        return None


def _write(kept: Sequence[Record]) -> None:
    whole_file.write(history_path(), "".join(r.model_dump_json() + "\n" for r in kept))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Held by one process at a time; the system frees it when that one ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
