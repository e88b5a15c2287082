"""What a check finds: for each stage, how it went, with the real error and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict

from cockpit.core.quantization import parse_quantization

Stage = Literal["load", "train", "resume", "fuse", "reload", "generate", "dequantize", "export"]
Status = Literal["passed", "failed", "not for this family", "not reached"]
Weights = Literal["twin", "real"]

STAGES: tuple[Stage, ...] = get_args(Stage)
# What has to have passed before a stage can be tried.
NEEDS: dict[Stage, Stage] = {
    "train": "load",
    "resume": "train",
    "fuse": "train",
    "reload": "fuse",
    "generate": "reload",
    "dequantize": "fuse",
    "export": "fuse",
}
UNPACKED = "16-bit"


class Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Outcome(Value):
    """How one stage went. ``detail`` is what was measured, ``error`` the words of the failure."""

    stage: Stage
    status: Status
    detail: str = ""
    error: str = ""
    meaning: str = ""
    seconds: float | None = None


class Report(Value):
    """One model in one packing, taken through every stage on one pair of versions.

    ``fingerprint`` is the same for all models with the same twin. ``experts_trained`` counts
    the adapters of experts that training changed; None where there are no experts.
    """

    model: str
    model_type: str
    packing: str
    weights: Weights
    fingerprint: str
    mlx: str
    mlx_lm: str
    device: str
    checked: str
    experts_trained: int | None = None
    stages: tuple[Outcome, ...]

    @property
    def passed(self) -> bool:
        return not self.failed

    @property
    def failed(self) -> tuple[Outcome, ...]:
        return tuple(outcome for outcome in self.stages if outcome.status == "failed")

    def of(self, stage: Stage) -> Outcome:
        return next(outcome for outcome in self.stages if outcome.stage == stage)

    @property
    def word(self) -> str:
        """``passed``, or which stages fail."""
        if self.failed:
            return f"fails: {', '.join(outcome.stage for outcome in self.failed)}"
        return "passed" if self.weights == "twin" else "passed (real)"


def packing_of(config: Mapping[str, Any]) -> str:
    """How a model's own weights are packed, as mlx-lm holds them: ``16-bit`` if they are not."""
    packing = parse_quantization(config, config.get("text_config") or {})
    if packing is None:
        return UNPACKED
    return f"{packing.bits}-bit" if packing.mode == "affine" else packing.mode
