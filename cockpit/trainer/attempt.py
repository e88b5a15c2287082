"""One attempt: announce it, build it, run it, and turn every ending into an end event."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

import mlx.core as mx

from cockpit.core.events import Ended, Note, Started
from cockpit.core.plan import RunPlan
from cockpit.errors import CockpitError
from cockpit.system import checkpoints, process
from cockpit.system.asked import beginning
from cockpit.system.run_dir import AttemptDir, RunDir
from cockpit.trainer import blas, loading, resume, setup
from cockpit.trainer.commands import Inbox, already_acknowledged
from cockpit.trainer.control import Control
from cockpit.trainer.emit import Emitter
from cockpit.trainer.failures import StopFlag, Stopped, brief
from cockpit.trainer.job import Progress
from cockpit.trainer.loop import Loop
from cockpit.trainer.ranks import Ranks
from cockpit.trainer.reporting import Reports


def train(path: Path, number: int, stop: StopFlag, fast_blas: str | None) -> int:
    """Runs the attempt and returns the exit status; the last event is always an Ended."""
    run = RunDir(path.absolute())
    attempt = run.attempt(number)
    if not attempt.path.is_dir():
        print(f"{attempt.path}: there is no such attempt", file=sys.stderr)
        return 2
    ranks = Ranks()
    emit = Emitter(attempt.trainer_events if ranks.first else None)
    session = Session(run, attempt, ranks, emit, stop)
    try:
        return session.run(fast_blas)
    finally:
        emit.close()


class Session:
    """Keeps what the end event needs, whatever happens: how far the run was."""

    def __init__(
        self, run: RunDir, attempt: AttemptDir, ranks: Ranks, emit: Emitter, stop: StopFlag
    ):
        self._run = run
        self._attempt = attempt
        self._ranks = ranks
        self._emit = emit
        self._progress = Progress(iters=0)
        done = already_acknowledged(attempt.trainer_events) if ranks.first else set()
        inbox = Inbox(run.control, beginning(attempt), done)
        self._control = Control(inbox, stop, ranks, emit)

    def run(self, fast_blas: str | None) -> int:
        """Trains to the end, whichever it is; returns the exit status."""
        status = 0
        try:
            ended = self._train(fast_blas)
        except Stopped:
            ended = Ended(status="stopped", update=self._progress.update)
        except CockpitError as error:
            ended, status = self._failed(getattr(error, "kind", "plan"), error), error.exit_code
        except Exception as error:
            traceback.print_exc()
            # mlx reports a lack of memory as a RuntimeError; the supervisor weighs the text.
            failure = CockpitError("Training stopped with an error", brief(error))
            ended, status = self._failed("error", failure), 1
        self._control.close(ended.status)
        self._emit(ended)
        return status

    def _train(self, fast_blas: str | None) -> Ended:
        plan = self._attempt.plan()
        device = _device()
        if self._ranks.first:
            checkpoints.settle(self._run)
        self._announce(plan, device, fast_blas)
        reports = Reports(plan, self._run, self._ranks, self._emit)
        job, self._progress = setup.build(
            self._run,
            self._attempt,
            plan,
            self._ranks,
            self._emit,
            f"{device}, {fast_blas}" if fast_blas and loading.trains_on_cpu() else device,
            self._control.stop_requested,
        )
        return Loop(job, self._progress, self._control, reports).run()

    def _announce(self, plan: RunPlan, device: str, fast_blas: str | None) -> None:
        who = process.identity(os.getpid())
        found = resume.peek(self._run, self._attempt)
        if found is not None:
            request, state = found
            self._progress = setup.progress_of(state, plan, request)
        iters = plan.iters if found is None else self._progress.iters
        self._emit(
            Started(
                attempt=self._attempt.number,
                pid=os.getpid(),
                pid_created=who[1] if who else 0.0,
                update=self._progress.update,
                updates=iters // plan.grad_accumulation_steps,
                device=device,
                blas=fast_blas if loading.trains_on_cpu() else None,
                dtype="float32" if loading.casts_to_float32() else None,
                versions=resume.versions(),
            )
        )
        if loading.casts_to_float32() and fast_blas is None:
            self._emit(Note(level="warning", message=blas.MISSING, remedy=blas.REMEDY))

    def _failed(self, kind: str, error: CockpitError) -> Ended:
        return Ended(
            status="failed",
            update=self._progress.update,
            title=error.title,
            message=error.message,
            remedy=error.remedy,
            kind=kind,
            peak_bytes=mx.get_peak_memory() or None,
        )


def _device() -> str:
    kind = "CPU" if loading.trains_on_cpu() else "GPU"
    return f"{mx.device_info().get('device_name', 'unknown')} ({kind})"
