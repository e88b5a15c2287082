"""The forecast of a run's peak memory: a value, whoever computed it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, model_validator

Method = Literal["trace", "analytic"]

# The parts people can act on, in the order they are shown.
PARTS = (
    "weights",
    "adapters",
    "gradients",
    "optimizer",
    "logits_and_loss",
    "attention",
    "activations",
    "run_ahead",
)


class MemoryForecast(BaseModel):
    """What ``mx.get_peak_memory()`` is expected to report, with its band and its parts.

    ``floor_bytes`` is the peak if every buffer were freed at its last use; ``footprint_bytes``
    is what the whole process is expected to take. None is unknown. ``parts`` add up to
    ``peak_bytes``. ``unvalidated`` says that no run of this kind was ever measured against it.
    ``longest_batch_tokens`` is how long the batch of the peak is; ``full_length_peak_bytes`` what
    the plan would peak at if its examples filled ``max_seq_length``, where they do not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    peak_bytes: int
    low_bytes: int
    high_bytes: int
    parts: dict[str, int]
    method: Method
    floor_bytes: int | None = None
    footprint_bytes: int | None = None
    longest_batch_tokens: int | None = None
    full_length_peak_bytes: int | None = None
    unvalidated: bool = False
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _adds_up(self) -> MemoryForecast:
        if sum(self.parts.values()) != self.peak_bytes:
            raise ValueError("the parts do not add up to the peak")
        if not self.low_bytes <= self.peak_bytes <= self.high_bytes:
            raise ValueError("the peak is outside its band")
        return self

    def fits(self, budget_bytes: int | None) -> bool | None:
        """Whether the expected peak is within the budget; None without one."""
        return None if budget_bytes is None else self.peak_bytes <= budget_bytes

    def document(self, budget_bytes: int | None) -> dict[str, Any]:
        """What ``cockpit predict --json`` prints and a run keeps as forecast.json."""
        document: dict[str, Any] = self.model_dump(exclude={"notes"})
        return document | {
            "budget_bytes": budget_bytes,
            "fits": self.fits(budget_bytes),
            "notes": list(self.notes),
        }
