"""The tracing process as the interface holds it: one child, gone before anything trains."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cockpit.core.forecast import MemoryForecast
    from cockpit.core.plan import RunPlan
    from cockpit.core.profiles import Backend, HardwareProfile
    from cockpit.memory.client import Worker
    from cockpit.memory.forecast import Forecaster

RETRY_SECONDS = 0.05
# The screen says that it is still tracing, and whoever changes the plan calls it off.
TRACE_SECONDS = 600.0


class Tracer:
    """Forecasts for any profile from one warm child, which is there while it is allowed.

    ``allow`` and ``forbid`` only set what is wanted; ``settle`` makes it so, whichever was said
    last. All but those two may take a while: call them in a worker thread.
    """

    def __init__(self, worker: Worker | None = None) -> None:
        self._allowed = False
        self._in_use = threading.Lock()
        self._worker = worker
        # When the trace that is under way began.
        self._since: float | None = None
        self._forecasters: dict[tuple[Backend, str | None], Forecaster] = {}

    def allow(self) -> None:
        self._allowed = True

    def forbid(self) -> None:
        self._allowed = False

    def settle(self) -> None:
        """Starts the child if it is allowed, without waiting for it; else ends it."""
        while not self._in_use.acquire(timeout=RETRY_SECONDS):
            if not self._allowed:
                self._cancel()
        try:
            if self._allowed:
                self._child().start()
            elif self._worker is not None:
                self._worker.close()
        finally:
            self._in_use.release()

    def close(self) -> None:
        """Forbids the child and waits until it is gone, whatever it is doing."""
        self.forbid()
        self.settle()

    def give_way(self, after_seconds: float) -> None:
        """Calls off a trace that has taken longer than that; a new child costs seconds too."""
        since = self._since
        if since is not None and time.monotonic() - since > after_seconds:
            self._cancel()

    def forecast(
        self,
        plan: RunPlan,
        profile: HardwareProfile | None,
        *,
        rough_longest_tokens: int | None = None,
        within_seconds: float | None = None,
        compare: bool = True,
    ) -> MemoryForecast | None:
        """The traced forecast, or the rough one that says why not.

        ``compare`` as ``Forecaster.forecast`` has it. None if it was called off or the child is
        forbidden; CockpitError with the reason if nothing is known of the model.
        """
        from cockpit.memory.client import TraceCancelled

        with self._in_use:
            if not self._allowed:
                return None
            self._since = time.monotonic()
            try:
                found = self._ask(profile)(
                    plan,
                    rough_longest_tokens=rough_longest_tokens,
                    within_seconds=within_seconds,
                    compare=compare,
                )
                return found if self._allowed else None
            except TraceCancelled:
                return None
            finally:
                self._since = None

    def lengths(self, plan: RunPlan, profile: HardwareProfile | None) -> list[int] | None:
        """Tokens of every training example, uncut; None if they cannot be known."""
        with self._in_use:
            return self._forecaster(profile).lengths(plan) if self._allowed else None

    def _ask(self, profile: HardwareProfile | None) -> Callable[..., MemoryForecast]:
        from cockpit.memory.oracle import Oracle

        forecaster = self._forecaster(profile)
        if profile is None:
            return forecaster.forecast
        return Oracle(profile, forecaster=forecaster).ask

    def _forecaster(self, profile: HardwareProfile | None) -> Forecaster:
        from cockpit.memory.forecast import Forecaster

        backend: Backend = profile.backend if profile is not None else "cpu"
        kind = (backend, profile.chip if profile is not None else None)
        if kind not in self._forecasters:
            self._forecasters[kind] = Forecaster(
                *kind, timeout_seconds=TRACE_SECONDS, worker=self._child()
            )
        return self._forecasters[kind]

    def _child(self) -> Worker:
        if self._worker is None:
            from cockpit.memory.client import Worker

            self._worker = Worker()
        return self._worker

    def _cancel(self) -> None:
        if self._worker is not None:
            self._worker.cancel()
