"""The guard at work: it looks at the trainer's memory, and asks it to save and stop in time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from cockpit.core.events import Guarded, MemorySampled
from cockpit.core.format import gigabytes
from cockpit.core.guard import Guard, Verdict
from cockpit.core.guard_reading import FULL_READING_SECONDS, Bound, Reading
from cockpit.core.plan import GuardMode
from cockpit.core.samples import MemorySample
from cockpit.errors import CockpitError
from cockpit.supervisor import limits
from cockpit.supervisor.journal import Journal
from cockpit.supervisor.peaks import Peaks
from cockpit.supervisor.progress import Progress
from cockpit.supervisor.stops import Stops
from cockpit.system import control
from cockpit.system.asked import GUARD
from cockpit.system.run_dir import AttemptDir, RunDir
from cockpit.system.sensors import Sensors, machine_source

QUICK_SECONDS = 0.05
# Near a limit a second is long: three full readings in a row may be one too many.
NEAR_SECONDS = 0.1
# Others that went on growing as since the full reading before would reach it within so many.
NEAR_READINGS = 2
# The first peaks come fast, and after a longer batch than any before the next may be longer yet.
FIRST_UPDATES = 5
UPDATES_AFTER_A_LONGER_ONE = 3
# So much of the address space taken says that the next buffer may not have fitted.
NEAR_SHARE = 0.8


class MemoryGuard:
    """Watches one trainer. Its rules, and what it cannot do, are in ``core.guard``."""

    def __init__(
        self,
        run: RunDir,
        attempt: AttemptDir,
        progress: Progress,
        stops: Stops,
        journal: Journal,
        sensors: Sensors,
        mode: GuardMode = "stop",
    ):
        self.peaks = Peaks()
        self._run = run
        self._attempt = attempt.number
        self._progress = progress
        self._stops = stops
        self._journal = journal
        self._sensors = sensors
        self._pid = stops.trainer_pid
        self._mode = mode
        settings = limits.guard_settings()
        self._rules = Guard(settings)
        self._near_share = settings.warn_share
        self._is_near = False
        self._forecast = limits.Forecast.of(attempt)
        self._sample = MemorySample()
        # When the last quick look was; None if a full reading came after it.
        self._seen_at: float | None = None
        # Without the swap rates, which are those between two full readings.
        self._source = machine_source()
        self._others_bytes = 0
        self._others_rise = 0
        self._address_space: int | None = None
        self._gpu_bytes: int | None = None
        self._gpu_asked = False

    @property
    def seconds_to_next_look(self) -> float | None:
        """None: nothing happens so fast that a look between two full readings would tell more."""
        progress = self._progress
        first = progress.seen < FIRST_UPDATES
        longer = progress.longer and progress.update - progress.longer < UPDATES_AFTER_A_LONGER_ONE
        if (first or longer) and not progress.paused:
            return QUICK_SECONDS
        return NEAR_SECONDS if self._is_near else None

    def read(self) -> MemorySample:
        """A full reading of the machine, judged."""
        others_before = self._others_bytes
        self._sample = sample = self._weigh(self._sensors.read)
        self._address_space = limits.address_space_bytes(self._pid)
        self._look(fresh=True)
        self._others_rise = max(0, self._others_bytes - others_before)
        return sample

    def glance(self) -> None:
        """A quick look at the trainer, and near a limit at who else fills it; judged."""
        if self._is_near:
            self._weigh(lambda pid: self._source.read(pid).sample)
        self._look(fresh=False)

    def _weigh(self, read: Callable[[int], MemorySample]) -> MemorySample:
        """A sample of the machine, by which the others' share is known."""
        before = self._sensors.process(self._pid).footprint_bytes
        sample = read(self._pid)
        # The trainer moves while the machine is read: the larger figure blames others for less.
        own = max(before or 0, sample.footprint_bytes or 0)
        self._others_bytes = (limits.used_bytes(sample) or 0) - own
        return sample

    def last_glance(self) -> MemorySampled | None:
        """What a quick look after the last full reading saw, if anything had moved."""
        footprint = self.peaks.now.footprint_bytes
        if self._seen_at is None or footprint == self._sample.footprint_bytes:
            return None
        sample = self._sample.model_copy(update={"footprint_bytes": footprint})
        return MemorySampled(t=self._seen_at, sample=sample)

    def _look(self, *, fresh: bool) -> None:
        self._progress.follow()
        process = self._sensors.process(self._pid)
        if process.footprint_bytes is None:
            return
        self.peaks.add(process, training=self._progress.training)
        self._seen_at = None if fresh else time.time()
        if self._mode != "off":
            reading = self._reading(fresh=fresh)
            self._is_near = any(self._comes_near(bound) for bound in reading.bounds)
            self._act(self._rules.see(reading))

    def _reading(self, *, fresh: bool) -> Reading:
        sample, progress = self._sample, self._progress
        return Reading(
            at=time.monotonic(),
            bounds=tuple(self._bounds()),
            footprint_bytes=self.peaks.now.footprint_bytes,
            budget_bytes=self._forecast.budget_bytes,
            ram_bytes=sample.ram_total_bytes,
            pressure=sample.pressure,
            stalled_percent=sample.pressure_full_percent,
            swap_out_bytes_per_second=sample.swap_out_bytes_per_second,
            update=progress.update,
            update_seconds=progress.update_seconds,
            mlx_peak_bytes=progress.peak_bytes,
            forecast_low_bytes=self._forecast.low_bytes,
            forecast_peak_bytes=self._forecast.peak_bytes,
            forecast_is_sure=self._forecast.is_sure and not self._beside_the_ram,
            longest_seen=progress.longest_seen,
            fresh=fresh,
            look_seconds=self.seconds_to_next_look or FULL_READING_SECONDS,
        )

    @property
    def _beside_the_ram(self) -> bool:
        """MLX counts and forecasts the memory of a GPU that is none of the machine's."""
        return sys.platform == "linux" and "(GPU)" in self._progress.device

    def _comes_near(self, bound: Bound) -> bool:
        """Whether it is nearly reached, or will be before the next full reading is judged."""
        soon = bound.needed_bytes + NEAR_READINGS * self._others_rise
        return soon >= self._near_share * bound.limit_bytes

    def _bounds(self) -> list[Bound]:
        found = limits.bounds(self._sample, self._others_bytes, self.peaks, self._address_space)
        if self._progress.seen and not self._gpu_asked:
            self._gpu_asked, self._gpu_bytes = True, limits.gpu_bytes(self._progress)
        if self._gpu_bytes is not None:
            # Other programs' share of it is not known.
            found.append(Bound("GPU memory", self._gpu_bytes, self._progress.peak_bytes or 0))
        return found

    def _act(self, verdict: Verdict) -> None:
        if not verdict.is_new or verdict.level == "fine" or self._stops.asked:
            return
        level = "stop" if verdict.level == "stop" and self._mode == "stop" else "warn"
        free, taken = verdict.free_bytes, self.peaks.footprint_bytes
        self._journal.write(
            Guarded(
                attempt=self._attempt,
                level=level,
                title=verdict.title,
                evidence=verdict.evidence,
                room_bytes=None if free is None else taken + free,
            )
        )
        if level == "stop":
            try:
                control.send(self._run, "stop", sender=GUARD)
            except CockpitError:
                self._stops.terminate("The guard's stop could not be written")

    @property
    def address_space_bytes(self) -> int | None:
        """The trainer's limit when it was last looked at."""
        return self._address_space

    def reasons(self) -> tuple[str, ...]:
        """Why a crash of the allocator may be a lack of address space, in words."""
        limit = self._address_space
        if limit is None:
            return ()
        found = []
        if self.peaks.address_space_bytes >= NEAR_SHARE * limit:
            taken = self.peaks.address_space_bytes
            found.append(f"address space taken: {gigabytes(taken)} of {gigabytes(limit)}")
        before, rise = self.peaks.before, self._forecast.rise_bytes
        start = before.address_space_bytes if before else None
        if start is not None and rise is not None and start + rise > limit:
            left = gigabytes(max(0, limit - start))
            found.append(f"an update was forecast to need {gigabytes(rise)}, {left} were left")
        return tuple(found)
