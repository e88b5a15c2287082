"""The tracing process: warm, remembered, given up on in time, and gone when told."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cockpit.core.plan import RunPlan
from cockpit.embedded import DEMO_PLAN, demo_data_path, nano_path
from cockpit.errors import CockpitError
from cockpit.memory.client import TraceCancelled, TraceError, Worker
from cockpit.memory.forecast import Forecaster, NoForecast, _seen

SILENT = (sys.executable, "-c", "print('{}', flush=True); input(); import time; time.sleep(60)")
DYING = (sys.executable, "-c", "print('{}', flush=True); input(); raise SystemExit(3)")
NEVER_WARM = (sys.executable, "-c", "input()")
MOST_BYTES = 600 * 10**6


@pytest.fixture(scope="module")
def forecaster() -> Iterator[Forecaster]:
    with Forecaster() as started:
        started.start()
        yield started


@pytest.fixture
def demo() -> RunPlan:
    return RunPlan(model="nano", data=str(demo_data_path()), **DEMO_PLAN)


def pid_of(forecaster: Forecaster) -> int:
    pid = forecaster._worker.pid
    assert pid is not None
    return pid


def test_a_plan_is_traced_on_its_own_data(forecaster: Forecaster, demo: RunPlan) -> None:
    longer = demo.with_changes(max_seq_length=512)
    found = forecaster.forecast(longer)
    whole = forecaster.forecast(longer, use_data=False)
    assert found is not None and whole is not None
    assert found.method == "trace" and not found.unvalidated
    assert found.peak_bytes < 0.5 * whole.peak_bytes
    assert any("GB at full length" in note for note in found.notes)


def test_an_answer_is_remembered(forecaster: Forecaster, demo: RunPlan) -> None:
    first = forecaster.forecast(demo)
    with Forecaster(worker=Worker(DYING)) as deaf:
        deaf._known.update(forecaster._known)
        assert deaf.forecast(demo) == first
        # What has no weight does not make it another plan.
        assert deaf.forecast(demo.with_changes(name="another", learning_rate=1e-3)) == first
        assert deaf._worker.pid is None


def test_the_process_is_small_and_gone_when_closed(demo: RunPlan) -> None:
    with Forecaster() as forecaster:
        assert forecaster.forecast(demo) is not None
        process = psutil.Process(pid_of(forecaster))
        assert process.memory_info().rss < MOST_BYTES
    assert not process.is_running()


@pytest.mark.parametrize(
    ("command", "reason"), [(SILENT, "took too long"), (DYING, "ended unexpectedly")]
)
def test_without_a_trace_there_is_a_rough_estimate_that_says_so(
    demo: RunPlan, command: tuple[str, ...], reason: str
) -> None:
    with Forecaster(worker=Worker(command), timeout_seconds=0.2) as forecaster:
        found = forecaster.forecast(demo)
        assert forecaster._worker.pid is None
    assert found is not None and found.method == "analytic"
    assert any("rough estimate" in note for note in found.notes)
    assert any(reason in note for note in found.notes)


def test_without_even_an_estimate_there_is_a_reason(
    forecaster: Forecaster, demo: RunPlan, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama", "vocab_size": 10}')
    with pytest.raises(NoForecast) as raised:
        forecaster.forecast(demo.with_changes(model=str(tmp_path)))
    assert "not traced" in raised.value.message and "hidden_size" in raised.value.message
    assert raised.value.remedy
    assert forecaster.forecast(demo) is not None  # the process is still there


def test_a_model_of_the_hub_that_nobody_lists_has_no_forecast_yet(forecaster: Forecaster) -> None:
    with pytest.raises(NoForecast, match="no forecast") as raised:
        forecaster.forecast(RunPlan(model="some/thing", data="-"))
    assert "not on this machine and not in the catalogue" in raised.value.message


def ask(worker: Worker, answers: list[object], **options: float) -> threading.Thread:
    """Asks in a thread, which leaves the answer or the error in ``answers``."""

    def asking() -> None:
        try:
            answers.append(worker.ask({}, 60.0, **options))
        except TraceError as error:
            answers.append(error)

    thread = threading.Thread(target=asking)
    thread.start()
    return thread


@pytest.mark.parametrize("command", [SILENT, NEVER_WARM])
def test_closing_calls_off_what_was_asked(command: tuple[str, ...]) -> None:
    worker = Worker(command)
    answers: list[object] = []
    threads = [ask(worker, answers) for _ in range(2)]
    while worker.pid is None:
        threads[0].join(0.01)
    process = psutil.Process(worker.pid)
    worker.close()
    for thread in threads:
        thread.join(10.0)
    assert [type(answer) for answer in answers] == [TraceCancelled, TraceCancelled]
    assert not process.is_running() and worker.pid is None


def test_after_a_cancelled_request_the_next_one_is_answered(tmp_path: Path) -> None:
    """The first child never answers; the one that is started after it does."""
    child = (
        f"import pathlib, time; mark = pathlib.Path({str(tmp_path / 'mark')!r})\n"
        "first = not mark.exists(); mark.touch(); print('{}', flush=True); input()\n"
        "time.sleep(60) if first else print('{\"forecast\": {}}', flush=True)"
    )
    worker = Worker((sys.executable, "-c", child))
    answers: list[object] = []
    thread = ask(worker, answers)
    while not (tmp_path / "mark").exists():
        thread.join(0.01)
    worker.cancel()
    thread.join(10.0)
    assert isinstance(answers[0], TraceCancelled)
    assert worker.ask({}, 10.0) == {}
    worker.close()


def test_an_answer_may_be_wanted_within_a_time_a_start_included() -> None:
    worker = Worker(NEVER_WARM)
    with pytest.raises(TraceError, match="too long"):
        worker.ask({}, 60.0, within_seconds=0.1)
    worker.close()


def test_a_model_of_the_catalogue_needs_no_download(forecaster: Forecaster) -> None:
    plan = RunPlan(model="smollm2-135m", data="not there", batch_size=1, max_seq_length=64)
    found = forecaster.forecast(plan)
    assert found is not None and found.method == "trace"


def test_an_unknown_name_is_an_error(forecaster: Forecaster, demo: RunPlan) -> None:
    with pytest.raises(CockpitError, match="no such model"):
        forecaster.forecast(demo.with_changes(model="no-such-model-at-all"))


def test_a_model_written_over_in_place_is_another_model(
    forecaster: Forecaster, demo: RunPlan, tmp_path: Path
) -> None:
    """Its folder keeps its time of change: no file came and none went."""
    folder = tmp_path / "model"
    shutil.copytree(nano_path(), folder)
    config = json.loads((folder / "config.json").read_text())
    for weights in folder.glob("*.safetensors"):
        weights.unlink()
    plan = demo.with_changes(model=str(folder))
    before = forecaster.forecast(plan, use_data=False)
    then = folder.stat()
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": 3 * 512}))
    os.utime(folder, ns=(then.st_atime_ns, then.st_mtime_ns))
    after = forecaster.forecast(plan, use_data=False)
    assert after.parts["weights"] > before.parts["weights"]


def test_a_tokenizer_of_the_same_size_is_told_by_its_time(tmp_path: Path) -> None:
    tokenizer = tmp_path / "tokenizer.json"
    tokenizer.write_text("{}")
    plan = RunPlan(model=str(tmp_path), data="-")
    before = _seen(plan, str(tmp_path), with_data=False)
    assert _seen(plan, str(tmp_path), with_data=False) == before
    os.utime(tokenizer, ns=(1, 1))
    assert _seen(plan, str(tmp_path), with_data=False) != before


def test_prompts_are_counted_again_by_another_tokenizer(tmp_path: Path) -> None:
    from cockpit.memory.worker import _prompt_tokens

    shutil.copytree(nano_path(), tmp_path / "model")
    folder = str(tmp_path / "model")
    assert _prompt_tokens(folder, ("hello there",), False, "before") > 0
    (tmp_path / "model" / "tokenizer.json").unlink()
    with pytest.raises(Exception):  # noqa: B017
        _prompt_tokens(folder, ("hello there",), False, "after")


LATE = """
import json, sys, time
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    time.sleep(0.5)
    answer = {"id": asked["id"], "forecast": {"for": asked["what"]}}
    print(json.dumps(answer), flush=True)
"""


def test_an_answer_that_nobody_waited_for_is_not_the_next_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ctrl-C while the first plan was traced."""
    worker = Worker((sys.executable, "-c", LATE))
    receive = worker._receive

    def interrupted(timeout_seconds: float, before: int) -> dict[str, object]:
        if worker._asked:
            monkeypatch.undo()
            raise KeyboardInterrupt
        return receive(timeout_seconds, before)

    monkeypatch.setattr(worker, "_receive", interrupted)
    with pytest.raises(KeyboardInterrupt):
        worker.ask({"what": "first"}, 30.0)
    assert worker.ask({"what": "second"}, 30.0) == {"for": "second"}
    worker.close()
