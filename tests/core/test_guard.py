"""When the guard acts and when it does not, on sequences of readings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from cockpit.core.events import Guarded
from cockpit.core.guard import CALM_SECONDS, Guard, Verdict, told
from cockpit.core.guard_reading import Bound, Reading
from cockpit.core.guard_settings import GuardSettings

GIB = 2**30
LIMIT = 16 * GIB


def bound(share: float, others: float = 0.0) -> Bound:
    """The trainer at its peak and others, in shares of the limit."""
    return Bound("RAM and swap", LIMIT, round(share * LIMIT), round(others * LIMIT))


def reading(at: float, share: float = 0.5, others: float = 0.0, **fields: Any) -> Reading:
    return Reading(at=at, bounds=(bound(share, others),), **fields)


def told_of(readings: Iterable[Reading], settings: GuardSettings | None = None) -> list[Verdict]:
    """What a guard said on its way through ``readings``."""
    guard = Guard(settings)
    return [verdict for each in readings if (verdict := guard.see(each)).is_new]


def levels(readings: Iterable[Reading]) -> list[str]:
    return [verdict.level for verdict in told_of(readings)]


def growing(shares: Iterable[float], **fields: Any) -> Iterator[Reading]:
    """An update a second, its peak at each of ``shares``."""
    for update, share in enumerate(shares, 1):
        mlx = {"mlx_peak_bytes": round(share * LIMIT)}
        given = mlx | {"update": update, "update_seconds": 1.0} | fields
        yield reading(float(update), share, **given)


def test_a_run_at_95_percent_with_steady_swap_finishes() -> None:
    """An hour of it: the warning is said once, and nothing is stopped."""
    steady = [
        reading(
            float(second),
            0.95,
            update=second // 3,
            update_seconds=3.0,
            footprint_bytes=round(0.95 * 15 * GIB),
            budget_bytes=15 * GIB,
            ram_bytes=LIMIT,
            pressure="warning",
            stalled_percent=12.0,
            swap_out_bytes_per_second=200e6,
        )
        for second in range(3600)
    ]
    assert levels(steady) == ["warn"]


def test_it_stops_before_the_limit_is_reached() -> None:
    (said,) = told_of(reading(float(second), 0.98) for second in range(10))
    assert said.level == "stop"
    assert said.evidence == ("RAM and swap: 16.8 GB of 17.2 GB (98 %) at its peaks",)


def test_one_reading_is_not_enough_and_neither_are_three_that_are_not_in_a_row() -> None:
    shares = [0.5, 0.99, 0.5, 0.99, 0.99, 0.5, 0.99, 0.99, 0.5]
    assert levels(reading(float(t), share) for t, share in enumerate(shares)) == []


def test_a_warning_ends_well_below_where_it_began_and_only_after_a_while() -> None:
    """Around the threshold it is said once; after a calm minute it may be said again."""
    wobbling = [reading(float(t), 0.93 if t % 8 < 5 else 0.90) for t in range(200)]
    calm = [reading(200.0 + t, 0.80) for t in range(int(CALM_SECONDS) + 5)]
    again = [reading(300.0 + t, 0.93) for t in range(5)]
    assert levels(wobbling) == ["warn"]
    assert levels([*wobbling, *calm, *again]) == ["warn", "warn"]
    assert levels([*wobbling, *calm[:30], *again]) == ["warn"]


def test_stop_is_said_once_and_stays() -> None:
    guard = Guard()
    for t in range(5):
        guard.see(reading(float(t), 0.98))
    assert guard.see(reading(6.0, 0.1)) == Verdict(
        "stop",
        "Memory is about to run out",
        ("RAM and swap: 16.8 GB of 17.2 GB (98 %) at its peaks",),
        free_bytes=LIMIT - round(0.98 * LIMIT),
    )


def test_a_leak_is_foreseen_two_updates_ahead() -> None:
    """3 % of the limit an update. The stop is obeyed after the update that is under way."""
    shares = [0.5 + 0.03 * n for n in range(17)]
    guard = Guard()
    stopped = next(r for r in growing(shares) if guard.see(r).level == "stop")
    room_in_updates = (1 - stopped.bounds[0].share) / 0.03
    assert 2 <= room_in_updates <= 4


def test_growth_that_the_forecast_explains_is_no_alarm() -> None:
    """Longer and longer batches up to the 91 % that were forecast."""
    shares = [min(0.91, 0.5 + 0.05 * n) for n in range(30)]
    forecast = {
        "forecast_low_bytes": round(0.9 * LIMIT),
        "forecast_peak_bytes": round(0.91 * LIMIT),
    }
    assert levels(growing(shares, **forecast)) == []
    assert levels(growing(shares)) == ["stop"]


def test_others_that_hurry_are_not_waited_for_near_the_limit() -> None:
    """8 % a second from 50 % on: too fast for a trend, and one more second is too long."""

    def hurrying(until: float) -> list[tuple[str, float]]:
        guard, said = Guard(), list[tuple[str, float]]()
        for tick in range(200):
            at = tick / 10
            share = min(0.5 + 0.08 * at, until)
            pace = {"update": 1 + int(at / 0.3), "update_seconds": 0.3, "look_seconds": 0.1}
            now = reading(at, 0.5, share - 0.5, fresh=tick % 10 == 0, **pace)
            if (verdict := guard.see(now)).is_new:
                said.append((verdict.level, share))
        return said

    ((level, share),) = hurrying(until=1.2)
    assert level == "stop" and 0.92 <= share < 0.97
    assert hurrying(until=0.8) == []


def test_a_batch_to_come_that_cannot_fit_ends_it_at_once_if_the_forecast_is_sure() -> None:
    """Far from the limit: short batches now, a long one somewhere ahead."""

    def short(share: float, low: float, **fields: Any) -> list[str]:
        forecast = {"forecast_low_bytes": round(low * LIMIT)}
        forecast |= {"forecast_peak_bytes": round((low + 0.02) * LIMIT)}
        beside = {"mlx_peak_bytes": round((share - 0.1) * LIMIT)}
        return levels(growing([share] * 20, **forecast | beside | fields))

    assert short(0.4, 0.95, forecast_is_sure=True) == ["stop"]
    assert short(0.4, 0.95) == ["warn"]
    assert short(0.4, 0.85, forecast_is_sure=True) == []
    # The longest was there and the limit held: the forecast is too high.
    assert short(0.4, 0.95, forecast_is_sure=True, longest_seen=True) == []
    # Other programs may have ended by then: with them it would not fit, alone it would.
    forecast = {"forecast_low_bytes": round(0.85 * LIMIT), "forecast_is_sure": True}
    forecast |= {"mlx_peak_bytes": round(0.3 * LIMIT)}
    crowded = [reading(float(t), 0.4, others=0.3, update=t, **forecast) for t in range(1, 20)]
    assert levels(crowded) == ["warn"]


def test_growth_beyond_the_forecast_is_an_alarm() -> None:
    shares = [0.5 + 0.03 * n for n in range(17)]
    forecast = {
        "forecast_low_bytes": round(0.5 * LIMIT),
        "forecast_peak_bytes": round(0.55 * LIMIT),
    }
    assert levels(growing(shares, **forecast))[-1] == "stop"


def test_a_batch_that_is_forecast_not_to_fit_is_not_waited_for() -> None:
    """Launched anyway: the longest batch needs 120 %, so 86 % is as far as it goes."""
    shares = [0.6, 0.5, 0.7, 0.6, 0.86, 0.86, 0.86]
    forecast = {
        "forecast_low_bytes": round(1.2 * LIMIT),
        "forecast_peak_bytes": round(1.25 * LIMIT),
    }
    said = told_of(growing(shares, **forecast))
    assert [verdict.level for verdict in said] == ["warn", "stop"]
    assert said[1].title == "A longer batch would run out of memory"
    assert "forecast for the longest batch: 20.6 GB" in said[1].evidence


def test_a_jump_as_large_as_the_room_that_is_left() -> None:
    """Nothing is known of what is to come: from 70 to 88 %, and 12 % are left."""
    shares = [0.5, 0.6, 0.7, 0.88, 0.88, 0.88]
    assert levels(growing(shares)) == ["stop"]
    forecast = {
        "forecast_low_bytes": round(0.85 * LIMIT),
        "forecast_peak_bytes": round(0.88 * LIMIT),
    }
    assert levels(growing(shares, **forecast)) == []


def test_large_steps_are_not_followed_to_the_edge() -> None:
    """Three rises of 12 % in a row: at 76 % there is no room for two more."""
    guard = Guard(GuardSettings(readings=1))
    assert [guard.see(each).level for each in growing([0.4, 0.52, 0.64, 0.76])][-1] == "stop"


def test_other_programs_that_eat_the_memory() -> None:
    """The trainer stays at half; the others take 4 % more each second."""
    eaten = [
        reading(float(t), 0.5, others=0.04 * t, update=1 + t // 4, update_seconds=4.0)
        for t in range(12)
    ]
    (said,) = told_of(eaten)
    assert said.level == "stop"
    assert said.evidence[1].startswith("other programs grow by")


def test_another_program_that_starts_is_not_an_alarm() -> None:
    """A gigabyte in a second, and then no more."""
    started = [reading(float(t), 0.5, others=0.1 if t < 20 else 0.16, update=t) for t in range(60)]
    assert levels(started) == []


def machine(at: float, **fields: Any) -> Reading:
    """A Mac: no limit that kills, only pressure."""
    known = {"footprint_bytes": 12 * GIB, "budget_bytes": 11 * GIB, "ram_bytes": LIMIT}
    return Reading(at=at, **(known | fields))


def test_critical_pressure_stops_the_trainer_that_causes_it_if_it_lasts() -> None:
    critical = [machine(float(t), pressure="critical", budget_bytes=None) for t in range(15)]
    assert levels(critical) == ["stop"]
    assert levels(critical[:9]) == []
    small = [machine(float(t), pressure="critical", footprint_bytes=GIB) for t in range(15)]
    assert levels(small) == []


def test_linux_says_how_long_everything_waited() -> None:
    def stalled(percent: float) -> list[str]:
        given = {"pressure": "critical", "stalled_percent": percent, "budget_bytes": None}
        return levels(machine(float(t), **given) for t in range(15))

    assert stalled(20.0) == []
    assert stalled(55.0) == ["stop"]


def test_over_the_budget_and_swapped_out() -> None:
    fields: dict[str, Any] = {"pressure": "warning", "swap_out_bytes_per_second": 150e6}
    assert levels(machine(float(t), **fields) for t in range(15)) == ["warn", "stop"]
    assert levels(machine(float(t), **fields, ram_bytes=None) for t in range(5)) == ["warn"]
    within = fields | {"footprint_bytes": 10 * GIB}
    assert levels(machine(float(t), **within) for t in range(15)) == []


def test_quick_looks_do_not_hurry_what_only_full_readings_tell() -> None:
    """Twenty looks a second see the same second's pressure."""
    guard = Guard()
    for tenth in range(100):
        fresh = tenth % 20 == 0
        verdict = guard.see(
            machine(tenth / 20, pressure="critical", budget_bytes=None, fresh=fresh)
        )
    assert verdict.level == "fine"


def test_nothing_known_is_nothing_said() -> None:
    assert levels(Reading(at=float(t)) for t in range(20)) == []


def test_thresholds_come_from_the_profile() -> None:
    careful = GuardSettings(stop_share=0.9, warn_share=0.8, clear_share=0.7, readings=1)
    (said,) = told_of([reading(0.0, 0.91)], careful)
    assert said.level == "stop"
    with pytest.raises(ValidationError, match="clear_share must be below warn_share"):
        GuardSettings(clear_share=0.95)


@pytest.mark.parametrize("level", ["warn", "stop"])
def test_what_it_did_is_told_with_a_remedy(level: Any) -> None:
    event = Guarded(attempt=1, level=level, title="Memory is nearly full", evidence=("a", "b"))
    title, message, remedy = told(event)
    assert (title, message) == ("Memory is nearly full", "a; b")
    assert ("save and stop" in remedy) == (level == "stop")


def trained(sizes: list[float], seconds: float, **fields: Any) -> Iterator[Reading]:
    """Updates whose peaks come early, looked at every 50 ms; MLX's count is of those made."""
    beside, made, peak = 0.07, 0.0, 0.0
    for update, size in enumerate(sizes):
        for look in range(round(seconds / 0.05)):
            at = update * seconds + look * 0.05
            peak = max(peak, size + beside)
            known = {"update": update, "mlx_peak_bytes": round(made * LIMIT) or None}
            pace = {
                "update_seconds": seconds,
                "look_seconds": 0.05,
                "fresh": round(at * 20) % 20 == 0,
            }
            yield reading(at, peak, **known, **pace, **fields)
        made = max(made, size)


@pytest.mark.parametrize("seconds", [0.15, 0.3, 0.8, 1.2])
@pytest.mark.parametrize("longest_at", [1, 2, 7, 30])
def test_a_longer_batch_under_way_is_no_alarm_if_the_forecast_knew_of_it(
    seconds: float, longest_at: int
) -> None:
    """A plan that takes 91 to 93 % of the limit with its process, as was forecast."""
    sizes = [0.45 + 0.005 * (update % 3) for update in range(40)]
    sizes[longest_at] = 0.85
    sizes[longest_at + 5] = 0.86
    sure = {"forecast_peak_bytes": round(0.86 * LIMIT), "forecast_low_bytes": round(0.855 * LIMIT)}
    assert "stop" not in levels(trained(sizes, seconds, forecast_is_sure=True, **sure))


@pytest.mark.parametrize("seconds", [0.15, 0.3, 0.8])
def test_one_that_the_limit_has_no_room_for_ends_it_before(seconds: float) -> None:
    sizes = [0.45] * 20
    sure = {"forecast_peak_bytes": round(1.02 * LIMIT), "forecast_low_bytes": round(LIMIT)}
    assert "stop" in levels(trained(sizes, seconds, forecast_is_sure=True, **sure))
