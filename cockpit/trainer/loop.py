"""The training loop: updates, and between them everything that is asked of the run."""

from __future__ import annotations

import math
import time

import mlx.core as mx

from cockpit.core.events import Ended, PhaseChanged, Sampled, Tested, Updated, Validated
from cockpit.core.plan import RunPlan
from cockpit.trainer import saver
from cockpit.trainer.batches import make_batch
from cockpit.trainer.data import Split
from cockpit.trainer.emit import say
from cockpit.trainer.evaluate import evaluate
from cockpit.trainer.job import Job, Progress, StopFlag
from cockpit.trainer.obey import Obedience
from cockpit.trainer.order import evaluation_examples, micro_batches
from cockpit.trainer.reporting import Reports
from cockpit.trainer.sampling import complete
from cockpit.trainer.step import StepResult, UpdateStep

# How long a finished run keeps trying to save its result on a disk that refuses it.
FINAL_SAVE_PATIENCE_SECONDS = 600.0
FINAL_SAVE_RETRY_SECONDS = 5.0


class Loop:
    """One attempt, from its first update to its last word."""

    def __init__(self, job: Job, progress: Progress, obedience: Obedience, reports: Reports):
        self.job = job
        self.plan: RunPlan = job.plan
        self.progress = progress
        self._obedience = obedience
        self._reports = reports
        self._step = self._compile()
        obedience.loop = self

    @property
    def updates(self) -> int:
        return self.progress.iters // self.plan.grad_accumulation_steps

    def run(self) -> Ended:
        """Trains to the end or to a stop; raises Failure when the loss or a weight is no number."""
        progress, plan = self.progress, self.plan
        if progress.update == 0:
            self.validate()
            self._sample_prompts()
        self._phase("compiling")
        compiled = False
        while progress.update < self.updates:
            self._obedience.attend()
            if self._obedience.stopping or progress.update >= self.updates:
                break
            self._train_one()
            if not compiled:
                compiled = True
                self._phase("training")
            last = progress.update == self.updates
            if not last and progress.update % plan.in_updates(plan.steps_per_eval) == 0:
                self.validate()
            if not last and progress.update % plan.in_updates(plan.save_every) == 0:
                self.save("scheduled")
        return self._finish()
