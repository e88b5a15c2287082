"""The tracing process as the interface holds it: one child, gone before anything trains."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cockpit.errors import CockpitError

if TYPE_CHECKING:
    from cockpit.core.forecast import MemoryForecast
    from cockpit.core.plan import RunPlan
    from cockpit.core.profiles import Backend, HardwareProfile
    from cockpit.memory.client import Worker
    from cockpit.memory.forecast import Forecaster

RETRY_SECONDS = 0.05


class Tracer:
    """Forecasts for any profile from one warm child, which is there while it is allowed.

    ``allow`` and ``forbid`` only set what is wanted; ``settle`` makes it so, whichever was said
    last. All but those two may take a while: call them in a worker thread.
    """

    def __init__(self, worker: Worker | None = None) -> None:
        self._allowed = False
        self._in_use = threading.Lock()
        self._worker = worker
        self._forecasters: dict[tuple[Backend, str | None], Forecaster] = {}

    def allow(self) -> None:
        self._allowed = True

    def forbid(self) -> None:
        self._allowed = False

    def settle(self) -> None:
        """Starts the child if it is allowed, without waiting for it; else ends it."""
        while not self._in_use.acquire(timeout=RETRY_SECONDS):
            if not self._allowed:
                self._interrupt()
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

    def forecast(
        self,
        plan: RunPlan,
        profile: HardwareProfile | None,
        *,
        rough_longest_tokens: int | None = None,
        within_seconds: float | None = None,
    ) -> MemoryForecast | None:
        """The traced forecast, or the rough one that says why not.

        None if nothing is known of the model, or the child is forbidden.
        """
        with self._in_use:
            if not self._allowed:
                return None
            forecaster = self._forecaster(profile)
            with contextlib.suppress(CockpitError), self._limited(within_seconds):
                found = forecaster.forecast(plan, rough_longest_tokens=rough_longest_tokens)
                return found if self._allowed else None
            return None

    @contextlib.contextmanager
    def _limited(self, seconds: float | None) -> Iterator[None]:
        """Ends a trace that takes longer than that."""
        timer = threading.Timer(seconds or 0, self._interrupt) if seconds else None
        if timer is not None:
            timer.start()
        try:
            yield
        finally:
            if timer is not None:
                timer.cancel()

    def _forecaster(self, profile: HardwareProfile | None) -> Forecaster:
        from cockpit.memory.forecast import Forecaster

        backend: Backend = profile.backend if profile is not None else "cpu"
        chip = profile.chip if profile is not None else None
        if (backend, chip) not in self._forecasters:
            self._forecasters[backend, chip] = Forecaster(backend, chip, worker=self._child())
        return self._forecasters[backend, chip]

    def _child(self) -> Worker:
        if self._worker is None:
            from cockpit.memory.client import Worker

            self._worker = Worker()
        return self._worker

    def _interrupt(self) -> None:
        """Ends a trace that is under way: whoever waits for it is told at once."""
        pid = self._worker.pid if self._worker is not None else None
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
