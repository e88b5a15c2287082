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
    what the whole process takes of the memory that a budget is about, which is what fits or does
    not: on a CUDA device that is the peak alone. None is unknown. ``parts`` add up to
    ``peak_bytes``, and ``peak_phase`` is what the run does at that moment. ``unvalidated`` says
    that no run of this kind was ever measured against it. ``longest_batch_tokens`` is how many
    tokens of an example the longest batch of the data has, None where every example is taken to
    fill ``max_seq_length``; ``full_length_peak_bytes`` what the plan would peak at if they did.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    peak_bytes: int
    low_bytes: int
    high_bytes: int
    parts: dict[str, int]
    method: Method
    floor_bytes: int | None = None
    footprint_bytes: int | None = None
    peak_phase: str | None = None
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

    @property
    def needed_bytes(self) -> int:
        """What a budget is compared with: the footprint, or the peak where that is all there is."""
        return self.peak_bytes if self.footprint_bytes is None else self.footprint_bytes

    @property
    def outside_bytes(self) -> int:
        """What the process needs beyond the peak: interpreter, libraries, tokenizer, data."""
        return self.needed_bytes - self.peak_bytes

    def fits(self, budget_bytes: int | None) -> bool | None:
        """Whether the expected footprint is within the budget; None without one."""
        return None if budget_bytes is None else self.needed_bytes <= budget_bytes

    def document(self, budget_bytes: int | None) -> dict[str, Any]:
        """What ``cockpit predict --json`` prints and a run keeps as forecast.json."""
        document: dict[str, Any] = self.model_dump(exclude={"notes"})
        return document | {
            "budget_bytes": budget_bytes,
            "fits": self.fits(budget_bytes),
            "notes": list(self.notes),
        }
