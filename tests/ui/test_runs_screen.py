"""The list of runs: what it says of each, and what can be done from it."""

from __future__ import annotations

from textual.pilot import Pilot

from cockpit.core import events as ev
from cockpit.system.run_dir import RunDir
from cockpit.ui.widgets.runs_table import RunsTable
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
from tests.ui.listed_runs import finished_run, three_runs


def failed_run() -> RunDir:
    end = ev.Ended(
        status="failed", update=1, title="Out of memory", message="at update 1",
        remedy="Halve the batch.",
    )  # fmt: skip
    return write_run([started(), updated(1), end])


async def test_an_empty_list_says_how_to_begin() -> None:
    async with opened("runs") as pilot:
        await until_shown(pilot, "No runs yet", "starts one")


async def test_a_run_is_one_line_with_its_state_losses_and_peaks() -> None:
    run = finished_run()
    async with opened("runs") as pilot:
        text = await until_shown(pilot, run.name)
        row = next(line for line in text.splitlines() if run.name in line)
        assert "✓ completed" in row
        assert row.split()[-6:] == ["1.500", "1.750", "1.20", "GB", "1.30", "GB"], "no last one"
    async with opened("runs", (120, 40)) as pilot:
        text = await until_shown(pilot, run.name)
        row = next(line for line in text.splitlines() if "✓ completed" in line)
        assert row.split()[4:8] == ["2", "1.500", "1.750", "1.750"], "last and best validation"


async def test_what_is_unknown_of_a_run_is_not_zero() -> None:
    run = write_run([started()])
    async with opened("runs") as pilot:
        text = await until_shown(pilot, run.name)
        row = next(line for line in text.splitlines() if run.name in line)
        assert row.split()[-4:] == ["n/a"] * 4
        assert row.split()[-5] == "0", "no iteration was made"


async def test_a_failed_run_shows_its_diagnosis() -> None:
    failed_run()
    async with opened("runs") as pilot:
        await until_shown(pilot, "✗ failed", "✗ Out of memory", "at update 1", "→ Halve the batch.")


async def test_enter_attaches_and_d_detaches_to_the_same_line() -> None:
    first, second = living_run(5), finished_run()
    async with opened("runs") as pilot:
        await until_shown(pilot, first.name, second.name)
        table = pilot.app.screen.query_one(RunsTable)
        names = [row.summary.run for row in table.runs]
        await pilot.press(*["down"] * names.index(first.name), "enter")
        await until_shown(pilot, "5 of 100", "p Pause")
        await pilot.press("d")
        await until_shown(pilot, "enter Attach", "Training goes on")
        assert table.selected is not None and table.selected.run == first.name


async def test_vi_keys_move_too() -> None:
    living_run(), finished_run(), failed_run()
    async with opened("runs") as pilot:
        await until_shown(pilot, "✓ completed", "✗ failed", "● running")
        table = pilot.app.screen.query_one(RunsTable)
        await pilot.press("j", "j", "k")
        assert table.cursor == 1
        await pilot.press("G")
        assert table.cursor == 2
        await pilot.press("g")
        assert table.cursor == 0


async def test_stop_asks_first_and_a_run_that_is_over_cannot_be_stopped() -> None:
    run = living_run()
    async with opened("runs") as pilot:
        await until_shown(pilot, run.name, "s Stop")
        await pilot.press("s")
        await until_shown(pilot, f"Stop {run.name}?", "writes a checkpoint")
        await pilot.press("n")
        await pilot.pause()
        assert not run.control.exists()
        add_event(run, ev.Ended(status="completed", update=100))
        await until_shown(pilot, "✓ completed", "(s Stop)")


async def test_show_lists_all_that_is_known() -> None:
    run = finished_run()
    async with opened("runs", (100, 40)) as pilot:
        await until_shown(pilot, run.name)
        await pilot.press("i")
        await until_shown(pilot, str(run.path)[:40], "best 1.750 at 2", "learning_rate")


async def test_a_new_run_appears_by_itself() -> None:
    async with opened("runs") as pilot:
        await until_shown(pilot, "No runs yet")
        run = finished_run()
        await until_shown(pilot, run.name)
        assert "No runs yet" not in screen_text(pilot)


async def test_marked_runs_are_compared_side_by_side() -> None:
    for rank in (8, 16):
        plan = demo_plan(lora_parameters={"rank": rank})
        curve = [updated(i, 4.0 - 0.05 * i * rank / 8) for i in range(1, 31)]
        events = [started(), *curve, ev.Ended(status="completed", update=30)]
        write_run(events, plan=plan)
    async with opened("runs", size=(120, 40)) as pilot:
        await until_shown(pilot, "✓ completed")
        await pilot.press("c")
        assert "Side by side" not in screen_text(pilot)
        await pilot.press("space", "space", "c")
        text = await until_shown(pilot, "Training loss", "Side by side", "rank=8", "rank=16")
        assert "lora_parameters" in text and "train loss" in text
        await pilot.press("l")
        await until_shown(pilot, "No such losses were measured")
        await pilot.press("escape")
        await until_shown(pilot, "* 2")


async def test_a_run_that_is_over_is_deleted_after_a_question() -> None:
    doomed = write_run([started(), updated(1), ev.Ended(status="completed", update=1)])
    kept = living_run()
    async with opened("runs") as pilot:
        await until_shown(pilot, "✓ completed", "● running")
        await pilot.press("home", "X")
        assert kept.path.is_dir(), "a living run is not deleted"
        await pilot.press("end", "X")
        await until_shown(pilot, f"Delete {doomed.name}?", "for good")
        await pilot.press("escape", "X")
        await until_shown(pilot, "for good")
        await pilot.press("enter")
        await until(pilot, lambda: not doomed.path.exists())
        await until(pilot, lambda: "✓ completed" not in screen_text(pilot))
    assert kept.path.is_dir()


def shown_runs(pilot: Pilot[None]) -> list[str]:
    """The names of the runs in the table, from the top, without date and letters."""
    rows = pilot.app.screen.query_one(RunsTable).runs
    return [row.summary.run.split("-")[2] for row in rows]


async def test_typing_narrows_the_list_and_escape_shows_all() -> None:
    three_runs()
    async with opened("runs") as pilot:
        await until_shown(pilot, "✓ completed", "/ Filter")
        await pilot.press("slash", *"NIGHT")
        await until_shown(pilot, "“NIGHT” 1 of 3", "esc Show all")
        assert shown_runs(pilot) == ["worst"]
        await pilot.press("enter", "i")
        await until_shown(pilot, "tags          #night")  # letters are keys again
        await pilot.press("escape", "escape")
        await until_gone(pilot, "1 of 3")
        assert shown_runs(pilot) == ["middle", "best", "worst"]
        await pilot.press("slash", *"zzz")
        await until_shown(pilot, "No run has “zzz”")
        await pilot.press("escape")
        assert shown_runs(pilot) == ["middle", "best", "worst"]


async def test_the_order_changes_by_key_and_the_head_tells_it_with_its_direction() -> None:
    three_runs()
    async with opened("runs") as pilot:
        await until_shown(pilot, "run▾", "date, newest first", "✓ completed")
        await pilot.press("o")
        await until_shown(pilot, "train▴", "final loss, lowest first")
        assert shown_runs(pilot) == ["best", "middle", "worst"]
        await pilot.press("o", "O")
        await until_shown(pilot, "best▾", "best validation loss, highest first")
        assert shown_runs(pilot) == ["worst", "middle", "best"]
        table = pilot.app.screen.query_one(RunsTable)
        assert table.selected is not None and "middle" in table.selected.run, "the cursor stays"


async def test_marks_outlive_the_filter_that_hides_them() -> None:
    three_runs()
    async with opened("runs", (120, 40)) as pilot:
        await until_shown(pilot, "✓ completed")
        await pilot.press("space", "space", "slash", *"worst", "enter")
        await until_shown(pilot, "2 marked", "1 of 3", "c Compare")
        await pilot.press("c")
        text = await until_shown(pilot, "Side by side")
        assert "middle" in text and "best" in text


async def test_any_terminal_shows_the_runs() -> None:
    three_runs()
    async with opened("runs", (20, 5)) as pilot:
        await until_shown(pilot, "▌ ✓ middle")
        await pilot.press("o", "slash", *"best", "enter")
        await until(pilot, lambda: shown_runs(pilot) == ["best"])
        for size in ((30, 8), (50, 14), (80, 24), (120, 40), (200, 60), (20, 5)):
            await pilot.resize_terminal(*size)
            await until_shown(pilot, "▌ ✓", "best-")
            assert "middle" not in screen_text(pilot)


async def test_a_run_that_recovers_by_itself_is_stopped_and_not_deleted(
    recovering_run: RunDir,
) -> None:
    async with opened("runs") as pilot:
        await until_shown(pilot, f"◒ recovering {recovering_run.name[4:]}", "s Stop", "(X Delete)")
        await pilot.press("s")
        await until_shown(pilot, "no further attempt starts")
        await pilot.press("s")
        await until_shown(pilot, "✗ failed", "(s Stop)")
