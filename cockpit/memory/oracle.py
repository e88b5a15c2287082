"""Forecasts for one machine, narrowed by the runs that finished on it."""

from __future__ import annotations

from cockpit.core.forecast import MemoryForecast
from cockpit.core.plan import RunPlan
from cockpit.core.profiles import HardwareProfile
from cockpit.memory import history
from cockpit.memory.fit import Limits
from cockpit.memory.forecast import Forecaster, spec_of
from cockpit.system import hardware, preflight_data
from cockpit.system.software import installed_version


class Oracle:
    """Asks a Forecaster, and gives the band that this machine's own history supports.

    The tracing process lives until the end of the ``with``: nothing may train before. A
    ``forecaster`` that is given is somebody else's to close.
    """

    def __init__(
        self,
        profile: HardwareProfile,
        *,
        forecaster: Forecaster | None = None,
        rough_longest_tokens: int | None = None,
        adapted_layers: int | None = None,
    ):
        """``adapted_layers``: blocks that a checkpoint has adapters in, if not the plan's."""
        self.profile = profile
        self._adapted_layers = adapted_layers
        self._forecaster = forecaster or Forecaster(profile.backend, profile.chip)
        self._rough_longest_tokens = rough_longest_tokens

    def __enter__(self) -> Oracle:
        self._forecaster.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._forecaster.close()

    def ask(
        self,
        plan: RunPlan,
        *,
        use_data: bool = True,
        rough_longest_tokens: int | None = None,
        within_seconds: float | None = None,
        compare: bool = True,
    ) -> MemoryForecast:
        """The forecast, on the plan's data where it has any. Raises as ``Forecaster.forecast``."""
        longest = rough_longest_tokens or self._rough_longest_tokens
        found = self._forecaster.forecast(
            plan,
            use_data=use_data,
            rough_longest_tokens=longest if use_data else None,
            within_seconds=within_seconds,
            compare=compare,
            adapted_layers=self._adapted_layers,
        )
        if self.profile.name != hardware.THIS_MACHINE:
            return found
        if not (known := history.records()):
            return found
        device = history.device_name(self.profile)
        kind = history.kind_of(device, installed_version("mlx"), plan)
        return history.narrowed(found, kind, known)

    def price(self, plan: RunPlan) -> MemoryForecast:
        """``ask`` for a search: without the comparison with full length, which is half the work."""
        return self.ask(plan, compare=False)

    def lengths(self, plan: RunPlan) -> list[int] | None:
        """Tokens of every training example of the plan, uncut; None if they cannot be known."""
        return self._forecaster.lengths(plan)


def limits_of(plan: RunPlan, *, use_data: bool) -> Limits:
    """How far model and data let a search go."""
    spec = spec_of(plan)
    data = preflight_data.summary(plan) if use_data else None
    splits = [data.train_examples, data.valid_examples] if data else []
    return Limits(
        layers=spec.num_hidden_layers if spec else None,
        examples=min((count for count in splits if count), default=None),
        tokens=spec.max_position_embeddings if spec else None,
    )
