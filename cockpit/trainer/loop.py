"""The training loop: updates, and between them everything that is asked of the run."""

from __future__ import annotations

import math
import time

import mlx.core as mx

from cockpit.core.events import (
    Ended,
    EndStatus,
    Note,
    Phase,
    PhaseChanged,
    Sampled,
    Tested,
    Updated,
    Validated,
)
from cockpit.system.checkpoints import name_of
from cockpit.trainer import chunked_loss, optimizer
from cockpit.trainer.batches import make_batch, shares, update_batches
from cockpit.trainer.control import Control
from cockpit.trainer.data import Split
from cockpit.trainer.evaluate import evaluate
from cockpit.trainer.failures import Failure, brief
from cockpit.trainer.job import Job, Progress
from cockpit.trainer.reporting import Reports
from cockpit.trainer.sampling import complete
from cockpit.trainer.saver import SAVE_RETRY_SECONDS, Saver, nonfinite
from cockpit.trainer.step import StepResult, UpdateStep

# How long a finished run keeps trying to save its result where that fails for another reason
# than a full disk, for which it waits as long as it takes.
FINAL_SAVE_PATIENCE_SECONDS = 600.0


class Loop:
    """One attempt, from its first update to its last word."""

    def __init__(self, job: Job, progress: Progress, control: Control, reports: Reports):
        self.job = job
        self.plan = job.plan
        self.progress = progress
        self._control = control
        self._reports = reports
        self._eval_every = self.plan.in_updates(self.plan.steps_per_eval)
        self._save_every = self.plan.in_updates(self.plan.save_every)
        self._loss = chunked_loss.verified(job.model, self.plan.loss_chunks)
        self._step = self._new_step()
        self._saver = Saver(job, progress)
        self.finishing = False

    @property
    def updates(self) -> int:
        """Updates after which the run is complete."""
        return self.progress.iters // self.plan.grad_accumulation_steps

    def run(self) -> Ended:
        """Trains to the end or to a stop; raises Failure when the loss or a weight is no number."""
        if self.progress.update == 0:
            self._validate_as_planned()
            self._sample_prompts()
        elif self._validation_is_due() and self.progress.last_validation is None:
            # A stop broke it off: without it, best and patience would not be the run's own.
            self._validate_as_planned()
        self._phase("compiling" if self.progress.update < self.updates else "training")
        first = True
        while self.progress.update < self.updates:
            self._control.attend(self)
            if self._control.stopping or self.progress.update >= self.updates:
                break
            self._train_one()
            if first:
                self._phase("training")
                first = False
            if self.progress.update < self.updates:
                self._keep_watch()
            if self._out_of_patience:
                break
        return self._finish()

    def validate(self) -> None:
        """Measures the validation loss of the weights as they are now."""
        self._phase("validating")
        start = time.perf_counter()
        update = self.progress.update
        measured = self._loss_on(self.job.data.valid, self.plan.val_batches)
        if measured is not None and not math.isfinite(measured[0]):
            message = f"The validation loss at update {update} is not a number."
            self.job.emit(Note(level="warning", message=message, remedy="Check valid.jsonl."))
        elif measured is not None:
            loss, tokens = measured
            seconds = time.perf_counter() - start
            best = self.progress.best_validation
            better = best is None or loss < best[1]
            if better:
                self.progress.best_validation = (update, loss)
            self.progress.last_validation = (update, loss)
            self.job.emit(
                Validated(update=update, loss=loss, seconds=seconds, tokens=tokens, best=better)
            )
            self._reports.validated(update, loss, seconds)
        self._phase("training")

    def save(self, reason: str) -> bool:
        """Saves unless this update is saved already; False if the disk would not take it."""
        if self.progress.saved_update == self.progress.update:
            return True
        saved = self._saver.save(reason)
        self._phase("training")
        return saved

    def no_room(self) -> str | None:
        """Why training has to wait for the disk, or None."""
        return self._saver.no_room()

    def sample(self, prompt: str) -> None:
        """Answers ``prompt``; a model that cannot generate costs a Note, not the run."""
        try:
            text = complete(self.job.model, self.job.tokenizer, prompt)
        except Exception as error:
            message = f"The prompt could not be answered: {brief(error)}"
            self.job.emit(Note(level="warning", message=message))
            return
        self.job.emit(Sampled(update=self.progress.update, prompt=prompt, text=text))

    def hold_learning_rate(self, value: float) -> None:
        """Trains at ``value`` from the next update on, whatever the schedule says."""
        self.progress.held_learning_rate = value
        optimizer.hold_learning_rate(self.job.optimizer, value)
        self._step = self._new_step()

    def _new_step(self) -> UpdateStep:
        job = self.job
        threshold = job.plan.clear_cache_threshold
        return UpdateStep(job.model, job.optimizer, job.ranks, threshold, self._loss)

    def _phase(self, phase: Phase) -> None:
        self.job.emit(PhaseChanged(phase=phase))

    def _keep_watch(self) -> None:
        """What is due after this update, validation first: the checkpoint records its loss."""
        progress = self.progress
        if self._validation_is_due():
            self._validate_as_planned()
            best = progress.best_validation
            if self.plan.keep_best and best is not None and best[0] == progress.update:
                self.save("best")
        if progress.update % self._save_every == 0:
            self.save("scheduled")

    def _validation_is_due(self) -> bool:
        return self.progress.update % self._eval_every == 0

    def _validate_as_planned(self) -> None:
        """Validates and counts it for early stopping; one that was asked for does not count."""
        self.validate()
        measured = self.progress.last_validation
        if measured is not None and measured[0] == self.progress.update:
            self.progress.patience = self.progress.patience.after(
                measured[1], self.plan.early_stopping_min_delta
            )

    @property
    def _out_of_patience(self) -> bool:
        patience = self.plan.early_stopping_patience
        return 0 < patience <= self.progress.patience.stale

    def _train_one(self) -> None:
        job = self.job
        start = time.perf_counter()
        examples = job.order.examples(self.progress.update)
        result = self._step(update_batches(job.data.train, examples, self.plan, job.ranks))
        seconds = time.perf_counter() - start
        if not (math.isfinite(result.loss) and math.isfinite(result.grad_norm)):
            raise nonfinite(
                self.progress.update + 1,
                f"loss {result.loss:g}, gradient norm {result.grad_norm:g}",
                self.progress.saved_update,
            )
        self.progress.update += 1
        self.progress.trained_tokens += result.tokens
        self._emit_update(result, seconds)

    def _emit_update(self, result: StepResult, seconds: float) -> None:
        progress = self.progress
        event = Updated(
            update=progress.update,
            epoch=self.job.order.epoch_of(progress.update),
            loss=result.loss,
            learning_rate=result.learning_rate,
            tokens=result.tokens,
            trained_tokens=progress.trained_tokens,
            seconds=seconds,
            tokens_per_second=result.tokens / seconds,
            grad_norm=result.grad_norm,
            active_bytes=mx.get_active_memory(),
            peak_bytes=mx.get_peak_memory(),
            cache_bytes=mx.get_cache_memory(),
        )
        self.job.emit(event)
        self._reports.updated(event, last=progress.update == self.updates)

    def _loss_on(self, split: Split, batches: int) -> tuple[float, int] | None:
        parts = shares(split, self.plan, batches, self.job.ranks)
        if not parts:
            return None
        return evaluate(
            self.job.model,
            (make_batch(split, p, self.plan.max_seq_length) if len(p) else None for p in parts),
            self.job.ranks,
            self._control.stop_requested,
            self.plan.clear_cache_threshold,
            self._loss,
        )

    def _sample_prompts(self) -> None:
        for prompt in self.plan.sample_prompts if self.job.ranks.first else ():
            if not self._control.stop_requested():
                self.sample(prompt)

    def _finish(self) -> Ended:
        """The last validation, checkpoint, samples and test of a run that got this far."""
        progress = self.progress
        unfinished = progress.update < self.updates
        early = unfinished and self._out_of_patience and not self._control.stopping
        if unfinished and not early:
            return self._stopped()
        self.finishing = True
        validated = progress.last_validation
        if validated is None or validated[0] != progress.update:
            self._validate_as_planned()
        self._save_result()
        self._sample_prompts()
        if self.plan.test:
            self._test()
        best = self._best()
        if best:
            self.job.emit(Note(message=best))
        if not early:
            return self._ended("completed")
        stale = progress.patience.stale
        title = f"Stopped early at update {progress.update}"
        message = f"{stale} validations in a row brought no better validation loss. {best}".strip()
        return self._ended("completed", title, message)

    def _stopped(self) -> Ended:
        progress = self.progress
        if not progress.update or self.save("stopped"):
            return self._ended("stopped")
        why = self._saver.refusal or "see the notes above"
        return self._ended(
            "stopped",
            "The last updates could not be saved",
            f"{why}; the checkpoint at update {progress.saved_update} is the last"
            if progress.saved_update
            else f"{why}; there is no checkpoint",
            "Free some space, then resume: they are made again.",
        )

    def _best(self) -> str:
        """Where the best weights are, if they are not the last ones."""
        best = self.progress.best_validation
        if best is None or best[0] == self.progress.update:
            return ""
        told = f"The best validation loss was {best[1]:.4f}, at update {best[0]}"
        if best[0] == 0:
            return f"{told}: before any training."
        kept = self.plan.keep_best and (self.job.run.checkpoints / name_of(best[0])).is_dir()
        return f"{told}: {self.job.run.best}" if kept else f"{told}."

    def _test(self) -> None:
        self._phase("testing")
        start = time.perf_counter()
        measured = self._loss_on(self.job.data.test, self.plan.test_batches)
        if measured is not None:
            seconds = time.perf_counter() - start
            self.job.emit(Tested(update=self.progress.update, loss=measured[0], seconds=seconds))

    def _save_result(self) -> None:
        """Saves what the run was for, patiently: it exists nowhere but in memory."""
        deadline = time.monotonic() + FINAL_SAVE_PATIENCE_SECONDS
        while not self.save("final"):
            if self._saver.refusal:
                self._control.attend(self)
                deadline = time.monotonic() + FINAL_SAVE_PATIENCE_SECONDS
            if time.monotonic() > deadline or self._control.stop_requested():
                raise Failure(
                    "disk",
                    "The result could not be saved",
                    f"{self.job.run.checkpoints}: see the notes above for the reason",
                    "Free some space, then resume from the last checkpoint.",
                    exit_code=1,
                )
            if not self._saver.refusal:
                time.sleep(SAVE_RETRY_SECONDS)

    def _ended(
        self, status: EndStatus, title: str = "", message: str = "", remedy: str = ""
    ) -> Ended:
        return Ended(
            status=status,
            update=self.progress.update,
            title=title,
            message=message,
            remedy=remedy,
            peak_bytes=mx.get_peak_memory(),
        )
