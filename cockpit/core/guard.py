"""The guard's rules: readings of memory in, a verdict out, before the kernel acts.

What it can do: a stop is obeyed between two updates, so the guard prevents a death that builds
up over updates: batches that get longer, a leak, other programs that eat the memory, a machine
that swaps itself to a standstill. It needs to have seen the trainer near its peak, or a forecast
that is known to be right on this kind of device: a batch to come that it says cannot fit ends the
run while nothing is lost, however far off it is.

What it cannot do: nothing reaches a trainer inside an update. One that takes the last memory and
the life of the process in a single update, the first above all, is what the forecast before the
launch is for. Nor does it see a GPU's memory on CUDA other than through MLX's own count.

So that it does not cry wolf: a rule has to hold for several readings in a row; a warning ends
only well below where it began; growth that the forecast explains is no alarm; swap alone never is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from cockpit.core.events import Guarded
from cockpit.core.format import gigabytes
from cockpit.core.guard_course import BEYOND_FORECAST, Course
from cockpit.core.guard_reading import FULL_READING_SECONDS, Bound, Reading
from cockpit.core.guard_settings import GuardSettings

Level = Literal["fine", "warn", "stop"]

# The update that runs now cannot be stopped, nor the one that starts before the stop is read.
UPDATES_TO_STOP = 2.5
# Other programs are not expected to go on growing for as long as a slow update takes.
MOST_SECONDS_AHEAD = 30.0
# What they took in two seconds near the limit, they are expected to take for as long again.
MOST_SECONDS_OF_HURRY = 4.0
# Whose stop would help: a trainer with less than this share of RAM is not what fills it.
CULPRIT_SHARE = 0.25
CALM_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """``is_new``: the level was reached with this reading, and nobody has been told yet.

    ``free_bytes`` is what the limit in question had left; None where there is none.
    """

    level: Level = "fine"
    title: str = ""
    evidence: tuple[str, ...] = ()
    is_new: bool = False
    free_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class _Concern:
    """A rule that holds at one reading; it counts after ``readings`` of them in a row."""

    level: Level
    rule: str
    title: str
    evidence: tuple[str, ...]
    readings: int
    free_bytes: int | None = None


class Guard:
    """Judges the readings of one attempt, in order. Stop is final; a warning may end."""

    def __init__(self, settings: GuardSettings | None = None):
        self._settings = settings or GuardSettings()
        self._held: dict[str, int] = {}
        self._verdict = Verdict()
        self._calm_since: float | None = None
        self._courses: dict[str, Course] = {}

    def see(self, reading: Reading) -> Verdict:
        """The verdict after one more reading."""
        for bound in reading.bounds:
            self._courses.setdefault(bound.name, Course()).add(bound, reading)
        if self._verdict.level == "stop":
            return self._again()
        concerns = [*self._of_bounds(reading), *self._of_pressure(reading)]
        self._count(concerns, reading)
        ripe = [c for c in concerns if self._held[c.rule] >= c.readings]
        worst = next((c for c in ripe if c.level == "stop"), ripe[0] if ripe else None)
        if worst is not None and (worst.level == "stop" or self._verdict.level == "fine"):
            self._verdict = Verdict(
                worst.level, worst.title, worst.evidence, is_new=True, free_bytes=worst.free_bytes
            )
            return self._verdict
        self._calm_down(reading)
        return self._again()

    def _again(self) -> Verdict:
        return replace(self._verdict, is_new=False)

    def _count(self, concerns: list[_Concern], reading: Reading) -> None:
        """A quick look neither adds to nor breaks what only full readings can tell."""
        now = {concern.rule for concern in concerns}
        kept = {} if reading.fresh else {r: n for r, n in self._held.items() if r in _SLOW_RULES}
        for rule in now:
            if reading.fresh or rule not in _SLOW_RULES:
                kept[rule] = self._held.get(rule, 0) + 1
            else:
                kept[rule] = self._held.get(rule, 0)
        self._held = kept

    def _calm_down(self, reading: Reading) -> None:
        """Ends a warning once everything was well below its threshold for a minute."""
        low = all(bound.share < self._settings.clear_share for bound in reading.bounds)
        calm = low and not self._held
        if self._verdict.level != "warn" or not calm:
            self._calm_since = None
        elif self._calm_since is None:
            self._calm_since = reading.at
        elif reading.at - self._calm_since >= CALM_SECONDS:
            self._verdict, self._calm_since = Verdict(), None

    def _of_bounds(self, reading: Reading) -> Iterator[_Concern]:
        settings = self._settings
        for bound in reading.bounds:
            told = (f"{bound.name}: {_of(bound.needed_bytes, bound.limit_bytes)} at its peaks",)
            if bound.share >= settings.stop_share:
                yield self._concern("stop", "full", bound, "Memory is about to run out", told)
            course = self._courses[bound.name]
            yield from self._to_come(bound, course, reading, told)
            yield from self._leaping(bound, course, reading, told)
            yield from self._growing(bound, course, reading, told)
            if bound.share >= settings.warn_share:
                yield self._concern("warn", "near", bound, "Memory is nearly full", told)

    def _to_come(
        self, bound: Bound, course: Course, reading: Reading, told: tuple[str, ...]
    ) -> Iterator[_Concern]:
        """The forecast's lower edge, on top of what was measured beside it, passes the limit."""
        low = None if reading.longest_seen else reading.forecast_low_bytes
        if low is None or course.beside_mlx is None or course.beside_mlx + low <= bound.limit_bytes:
            return
        evidence = (*told, f"forecast for the longest batch: {gigabytes(course.beside_mlx + low)}")
        # What others hold may be gone by then; what the trainer itself needs is not.
        sure = reading.forecast_is_sure and (course.alone_beside_mlx or 0) + low > bound.limit_bytes
        if sure or bound.share >= self._settings.foreseen_share:
            title = "A longer batch would run out of memory"
            yield self._concern("stop", "to come", bound, title, evidence)
        yield self._concern("warn", "may not fit", bound, "Longer batches may not fit", evidence)

    def _leaping(
        self, bound: Bound, course: Course, reading: Reading, told: tuple[str, ...]
    ) -> Iterator[_Concern]:
        """One more rise like the last passes the limit, and no forecast explains it."""
        near = bound.share >= self._settings.foreseen_share and not reading.longest_seen
        counted, forecast = reading.mlx_peak_bytes, reading.forecast_peak_bytes
        if counted and forecast and counted <= BEYOND_FORECAST * forecast:
            # The update under way is not counted yet: a longer batch looks like a rise beside MLX.
            near = False
        # What rises with every update rises in the one that is under way, and may once more.
        steady = round(UPDATES_TO_STOP * course.steady_rise_bytes)
        coming = max(steady, course.last_rise_bytes if near else 0)
        if coming and bound.needed_bytes + coming >= bound.limit_bytes:
            evidence = (*told, f"the last rise was {gigabytes(course.last_rise_bytes)}")
            title = "One more rise like the last would run out of memory"
            yield self._concern("stop", "leaping", bound, title, evidence)

    def _growing(
        self, bound: Bound, course: Course, reading: Reading, told: tuple[str, ...]
    ) -> Iterator[_Concern]:
        own, others = course.growth(bound)
        updates = UPDATES_TO_STOP * (reading.update_seconds or 0.0)
        readings = self._settings.readings
        grown = own * (updates + readings * reading.look_seconds)
        grown += others * min(updates + readings * FULL_READING_SECONDS, MOST_SECONDS_AHEAD)
        if bound.share >= self._settings.warn_share and (hurry := course.hurry(bound)):
            others = max(others, hurry)
            ahead = min(updates + readings * reading.look_seconds, MOST_SECONDS_OF_HURRY)
            grown = max(grown, hurry * ahead)
        if grown and bound.needed_bytes + grown >= bound.limit_bytes:
            who = "the trainer grows" if own >= others else "other programs grow"
            evidence = (*told, f"{who} by {gigabytes(60 * max(own, others))} a minute")
            title = "Memory grows and is about to run out"
            yield self._concern("stop", "growing", bound, title, evidence)

    def _concern(
        self, level: Level, rule: str, bound: Bound, title: str, evidence: tuple[str, ...]
    ) -> _Concern:
        name, free = f"{rule} {bound.name}", max(0, bound.limit_bytes - bound.needed_bytes)
        return _Concern(level, name, title, evidence, self._settings.readings, free)

    def _of_pressure(self, reading: Reading) -> Iterator[_Concern]:
        settings = self._settings
        taken, budget = reading.footprint_bytes, reading.budget_bytes
        if taken is None:
            return
        told = (f"trainer: {gigabytes(taken)}",)
        culprit = reading.ram_bytes is None or taken >= CULPRIT_SHARE * reading.ram_bytes
        if culprit and (why := _pressed(reading, settings)):
            title = "The machine is out of memory and stalls"
            yield _Concern("stop", PRESSED, title, (*told, why), settings.pressure_readings)
        if budget is None or taken <= budget:
            return
        over = (f"trainer: {_of(taken, budget)}, this machine's budget",)
        rate = reading.swap_out_bytes_per_second
        if (
            rate is not None
            and rate >= settings.swap_out_mib_per_second * 2**20
            and reading.pressure != "normal"
        ):
            title = "The run is over its budget and is being swapped out"
            why = f"swapping out {gigabytes(round(rate))} a second"
            yield _Concern("stop", SWAPPED, title, (*over, why), settings.pressure_readings)
        title = "The run takes more than this machine's budget"
        yield _Concern("warn", "over budget", title, over, settings.readings)


PRESSED = "pressure"
SWAPPED = "swapped out"
_SLOW_RULES = frozenset({PRESSED, SWAPPED})


def _pressed(reading: Reading, settings: GuardSettings) -> str:
    """Why the machine stalls for memory, in words; empty if it does not."""
    stalled = reading.stalled_percent
    if stalled is not None:
        if stalled < settings.stalled_percent:
            return ""
        return f"everything waited for memory {stalled:.0f} % of the time"
    return "memory pressure is critical" if reading.pressure == "critical" else ""


def _of(used_bytes: int, limit_bytes: int) -> str:
    share = 100 * used_bytes / limit_bytes
    return f"{gigabytes(used_bytes)} of {gigabytes(limit_bytes)} ({share:.0f} %)"


def told(guarded: Guarded) -> tuple[str, str, str]:
    """Title, message and remedy of what the guard did, as a screen shows an ending."""
    message = "; ".join(guarded.evidence)
    if guarded.level == "stop":
        remedy = "It is asked to save and stop before the kernel ends it: go on with less memory."
        return guarded.title, message, remedy
    return guarded.title, message, "Close other programs, or stop it and go on with less memory."
