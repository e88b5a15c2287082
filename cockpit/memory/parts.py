"""Whose bytes they are: the live buffers at the peak, in the parts people can act on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cockpit.core.forecast import PARTS
from cockpit.memory.graph import Graph, Role, Shape, Value

_PART_OF: dict[Role, str] = {
    "weight": "weights",
    "adapter": "adapters",
    "optimizer": "optimizer",
    "gradient": "gradients",
    "batch": "activations",
    "other": "activations",
}


@dataclass(frozen=True, slots=True)
class Attribution:
    """What tells buffers apart: the shapes of what is trained, the vocabulary, the length."""

    graph: Graph
    trained_shapes: frozenset[Shape]
    vocabulary: int
    length: int

    def parts(self, live: Iterable[tuple[int, Value | None]], peak_bytes: int) -> dict[str, int]:
        """Bytes by part. What is scheduled ahead is the rest of ``peak_bytes``."""
        sizes = dict.fromkeys(PARTS, 0)
        for size_bytes, value in live:
            sizes[self._part(value)] += size_bytes
        sizes["run_ahead"] = peak_bytes - sum(sizes.values())
        return sizes

    def _part(self, value: Value | None) -> str:
        if value is None:
            return "activations"
        role = self.graph.roles.get(value)
        if role is not None or value.op is None:
            return _PART_OF[role or "other"]
        shape = value.shape
        if shape in self.trained_shapes:
            return "gradients"
        if self.vocabulary in shape:
            return "logits_and_loss"
        if len(shape) > 2 and shape.count(self.length) > 1:
            return "attention"
        return "activations"
