"""wandb and swanlab, through mlx-lm's own callbacks; their trouble never stops training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlx_lm.tuner.callbacks import get_reporting_callbacks

from cockpit.core.plan import RunPlan
from cockpit.trainer.emit import Emitter
from cockpit.core.events import Note
from cockpit.trainer.failures import Failure, brief


class Reports:
    """Sends what mlx-lm reports, under its names; ``iteration`` counts micro-batches."""

    def __init__(self, plan: RunPlan, log_dir: str, emit: Emitter):
        self._emit = emit
        try:
            self._callback: Any = get_reporting_callbacks(
                plan.report_to,
                project_name=plan.project_name,
                log_dir=log_dir,
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

    def train(self, report: dict[str, Any]) -> None:
        if self._callback is not None:
            self._call(self._callback.on_train_loss_report, report)

    def validation(self, report: dict[str, Any]) -> None:
        if self._callback is not None:
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
