"""What is found out about a plan before its launch, without drawing anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cockpit import catalogue, cli
from cockpit.core import events as ev
from cockpit.memory import history
from cockpit.system import hardware
from cockpit.system.pace import Pace
from cockpit.ui import assessment
from cockpit.ui.assessment import Subject
from cockpit.ui.prospects import Prospects, counted, data_line, time_line
from cockpit.ui.spans import text_of
from cockpit.ui.tracing import Tracer
from tests.ui.conftest import demo_plan, opened, started, until, write_run


@pytest.fixture
def gemma3n(tmp_path: Path) -> str:
    """A folder of the architecture that mlx-lm cannot put adapters on everywhere."""
    needy = next(model for model in catalogue.models() if model.lora_keys)
    (tmp_path / "gemma").mkdir()
    (tmp_path / "gemma" / "config.json").write_text(json.dumps(needy.config()))
    weight = {"dtype": "F16", "shape": [1, 1], "data_offsets": [0, 2]}
    header = json.dumps({"model.embed_tokens.weight": weight}).encode()
    weights = len(header).to_bytes(8, "little") + header + b"\0\0"
    (tmp_path / "gemma" / "model.safetensors").write_bytes(weights)
    (tmp_path / "gemma" / "tokenizer.json").write_text("{}")
    return str(tmp_path / "gemma")


def test_a_model_that_needs_keys_gets_them_with_a_word(gemma3n: str) -> None:
    found = assessment.assess(Subject(demo_plan(model=gemma3n), None))
    assert found.checked is not None and found.checked.lora_parameters.keys
    assert any("needs explicit LoRA keys" in warning for warning in found.warnings)
    assert not any("adapter layers" in problem.title for _, problem in found.findings)


def test_train_says_so_too(gemma3n: str, capsys: pytest.CaptureFixture[str]) -> None:
    plan = ["--model", gemma3n, "--data", demo_plan().data]
    assert cli.run(["train", *plan, "--num-layers", "999"]) == 2
    said = capsys.readouterr().err
    assert "needs explicit LoRA keys: lora_parameters.keys = " in said
    assert "adapter layers named" not in said


def test_a_model_of_the_catalogue_has_a_rough_figure_before_it_is_traced() -> None:
    found = assessment.assess(Subject(demo_plan(model="mlx-community/SmolLM2-135M-4bit"), None))
    assert found.figure is not None and found.figure.forecast is not None
    assert found.figure.forecast.method == "analytic"


def test_a_model_that_nobody_knows_has_a_reason_instead_of_a_figure() -> None:
    found = assessment.assess(Subject(demo_plan(model="some/thing"), None))
    tracer = Tracer()
    tracer.allow()
    figure = assessment.traced(found, tracer)
    tracer.close()
    assert figure is not None and figure.forecast is None
    assert "not on this machine and not in the catalogue" in figure.reason


async def test_what_finished_is_in_the_history_once_the_interface_is_open() -> None:
    parts = {"peak_bytes": 1000, "low_bytes": 900, "high_bytes": 1100, "method": "trace"}
    ended = ev.Ended(status="completed", update=100, peak_bytes=1010)
    begun = started().model_copy(update={"versions": {"mlx": "0.32.4"}})
    run = write_run([begun, ended], forecast=parts)
    async with opened() as pilot:
        await until(pilot, history.records)
    (record,) = history.records()
    assert record.run == run.name and record.measured_bytes == 1010
    assert record.kind.device == history.device_name(hardware.detect())


def test_what_a_plan_comes_to_is_told_as_far_as_it_is_known() -> None:
    plan = demo_plan(batch_size=4, iters=100, max_seq_length=32)
    assert counted(plan, [10, 32, 33, 100]) == (10 + 3 * 32, 0.5)
    assert counted(plan.with_changes(long_examples="split"), [10, 100]) == (110, 0.0)
    told = text_of(data_line(Prospects(plan), 100, stale=False))
    assert "epochs n/a · 100 updates of 4 · 100 iters · answers only" in told
    assert "n/a" in text_of(time_line(Prospects(plan), 100, stale=False))
    whole = Prospects(plan, examples=400, tokens=9_000, cut_share=0.004)
    told = text_of(data_line(whole, 100, stale=False))
    assert "1 epoch of 9,000 tokens · under 1% cut · 100 updates of 4" in told
    assert len(text_of(data_line(whole, 60, stale=False))) <= 60


def test_a_time_says_where_it_is_from() -> None:
    plan = demo_plan(batch_size=4, iters=100)
    ran = Prospects(plan, pace=Pace("a\x1brun", 0.5, same_data=False), elsewhere=True)
    told = text_of(time_line(ran, 200, stale=False))
    assert "3m20s · on this machine · as a�run went, on other data · 2 s an update" in told
    timed = Prospects(plan, pace=Pace("", 0.005, same_data=True, warm_up_updates=12))
    told = text_of(time_line(timed, 80, stale=False))
    assert "2s · measured by a warm-up of 12 updates · 20 ms an update" in told
