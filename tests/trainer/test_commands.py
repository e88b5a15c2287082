"""Commands: each obeyed between updates and acknowledged once, in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cockpit.core import events as ev
from cockpit.system import jsonl
from cockpit.system.asked import Beginning
from cockpit.trainer.commands import Inbox
from tests.trainer.conftest import Training

Prepare = Callable[..., Training]

ENDLESS = 1_000_000


def answer(training: Training, command: str) -> ev.Acknowledged:
    """The one acknowledgement of a command, awaited."""

    def given() -> list[ev.Acknowledged]:
        return [e for e in training.events(ev.Acknowledged) if e.id == command]

    training.until(given)
    (event,) = given()
    return event


def test_a_run_obeys(prepare: Prepare) -> None:
    training = prepare(
        iters=ENDLESS, grad_accumulation_steps=2, save_every=ENDLESS, steps_per_eval=ENDLESS
    ).start()
    training.until(lambda: len(training.losses) >= 3)

    assert answer(training, training.send("pause")).accepted
    assert training.until(lambda: training.events(ev.Paused))[0].reason == "asked"
    refused = answer(training, training.send("pause"))
    assert not refused.accepted and "paused" in refused.message
    paused_at = len(training.losses)

    assert answer(training, training.send("sample", prompt="the cat")).accepted
    sample = training.until(lambda: training.events(ev.Sampled))[0]
    assert (sample.prompt, sample.update) == ("the cat", paused_at)
    assert answer(training, training.send("checkpoint")).accepted
    saved = training.until(lambda: training.events(ev.Checkpointed))[0]
    assert (saved.update, saved.reason) == (paused_at, "asked")
    assert (training.run.adapters / "adapters.safetensors").is_file()
    assert not answer(training, training.send("checkpoint")).accepted
    assert answer(training, training.send("validate")).accepted
    training.until(lambda: training.events(ev.Validated)[-1].update == paused_at)
    assert len(training.losses) == paused_at

    assert answer(training, training.send("set_learning_rate", value=2.5e-4)).accepted
    assert not answer(training, training.send("set_learning_rate", value=-1.0)).accepted
    assert not answer(training, training.send("set_iters", value=1.0)).accepted
    assert answer(training, training.send("set_iters", value=2.0 * paused_at + 20)).updates == (
        paused_at + 10
    )
    assert answer(training, training.send("resume")).accepted
    assert training.wait() == 0
    assert training.events(ev.Resumed)[0].update == paused_at
    ended = training.one(ev.Ended)
    assert (ended.status, ended.update) == ("completed", paused_at + 10)
    rates = [e.learning_rate for e in training.events(ev.Updated)]
    assert rates[paused_at:] == pytest.approx([2.5e-4] * 10)
    assert rates[:paused_at] == pytest.approx([1e-3] * paused_at)


def test_stop_works_while_paused_and_saves(prepare: Prepare) -> None:
    training = prepare(iters=ENDLESS).start()
    training.until(lambda: training.losses)
    training.send("pause")
    training.until(lambda: training.events(ev.Paused))
    stop = training.send("stop")
    assert training.wait() == 0
    assert answer(training, stop).accepted
    ended = training.one(ev.Ended)
    assert (ended.status, ended.update) == ("stopped", len(training.losses))
    saved = training.events(ev.Checkpointed)[-1]
    assert (saved.update, saved.reason) == (ended.update, "stopped")


def test_what_is_damaged_repeated_or_old_is_not_obeyed(prepare: Prepare) -> None:
    first = prepare(iters=ENDLESS)
    first.send("stop", t=1.0)
    second = first.again("0000000")
    (second.run.attempt(2).path / "resume.json").unlink()
    with second.run.control.open("ab") as file:
        file.write(b'not json\n{"id": "x", "action": "explode"}\n[1, 2]\n\n')
    second.start()
    second.until(lambda: second.losses)
    command = ev.Command(id="twice", action="set_learning_rate", value=1e-4)
    with second.run.control.open("ab") as file:
        file.write(command.line() * 3)
        file.write(json.dumps({"id": "half", "action": "stop"}).encode()[:-4])
    assert answer(second, "twice").accepted
    training_goes_on = len(second.losses) + 3
    second.until(lambda: len(second.losses) >= training_goes_on)
    assert [e.id for e in second.events(ev.Acknowledged)] == ["twice"]


@pytest.mark.parametrize("before", [None, b"", b'{"id": "hal'])
def test_what_comes_after_the_first_look_is_obeyed_whatever_the_clock_says(
    tmp_path: Path, before: bytes | None
) -> None:
    path = tmp_path / "control.jsonl"
    if before is not None:
        path.write_bytes(before)
    inbox = Inbox(path, Beginning(since=1000.0))
    assert inbox.next() is None
    jsonl.append(path, ev.Command(id="pause", action="pause", t=1.0).line())
    jsonl.append(path, ev.Command(id="stop", action="stop", t=2.0).line() * 2)
    assert inbox.stop_waiting
    assert [command and command.id for command in (inbox.next(), inbox.next(), inbox.next())] == [
        "pause", "stop", None,
    ]  # fmt: skip


@pytest.mark.parametrize("placed", [True, False])
def test_what_was_asked_of_an_earlier_attempt_is_not_obeyed_even_if_it_is_long(
    tmp_path: Path, placed: bool
) -> None:
    path = tmp_path / "control.jsonl"
    old = (ev.Command(id=f"old{i}", action="sample", prompt="x" * 99, t=1.0) for i in range(12_000))
    path.write_bytes(b"".join(command.line() for command in old))
    assert path.stat().st_size > jsonl.CHUNK_BYTES
    beginning = Beginning(place=path.stat().st_size) if placed else Beginning(since=1000.0)
    inbox = Inbox(path, beginning)
    assert inbox.next() is None
    # Whoever replaces the file by an older copy of it repeats nothing.
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert inbox.next() is None


def test_a_stop_breaks_off_a_long_validation(prepare: Prepare, tmp_path: object) -> None:
    training = prepare(iters=ENDLESS, batch_size=1, val_batches=-1)
    _grow_validation(training, 20_000)
    training.start()
    training.until(lambda: any(e.phase == "validating" for e in training.events(ev.PhaseChanged)))
    stop = training.send("stop")
    assert training.wait() == 0
    assert answer(training, stop).accepted
    assert training.events(ev.Validated) == []
    assert training.one(ev.Ended).status == "stopped"
    assert not training.run.adapters.exists()


def test_a_stop_while_loading_is_obeyed(prepare: Prepare) -> None:
    training = prepare(iters=ENDLESS)
    stop = training.send("stop")
    assert training.here() == 0
    assert answer(training, stop).accepted
    assert training.one(ev.Ended).status == "stopped"
    assert training.events(ev.Updated) == []


def test_what_comes_too_late_is_answered_all_the_same(prepare: Prepare) -> None:
    training = prepare(iters=ENDLESS).start()
    training.until(lambda: training.losses)
    with training.run.control.open("ab") as file:
        file.write(b"".join(ev.Command(id=a, action=a).line() for a in ("stop", "pause", "stop")))
        file.write(ev.Command(id="late", action="validate").line())
    assert training.wait() == 0
    told = {e.id: e.accepted for e in training.events(ev.Acknowledged)}
    assert told == {"stop": True, "pause": False, "late": False}


def _grow_validation(training: Training, examples: int) -> None:
    """Gives the run a data folder of its own with that many validation lines."""
    from pathlib import Path

    from cockpit.system import plan_file
    from tests.trainer.conftest import write_data

    folder = write_data(training.run.path / "data", valid=1)
    line = (folder / "valid.jsonl").read_text()
    Path(folder / "valid.jsonl").write_text(line * examples)
    path = training.run.attempt(1).plan_path
    plan_file.write(plan_file.read(path).with_changes(data=str(folder)), path)
