"""Progress for train.log, and for wandb and swanlab through mlx-lm's own callbacks.

Their trouble never stops training.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlx_lm.tuner.callbacks import get_reporting_callbacks

from cockpit.core.events import Note, Updated
from cockpit.core.plan import RunPlan
from cockpit.system.run_dir import RunDir
from cockpit.trainer.emit import Emitter, say
from cockpit.trainer.failures import Failure, brief
from cockpit.trainer.ranks import Ranks


class Reports:
    """Sends what mlx-lm reports, under its names; ``iteration`` counts micro-batches."""

    def __init__(self, plan: RunPlan, run: RunDir, ranks: Ranks, emit: Emitter):
        self._emit = emit
        self._silent = not ranks.first
        self._every = plan.in_updates(plan.steps_per_report)
        self._accumulation = plan.grad_accumulation_steps
        self._forget()
        try:
            self._callback: Any = get_reporting_callbacks(
                plan.report_to if ranks.first else None,
                project_name=plan.project_name,
                log_dir=str(run.path),
                config=plan.model_dump(),
            )
        except (ImportError, ValueError) as error:
            raise Failure(
                "plan",
                "report_to cannot be used",
                f"report_to = {plan.report_to!r}: {brief(error)}",
                "Install it, or leave report_to out.",
            ) from error
        except Exception as error:
            self._callback = None
            self._give_up(error)

    def updated(self, event: Updated, *, last: bool) -> None:
        """Counts an update in; every ``steps_per_report`` says how the last ones went."""
        self._losses += event.loss * event.tokens
        self._tokens += event.tokens
        self._seconds += event.seconds
        self._updates += 1
        if last or event.update % self._every == 0:
            if not self._silent:
                self._report(event)
            self._forget()

    def _report(self, event: Updated) -> None:
        loss, speed = self._losses / self._tokens, self._tokens / self._seconds
        say(
            f"update {event.update}: loss {loss:.4f}, learning rate {event.learning_rate:.3e}, "
            f"{speed:.0f} tokens/s, peak {event.peak_bytes / 1e9:.3f} GB"
        )
        if self._callback is not None:
            report = {
                "iteration": event.update * self._accumulation,
                "train_loss": loss,
                "learning_rate": event.learning_rate,
                "iterations_per_second": self._updates * self._accumulation / self._seconds,
                "tokens_per_second": speed,
                "trained_tokens": event.trained_tokens,
                "peak_memory": event.peak_bytes / 1e9,
            }
            self._call(self._callback.on_train_loss_report, report)

    def _forget(self) -> None:
        self._losses, self._tokens, self._seconds, self._updates = 0.0, 0, 0.0, 0

    def validated(self, update: int, loss: float, seconds: float) -> None:
        if not self._silent:
            say(f"update {update}: validation loss {loss:.4f}")
        if self._callback is not None:
            iteration = update * self._accumulation
            report = {"iteration": iteration, "val_loss": loss, "val_time": seconds}
            self._call(self._callback.on_val_loss_report, report)

    def _call(self, function: Callable[[dict[str, Any]], None], report: dict[str, Any]) -> None:
        try:
            function(report)
        except Exception as error:
            self._callback = None
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        message = f"Reporting stopped: {brief(error)}"
        self._emit(Note(level="warning", message=message, remedy="Training goes on without it."))
