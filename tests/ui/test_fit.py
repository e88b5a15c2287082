"""What fits, beside the plan: found in the background, marked when it is old, taken by one key."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from cockpit.core.plan import RunPlan
from cockpit.memory import forecast
from cockpit.memory.forecast import Forecaster
from cockpit.system import run_dir
from cockpit.ui.fitting import Fitting
from cockpit.ui.inquiry import Inquiry
from cockpit.ui.screens.choose import ChooseScreen
from cockpit.ui.widgets.plan_form import PlanForm
from tests.ui.conftest import demo_plan, opened, screen_text, until, until_gone, until_shown
from tests.ui.test_choose_screen import KEY_FIELDS, row_of

BATCH_SIZE = 16
RESERVED_BYTES = 11_000_000
# Of the peak: half of the batch fits or a quarter; checkpointing alone does not make it fit.
BUDGET_SHARE = 0.62


@pytest.fixture
def plan(tmp_path: Path) -> RunPlan:
    """One whose every batch is at full length, so that each lever counts."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "train.jsonl").write_text((json.dumps({"text": "a story " * 100}) + "\n") * 32)
    (folder / "valid.jsonl").write_text((json.dumps({"text": "a story " * 100}) + "\n") * 16)
    fields = {
        "data": str(folder),
        "mask_prompt": False,
        "batch_size": BATCH_SIZE,
        "max_seq_length": 49,
    }
    return demo_plan(**fields, iters=2, val_batches=1, sample_prompts=[], num_layers=2)


@pytest.fixture
def small(home: Path, plan: RunPlan) -> None:
    """This machine, as its owner describes it: with room for the process, not for the plan."""
    with Forecaster() as forecaster:
        needed = forecaster.forecast(plan)
    ram_bytes = needed.outside_bytes + int(BUDGET_SHARE * needed.peak_bytes) + RESERVED_BYTES
    (home / "profiles").mkdir(parents=True)
    (home / "profiles" / "this-machine.toml").write_text(
        f'title = "Small"\nbackend = "cpu"\nram = "{ram_bytes} B"\n'
        f'system_reserved = "{RESERVED_BYTES} B"\n'
    )


@asynccontextmanager
async def choosing(plan: RunPlan) -> AsyncIterator[tuple[Pilot[None], Inquiry]]:
    async with opened(size=(120, 40), plan=plan) as pilot:
        screen = pilot.app.screen
        assert isinstance(screen, ChooseScreen)
        await until(pilot, lambda: current(screen.inquiry))
        yield pilot, screen.inquiry


def current(inquiry: Inquiry) -> Fitting | None:
    """All of what fits beside the plan as it stands; None while it is looked for."""
    found = inquiry.fitting
    whole = found is not None and found.advice.done and not inquiry.fitting_stale
    return found if whole else None


async def test_what_fits_is_told_marked_when_it_is_old_and_taken_by_one_key(
    plan: RunPlan, small: None
) -> None:
    async with choosing(plan) as (pilot, inquiry):
        found = current(inquiry)
        assert found is not None and not found.advice.fits
        largest = {each.lever: each.value for each in found.advice.largest}
        assert largest["batch_size"] is not None and largest["batch_size"] < BATCH_SIZE
        text = await until_shown(pilot, "does not fit", "x makes it fit: ", "x Make it fit")
        assert f"≤ {largest['batch_size']} fit" in row_of_wide(text, "batch_size")
        assert "on: -" in row_of_wide(text, "grad_checkpoint")
        form = pilot.app.screen.query_one(PlanForm)
        form.focus()
        form.move_to(KEY_FIELDS.index("rank"))
        await pilot.press("right")
        await until_shown(pilot, "was: ≤")
        assert "(x Make it fit)" in screen_text(pilot)
        await until(pilot, lambda: current(inquiry) not in (None, found))
        assert "was: ≤" not in screen_text(pilot)
        await take_the_change(pilot, inquiry)


async def take_the_change(pilot: Pilot[None], inquiry: Inquiry) -> None:
    """One key takes the cheapest change, and then the plan fits."""
    found, draft = current(inquiry), pilot.app.screen.query_one(PlanForm).draft
    assert found is not None and found.advice.cheapest is not None
    before = draft.plan("nano")
    await pilot.press("x")
    await until_shown(pilot, "budget: fits · from the traced graph")
    await until_gone(pilot, "Make it fit")
    after = draft.plan("nano")
    assert after.examples_per_update == before.examples_per_update
    assert after.updates == before.updates
    for name, value in found.advice.cheapest.fields.items():
        assert getattr(after, name) == value


def row_of_wide(text: str, field: str) -> str:
    return row_of("\n".join(line[14:] for line in text.splitlines()), field)


async def test_a_launch_that_does_not_fit_offers_what_fits(plan: RunPlan, small: None) -> None:
    async with opened(size=(120, 40), plan=plan) as pilot:
        await until_shown(pilot, "does not fit", "from the traced graph")
        await pilot.press("ctrl+r")
        await until_shown(pilot, "not expected to fit", "This fits:", "a Launch anyway", "Back")
        await pilot.press("escape")
        assert run_dir.all_runs() == []
        await pilot.press("ctrl+r")
        await until_shown(pilot, "Launch what fits")
        await pilot.press("enter")
        await until_shown(pilot, "✓ completed")
        (run,) = run_dir.all_runs()
        kept = run.attempt(1).forecast()
        assert kept is not None and kept["fits"] is True
        assert run.plan().batch_size < BATCH_SIZE and run.plan().updates == plan.updates


async def test_a_launch_anyway_is_of_what_was_asked(plan: RunPlan, small: None) -> None:
    async with opened(size=(120, 40), plan=plan) as pilot:
        await until_shown(pilot, "does not fit")
        await pilot.press("ctrl+r")
        await until_shown(pilot, "Launch anyway")
        await pilot.press("a")
        await until_shown(pilot, "✓ completed")
        (run,) = run_dir.all_runs()
        assert run.plan().batch_size == BATCH_SIZE and not run.plan().grad_checkpoint


async def test_typing_calls_the_search_off(plan: RunPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two plans in a row only the newer one is searched to its end."""
    asked: list[RunPlan] = []
    ask = forecast.Forecaster.forecast

    def counting(self: forecast.Forecaster, plan: RunPlan, **options: object) -> object:
        asked.append(plan)
        return ask(self, plan, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(forecast.Forecaster, "forecast", counting)
    async with opened(size=(120, 40), plan=plan) as pilot:
        screen = pilot.app.screen
        assert isinstance(screen, ChooseScreen)
        await until(pilot, lambda: screen.inquiry.searching)
        form = screen.query_one(PlanForm)
        form.focus()
        form.move_to(KEY_FIELDS.index("rank"))
        await pilot.press("right")
        at_the_key = len(asked)
        await until(pilot, lambda: current(screen.inquiry))
        after = asked[at_the_key:]
        # Doubling the rank is a lever itself: one more forecast of the old plan may be under way.
        assert sum(plan.lora_parameters.rank == 8 for plan in after) <= 2
