"""The formulas people plan memory with, as bench/forecast.py compares them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from forecast_cases import Case
from mlx.utils import tree_flatten

from cockpit.core.model_spec import from_config
from cockpit.memory.analytic import analytic_forecast


def _parameters(model: Any) -> int:
    """Weights, packed ones counted one by one; ``model`` has its adapters already."""
    total = 0
    for path, value in tree_flatten(model.parameters()):
        packed = str(value.dtype).endswith("uint32")
        if "lora" not in path and not path.endswith((".scales", ".biases")):
            total += value.size * (8 if packed else 1)
    return total


def two_bytes_and_a_half(case: Case, model: Any) -> float:
    """Parameters x 2 bytes x 1.5: the rule of thumb of forum answers."""
    return _parameters(model) * 2 * 1.5


def four_bits_and_batches(case: Case, model: Any) -> float:
    """Half a byte a parameter + 2.5 GB + 2 GB an example in the batch."""
    return _parameters(model) * 0.5 + 2.5e9 + case.batch * 2e9


def sums_from_the_shape(case: Case, model: Any) -> float:
    """The cockpit's own rough estimate, from the model's shape."""
    longest = case.batches.train[1] - 1
    forecast = analytic_forecast(case.run_plan, from_config(case.config), longest)
    return float(forecast.peak_bytes) if forecast else float("nan")


BASELINES: dict[str, Callable[[Case, Any], float]] = {
    "parameters x 2 bytes x 1.5": two_bytes_and_a_half,
    "4 bits + 2.5 GB + 2 GB x batch": four_bits_and_batches,
    "sums from the shape": sums_from_the_shape,
}
