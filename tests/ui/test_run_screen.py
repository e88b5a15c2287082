"""The Run screen: what a run's files say is what is shown, and keys become commands."""

from __future__ import annotations

import json

import pytest

from cockpit.core import events as ev
from cockpit.core.samples import MemorySample
from cockpit.system import jsonl
from cockpit.system.run_dir import RunDir
from cockpit.ui.screens.run import RunScreen
from cockpit.ui.widgets.curve import Curve
from cockpit.ui.widgets.lines import Lines
from cockpit.ui.widgets.numbers import Numbers
from tests.ui.conftest import (
    add_event,
    demo_plan,
    living_run,
    opened,
    screen_text,
    started,
    until,
    until_gone,
    until_shown,
    updated,
    write_run,
)  # fmt: skip

FORECAST = {
    "peak_bytes": 1_200_000_000, "low_bytes": 800_000_000, "high_bytes": 2_000_000_000,
    "budget_bytes": 5_300_000_000, "method": "analytic", "parts": {"weights": 1_200_000_000},
}  # fmt: skip


def commands(run: RunDir) -> list[ev.Command]:
    lines = run.control.read_bytes().splitlines() if run.control.exists() else []
    return [command for line in lines if (command := ev.parse_command(line)) is not None]


async def test_all_that_matters_fits_into_80_by_24() -> None:
    run = living_run()
    sample = MemorySample(
        swap_used_bytes=250_000_000, swap_total_bytes=2_000_000_000,
        swap_in_bytes_per_second=0.0, swap_out_bytes_per_second=3_100_000.0,
        pressure="warning", pressure_some_percent=12.5,
    )  # fmt: skip
    run.attempt(1).forecast_path.write_text(json.dumps(FORECAST))
    run.attempt(1).log.write_text("first line\nlast line of the log\n")
    jsonl.append(run.supervisor_events, ev.MemorySampled(sample=sample).line())
    add_event(run, ev.Validated(update=20, loss=0.4321, seconds=1, tokens=10))
    async with opened(run) as pilot:
        await until_shown(
            pilot,
            run.name, "● running", "20%", "20 of 100 updates",  # who, how, how far
            "train 0.200", "◆ validation 0.432", "0.0001", "1,000 tokens/s",
            "1.20 GB", "0.80 to 2.00", "0.90 GB", "0.40 GB", "budget 5.30 GB",  # memory
            "0.25 GB", "3.1 MB/s", "warning", "12.5%",  # swap and pressure
            "last line of the log",
            "p Pause", "s Stop", "c Checkpoint", "d Detach", "q Quit", "? Keys",
        )  # fmt: skip


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_every_panel_is_inside_every_terminal(size: tuple[int, int]) -> None:
    async with opened(living_run(), size) as pilot:
        await until_shown(pilot, "20 of 100")
        for panel in pilot.app.screen.query(Lines):
            if not panel.display:
                continue
            assert panel.size.width > 0 and panel.size.height > 0, panel
            assert pilot.app.screen.region.contains_region(panel.region), panel


async def test_no_figure_is_cut_at_80_columns() -> None:
    run = living_run()
    add_event(run, updated(21, 0.1234, learning_rate=1.234e-05, tokens_per_second=123_456.0))
    for update, loss in ((20, 0.4321), (21, 12.345)):
        add_event(run, ev.Validated(update=update, loss=loss, seconds=1, tokens=10))
    add_event(run, ev.Checkpointed(update=1234, path="x", seconds=1, size_bytes=1))
    async with opened(run) as pilot:
        await until_shown(pilot, "12.345  best 0.432", "tokens/s ", "1.23e-05", "at update 1,234")
        panel = pilot.app.screen.query_one(Numbers)
        assert all("…" not in "".join(text for text, _ in row) for row in panel.lines)


async def test_a_larger_terminal_shows_more() -> None:
    async with opened(living_run(), (120, 40)) as pilot:
        await until_shown(pilot, "grad norm", "epoch", "ram used", "process")


async def test_unknown_is_not_shown_as_zero() -> None:
    async with opened(write_run([started()])) as pilot:
        text = await until_shown(pilot, "◌ starting", "The curve starts with the first update")
        panel = text[text.index("Training") : text.index("[Log]")]
        assert panel.count("n/a") >= 8
        assert "0 GB" not in panel and " 0 tokens" not in panel


async def test_ten_thousand_updates_are_drawn() -> None:
    curve = [updated(i, 1.0 + 1000 / (i + 300)) for i in range(1, 10_001)]
    run = write_run([started(updates=10_000), *curve])
    async with opened(run) as pilot:
        text = await until_shown(pilot, "10,000 of 10,000", "100%")
        assert any("\u2801" <= character <= "\u28ff" for character in text)


async def test_new_events_appear_by_themselves() -> None:
    run = living_run(3)
    async with opened(run) as pilot:
        await until_shown(pilot, "3 of 100")
        add_event(run, updated(4, 0.7654))
        await until_shown(pilot, "4 of 100", "0.765")


async def test_validation_is_told_from_training_by_its_glyph() -> None:
    run = living_run(50)
    for update, loss in ((10, 2.0), (30, 1.5), (40, 1.0), (50, 2.0)):
        add_event(run, ev.Validated(update=update, loss=loss, seconds=1, tokens=10))
    async with opened(run) as pilot:
        await until_shown(pilot, "50 of 100", "◆ validation 2.000", "★ best 1.000 at 40")
        shown = "\n".join(
            "".join(text for text, _ in row) for row in pilot.app.screen.query_one(Curve).lines[1:]
        )
        assert shown.count("◆") == 3 and shown.count("★") == 1


async def test_nothing_new_repaints_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(living_run()) as pilot:
        await until_shown(pilot, "20 of 100", "● running")
        screen = pilot.app.screen
        assert isinstance(screen, RunScreen)
        await pilot.pause()
        painted: list[object] = []
        display = pilot.app._display
        monkeypatch.setattr(pilot.app, "_display", lambda *a: painted.append(a[1]) or display(*a))
        looks = 0
        look = screen._look

        def counted() -> object:
            nonlocal looks
            looks += 1
            return look()

        monkeypatch.setattr(screen, "_look", counted)
        await until(pilot, lambda: looks >= 4)
        assert painted == []


async def test_a_new_loss_repaints_only_the_cells_that_changed() -> None:
    run = living_run(15)
    async with opened(run, (120, 40)) as pilot:
        await until_shown(pilot, "15 of 100", "● running")
        await pilot.pause()
        curve = pilot.app.screen.query_one(Curve)
        dirty: list[int] = []
        refresh = curve.refresh
        curve.refresh = lambda *regions, **kw: (  # type: ignore[method-assign]
            dirty.extend(region.area for region in regions) or refresh(*regions, **kw)
        )
        add_event(run, updated(16, 0.25))
        await until_shown(pilot, "16 of 100")
        assert dirty and sum(dirty) < 0.02 * curve.size.area


@pytest.mark.parametrize(
    ("key", "action"),
    [("p", "pause"), ("c", "checkpoint"), ("v", "validate"), ("t", "sample")],
)
async def test_a_key_becomes_a_command(key: str, action: str) -> None:
    run = living_run()
    async with opened(run) as pilot:
        await until_shown(pilot, "● running", "p Pause")
        await pilot.press(key)
        await until(pilot, lambda: [c.action for c in commands(run)] == [action])
        command = commands(run)[0]
        add_event(
            run, ev.Acknowledged(id=command.id, action=action, accepted=False, message="too busy")
        )
        await until_shown(pilot, f"{action}: too busy")


async def test_p_resumes_what_is_paused() -> None:
    run = living_run()
    add_event(run, ev.Paused(update=20))
    async with opened(run) as pilot:
        await until_shown(pilot, "‖ paused", "p Resume")
        await pilot.press("p")
        await until(pilot, lambda: [c.action for c in commands(run)] == ["resume"])


async def test_a_run_that_is_over_takes_no_commands() -> None:
    run = living_run()
    add_event(run, ev.Ended(status="completed", update=100))
    async with opened(run) as pilot:
        await until_shown(pilot, "✓ completed")
        await until_gone(pilot, "p Pause")
        await pilot.press("p", "c", "s")
        await pilot.pause()
        assert commands(run) == []


async def test_a_failure_says_what_to_do_and_opens_in_full() -> None:
    run = living_run()
    add_event(
        run,
        ev.Ended(
            status="failed", update=20, title="The loss is not a number",
            message="update 20: loss nan", remedy="Lower the learning rate.",
        ),
    )  # fmt: skip
    async with opened(run) as pilot:
        await until_shown(pilot, "✗ failed", "The loss is not a number", "e Explain")
        await pilot.press("e")
        await until_shown(pilot, "update 20: loss nan", "→ Lower the learning rate.", "c Copy")
        await pilot.press("c")
        await until(pilot, lambda: "Lower the learning rate." in pilot.app.clipboard)
        await pilot.press("escape")
        await until_gone(pilot, "c Copy")


async def test_a_run_whose_processes_died_is_not_shown_as_running() -> None:
    gone = started().model_copy(update={"pid": 2**22 + 1, "pid_created": 1.0})
    alive = ev.SupervisorStarted(pid=2**22 + 2, pid_created=1.0)
    run = write_run([gone, updated(1)])
    jsonl.append(run.supervisor_events, alive.line())
    async with opened(run) as pilot:
        await until_shown(pilot, "✗ failed")


async def test_samples_and_notes_have_their_page() -> None:
    run = living_run()
    add_event(run, ev.Sampled(update=20, prompt="What does a cow say?", text="Arrr! Moo, matey!"))
    add_event(run, ev.Note(level="warning", message="Three examples were cut", remedy="Raise it."))
    async with opened(run, (100, 32)) as pilot:
        await until_shown(pilot, "[Log]", "! Three examples were cut")
        await pilot.press("l")
        await until_shown(pilot, "[Samples]", "What does a cow say?", "› Arrr! Moo, matey!")
        await pilot.press("l")
        await until_shown(pilot, "[Notes]", "→ Raise it.")


async def test_a_run_without_a_readable_plan_can_still_be_watched() -> None:
    run = living_run()
    run.plan_path.write_text("this is not TOML")
    run.attempt(1).plan_path.write_text("neither is this")
    async with opened(run) as pilot:
        await until_shown(pilot, "20 of 100")


async def test_a_plan_name_is_part_of_the_headline() -> None:
    run = write_run([started()], plan=demo_plan(name="pirates"))
    async with opened(run) as pilot:
        await until_shown(pilot, "pirates")
        assert run.name in screen_text(pilot)


async def test_a_spike_is_told_and_one_key_halves_the_rate() -> None:
    steady = [updated(i, 2.0 + 0.01 * (i % 3), learning_rate=1e-3) for i in range(1, 61)]
    run = write_run([started(), ev.PhaseChanged(phase="training"), *steady])
    async with opened(run) as pilot:
        await until_shown(pilot, "● running")
        assert "Act on it" not in screen_text(pilot)
        for i in range(61, 67):
            add_event(run, updated(i, 7.5, learning_rate=1e-3))
        await until_shown(pilot, "! The loss spiked", "a acts on it")
        await pilot.press("a")
        await until_shown(pilot, "Learning rate 0.0005?", "Halve the learning rate")
        await pilot.press("enter")
        await until(pilot, run.control.exists)
    (command,) = commands(run)
    assert (command.action, command.value) == ("set_learning_rate", 5e-4)


async def test_the_morning_tells_the_story_of_the_night() -> None:
    run = living_run()
    recovery = ev.Recovery(
        after_attempt=1, rung="batch_size", title="Smaller micro-batches: 8 x 1 -> 4 x 2",
        changes={"batch_size": 4}, from_update=100, lost_updates=23, automatic=True,
        forecast_bytes=4_100_000_000, budget_bytes=5_000_000_000,
        cause="The kernel killed the trainer: out of memory",
    )  # fmt: skip
    jsonl.append(run.supervisor_events, ev.Recovered(attempt=2, recovery=recovery).line())
    measured = recovery.model_copy(update={"slowdown": 1.31})
    jsonl.append(run.supervisor_events, ev.Recovered(attempt=2, recovery=measured).line())
    async with opened(run, size=(120, 40)) as pilot:
        await until_shown(pilot, "went on after running out of memory 1 time", "l tells the story")
        await pilot.press("l", "l", "l")
        await until_shown(
            pilot, "[Story]", "attempt 2", "Smaller micro-batches: 8 x 1 -> 4 x 2", "by itself",
            "from update 100, 23 updates made again", "4.10 GB of 5.00 GB", "The kernel killed",
            "cost: a token takes 1.31 times as long as before, measured",
        )  # fmt: skip


async def test_what_the_guard_saw_is_told() -> None:
    run = living_run()
    seen = ev.Guarded(attempt=1, level="warn", title="Memory is nearly full", evidence=("95 %",))
    jsonl.append(run.supervisor_events, seen.line())
    async with opened(run) as pilot:
        await until_shown(pilot, "! Memory is nearly full: 95 %")


async def test_a_run_that_recovers_by_itself_says_so_and_can_be_stopped(
    recovering_run: RunDir,
) -> None:
    run = recovering_run
    async with opened(run) as pilot:
        await until_shown(pilot, "◒ recovering", "looking for the first change", "s Stop")
        await until_gone(pilot, "R Re")
        await pilot.press("s")
        await until_shown(pilot, f"Stop {run.name}?", "no further attempt starts")
        await pilot.press("s")
        await until(pilot, lambda: [c.action for c in commands(run)] == ["stop"])
        await until_shown(pilot, "✗ failed", "The kernel killed the trainer")
