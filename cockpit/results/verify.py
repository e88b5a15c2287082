"""Whether a fused model answers as the adapted one did: the same logits, as far as may be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import mlx.core as mx

from cockpit.results import kept

Logits = list[mx.array]

# Mean divergence in nats that rounding the weights to a type may bring.
TOLERANCE = {"float32": 1e-5, "float16": 1e-3, "bfloat16": 2e-2}
MOST_TOKENS = 16


@dataclass(frozen=True, slots=True)
class Comparison:
    """What fusing changed, over every position of a few prompts.

    ``divergence`` is the mean Kullback-Leibler divergence in nats of the fused model's next-token
    distribution from the adapted model's; ``adapter_divergence`` is the base's, which is how
    much there was to keep. ``kept`` is the share of what was learned that is still there, None
    if nothing was. ``tolerance`` is None where weights were packed again, which always changes
    something.
    """

    tokens: int
    largest_difference: float
    divergence: float
    adapter_divergence: float
    same_choice: float
    kept: float | None
    tolerance: float | None

    @property
    def passed(self) -> bool:
        return self.tolerance is None or self.divergence <= self.tolerance

    @property
    def spoiled(self) -> bool:
        """Whether packing lost much of what was learned."""
        return self.tolerance is None and self.kept is not None and self.kept < kept.WELL

    def document(self) -> dict[str, Any]:
        return asdict(self)


def logits(model: Callable[[mx.array], mx.array], texts: Sequence[Sequence[int]]) -> Logits:
    """For each text, in float32, one row a position."""
    found = []
    for tokens in texts:
        found.append(model(mx.array([list(tokens)]))[0].astype(mx.float32))
        mx.eval(found[-1])
    return found


def compare(adapted: Logits, fused: Logits, base: Logits, dtype: str | None) -> Comparison:
    """``dtype`` of the fused weights, None if they are packed."""
    wanted, got, before = (mx.concatenate(found) for found in (adapted, fused, base))
    same = mx.argmax(wanted, axis=-1) == mx.argmax(got, axis=-1)
    return Comparison(
        tokens=wanted.shape[0],
        largest_difference=mx.abs(wanted - got).max().item(),
        divergence=_divergence(wanted, got),
        adapter_divergence=_divergence(wanted, before),
        same_choice=same.astype(mx.float32).mean().item(),
        kept=share_kept(before, wanted, got),
        tolerance=None if dtype is None else TOLERANCE.get(dtype, TOLERANCE["bfloat16"]),
    )


def share_kept(base: mx.array, tuned: mx.array, fused: mx.array) -> float | None:
    """1 less how far the fused logits are off, as a share of how far training moved them.

    The median over all positions that training moved; None if there are none.
    """
    learned = mx.linalg.norm(tuned - base, axis=-1).flatten()
    off = mx.linalg.norm(tuned - fused, axis=-1).flatten()
    moved = int((learned > 0).sum().item())
    if not moved:
        return None
    # What was not moved sorts last.
    ratios = mx.sort(mx.where(learned > 0, off / mx.maximum(learned, 1e-30), mx.inf))
    return 1 - float(ratios[moved // 2].item())


def _divergence(of: mx.array, from_: mx.array) -> float:
    true = of - mx.logsumexp(of, axis=-1, keepdims=True)
    other = from_ - mx.logsumexp(from_, axis=-1, keepdims=True)
    found: float = (mx.exp(true) * (true - other)).sum(axis=-1).mean().item()
    return max(0.0, found)
