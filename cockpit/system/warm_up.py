"""Timing a plan by a few of its own updates: the real trainer, in a folder that is no run.

The trainer is a child in a session of its own and is killed once enough is known, so it saves
nothing. It is watched meanwhile: no guard stands beside it as beside a run.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cockpit.core import events as ev
from cockpit.core.diagnosis import MEMORY_KINDS, recognise
from cockpit.core.format import gigabytes
from cockpit.core.plan import RunPlan
from cockpit.errors import CockpitError
from cockpit.system import jsonl, log_tail, models, plan_file, run_dir, sensors, summary, timings
from cockpit.system.pace import Pace, brief
from cockpit.system.run_dir import AttemptDir, RunDir

# The first updates compile and allocate; they are told, and left out.
LEFT_OUT = 2
# Timed updates: at least so many, and so many seconds of them, but never more than the last.
FEWEST, ENOUGH_SECONDS, MOST = 3, 10.0, 60
# Beyond it whatever was timed is taken.
LIMIT_SECONDS = 900.0
POLL_SECONDS = 0.1
PREFIX = "cockpit-warm-up-"

_LESS = "Take a smaller batch, shorter sequences or fewer layers."


def check(plan: RunPlan) -> None:
    """Raises CockpitError where a warm-up would disturb, or measure something else."""
    active = [run for run in run_dir.all_runs() if summary.digest(run).active]
    if active:
        raise CockpitError(
            "A run is training now",
            f"{active[0].name} trains, or is about to; the two would slow each other down",
            "Time this plan once it has ended.",
        )
    if models.files(plan.model) is None:
        raise CockpitError(
            "The model is not on this machine yet",
            f"{plan.model}: timing it would begin with its download",
            "Launch a quick test of it, which downloads it, or download it first.",
        )


def timed_plan(plan: RunPlan) -> RunPlan:
    """``plan`` as it is timed: the same updates, and nothing between them."""
    fewest = (LEFT_OUT + MOST + 1) * plan.grad_accumulation_steps
    iters = max(plan.iters, fewest)
    return plan.with_changes(
        iters=iters,
        save_every=iters,
        steps_per_eval=iters,
        val_batches=0,
        keep_best=False,
        early_stopping_patience=0,
        sample_prompts=(),
        test=False,
        report_to=None,
        on_oom="ask",
    )


@dataclass(frozen=True, slots=True)
class Work:
    """What the first updates of a plan have to do, and the average one: in padded tokens."""

    updates: tuple[int, ...]
    mean: float


@dataclass(slots=True)
class _Timed:
    """Seconds of the updates so far, the slow first ones among them."""

    seconds: list[float] = field(default_factory=list)

    @property
    def steady(self) -> list[float]:
        return self.seconds[LEFT_OUT:]

    @property
    def enough(self) -> bool:
        steady = self.steady
        long = len(steady) >= FEWEST and sum(steady) >= ENOUGH_SECONDS
        return long or len(steady) >= MOST

    def average(self, work: Work | None) -> float:
        """Seconds of the average update of the whole run.

        What is timed may be longer or shorter updates than most: a line through them says what
        the average one takes, but no further off than if time were all the tokens'.
        """
        steady = self.steady
        mean = statistics.fmean(steady)
        if work is None:
            return mean
        done = work.updates[LEFT_OUT : LEFT_OUT + len(steady)]
        if len(set(done)) < 2:
            return mean
        by_tokens = mean * work.mean / statistics.fmean(done)
        slope, intercept = statistics.linear_regression(done, steady)
        bounds = sorted((mean, by_tokens))
        return min(max(slope * work.mean + intercept, bounds[0]), bounds[1])

    def in_words(self) -> str:
        last = brief(self.seconds[-1])
        if not self.steady:
            return f"update {len(self.seconds)} took {last}; the first ones do not count"
        return f"{len(self.steady)} updates timed, the last took {last}"


class WarmUp:
    """Times one plan. ``measure`` blocks; ``cancel`` may be called from any thread, any time."""

    def __init__(self, plan: RunPlan, budget_bytes: int | None, work: Work | None = None):
        """``plan`` is as preflight prepares it; ``budget_bytes`` are this machine's.

        Without ``work`` the updates that are timed are taken to be like all others.
        """
        self._plan = plan
        self._work = work
        self._budget_bytes = budget_bytes
        self._sensors = sensors.Sensors()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._cancelled = False

    def measure(self, tell: Callable[[str], object]) -> Pace | None:
        """Trains until the pace is known, tells how it goes, and keeps what it found.

        None if it was called off. CockpitError with the reason if the trainer failed, or held
        more memory than the budget. No process and no folder is left, whatever happens.
        """
        with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as folder:
            run = RunDir(Path(folder) / "run")
            run.path.mkdir()
            plan = timed_plan(self._plan)
            plan_file.write(plan, run.plan_path)
            attempt = run_dir.add_attempt(run, plan)
            try:
                self._start(run, attempt)
                timed = self._follow(attempt, tell)
            finally:
                self._kill()
        if self._cancelled:
            return None
        each = timed.average(self._work) / self._plan.examples_per_update
        timings.remember(self._plan, each, len(timed.steady))
        return Pace("", each, True, len(timed.steady))

    def cancel(self) -> None:
        """Calls it off: ``measure`` returns soon, and nothing is kept."""
        self._cancelled = True
        self._signal()  # whoever measures waits for its end, which may take seconds

    def _start(self, run: RunDir, attempt: AttemptDir) -> None:
        command = [sys.executable, "-m", "cockpit.trainer.warm_up", str(run.path), str(os.getpid())]
        with self._lock, attempt.log.open("ab") as log:
            if not self._cancelled:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )

    def _follow(self, attempt: AttemptDir, tell: Callable[[str], object]) -> _Timed:
        timed, tail = _Timed(), jsonl.Tail(attempt.trainer_events)
        deadline = time.monotonic() + LIMIT_SECONDS
        tell("starting the trainer…")
        while not (self._cancelled or timed.enough):
            gone = self._process is None or self._process.poll() is not None
            for line in tail.read():
                self._take(ev.parse_event(line), timed, tell)
            if gone and not (self._cancelled or timed.enough):
                raise self._died(attempt)
            self._check_memory()
            if time.monotonic() > deadline:
                self._check_worth(timed)
                break
            time.sleep(POLL_SECONDS)
        return timed

    def _take(self, event: ev.Event | None, timed: _Timed, tell: Callable[[str], object]) -> None:
        if isinstance(event, ev.PhaseChanged) and event.phase == "loading":
            tell(f"loading: {event.detail}…" if event.detail else "loading…")
        elif isinstance(event, ev.PhaseChanged) and event.phase == "compiling":
            tell("compiling the first update…")
        elif isinstance(event, ev.Updated) and not timed.enough:
            timed.seconds.append(event.seconds)
            tell(timed.in_words())
        elif isinstance(event, ev.Ended) and event.status == "failed":
            raise CockpitError(event.title, event.message, event.remedy, exit_code=1)

    def _check_memory(self) -> None:
        """Ends it before the machine suffers; a run has a guard for this."""
        if self._process is None or self._budget_bytes is None:
            return
        held = self._sensors.process(self._process.pid).footprint_bytes
        if held is not None and held > self._budget_bytes:
            raise CockpitError(
                "The warm-up was ended: it took too much memory",
                f"it held {gigabytes(held)} of the budget of {gigabytes(self._budget_bytes)}",
                _LESS,
                exit_code=1,
            )

    def _check_worth(self, timed: _Timed) -> None:
        if not timed.steady:
            raise CockpitError(
                "This plan is too slow to be timed",
                f"{len(timed.seconds)} updates in {brief(LIMIT_SECONDS)}",
                "Time it with fewer grad_accumulation_steps: an example costs the same.",
                exit_code=1,
            )

    def _died(self, attempt: AttemptDir) -> CockpitError:
        """Why the trainer is gone that left no last word, as far as its log tells."""
        lines = log_tail.read(attempt.log)
        if (found := recognise(lines)) is not None:
            signature, line = found
            remedy = _LESS if signature.kind in MEMORY_KINDS else signature.remedy
            return CockpitError(signature.title, line, remedy, exit_code=1)
        code = self._process.returncode if self._process is not None else None
        said = "\n".join([f"the trainer ended with {code}", *lines[-3:]])
        remedy = "It may have been memory. " + _LESS if code == -signal.SIGKILL else ""
        return CockpitError("The warm-up ended without a result", said, remedy, exit_code=1)

    def _kill(self) -> None:
        with self._lock:
            self._signal()
            if self._process is not None:
                self._process.wait()

    def _signal(self) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
