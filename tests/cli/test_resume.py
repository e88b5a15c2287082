"""``cockpit resume``: asks nothing that the run knows, says what it does, refuses by name."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cockpit.embedded import demo_data_path
from tests.cli.conftest import Cockpit, Done

Stopped = Callable[..., tuple[str, Path]]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder that a test may change."""
    return Path(shutil.copytree(demo_data_path(), tmp_path / "data"))


@pytest.fixture
def trained(cockpit: Cockpit, short: list[str], home: Path, data: Path) -> tuple[str, Path]:
    """A run that is complete after 6 updates, with checkpoints at 3 and 6."""
    done = cockpit("train", *short[:-1], data, "--json")
    assert done.code == 0, done.err
    name = done.document["run"]
    return name, home / "runs" / name


def refused(done: Done, *said: str) -> None:
    assert done.code == 2, done.err
    for phrase in said:
        assert phrase in done.err
    assert "->" in done.err


def losses(run: Path) -> list[float]:
    found = {}
    for path in sorted(run.glob("attempts/*/trainer.jsonl")):
        events = [json.loads(line) for line in path.read_text().splitlines()]
        found |= {e["update"]: e["loss"] for e in events if e["type"] == "update"}
    return [found[update] for update in sorted(found)]


def test_a_complete_run_goes_on_with_more_iterations_as_if_it_had_them_from_the_start(
    cockpit: Cockpit, trained: tuple[str, Path], short: list[str], home: Path, data: Path
) -> None:
    name, run = trained
    refused(cockpit("resume", name), "complete", "6 of 6", "--iters")
    done = cockpit("resume", name, "--iters", "9", "--json")
    assert done.code == 0, done.err
    assert done.document["run"] == name
    assert (done.document["status"], done.document["iterations"]) == ("completed", 9)
    named = "name =" in (run / "attempts/002/plan.toml").read_text()
    assert not named, "RUN is which run, not what to call it"
    for said in ("inherited", "adam's moments", "place in the data", "overridden", "iters: 6 -> 9"):
        assert said in done.err
    assert "update 1/9" not in done.err
    flags = ["9" if flag == "6" else flag for flag in short[:-1]]
    straight = cockpit("train", *flags, data, "--json").document["run"]
    assert losses(run) == losses(home / "runs" / straight)
    adapters = [home / "runs" / n / "adapters/adapters.safetensors" for n in (name, straight)]
    assert adapters[0].read_bytes() == adapters[1].read_bytes()


def test_a_run_that_was_killed_goes_on_from_its_newest_whole_checkpoint(
    cockpit: Cockpit, trained: tuple[str, Path]
) -> None:
    name, run = trained
    weights = run / "checkpoints/0000006/optimizer.safetensors"
    weights.write_bytes(weights.read_bytes()[:-50])
    done = cockpit("resume", "--latest", "--json")
    assert done.code == 0, done.err
    assert done.document["run"] == name
    assert "passed over" in done.err and "0000006/optimizer.safetensors" in done.err
    assert "checkpoints/0000003" in done.err
    assert done.document["iterations"] == 6
    assert len(losses(run)) == 6


def test_without_any_usable_checkpoint_it_says_how_to_start_over(
    cockpit: Cockpit, trained: tuple[str, Path]
) -> None:
    name, run = trained
    for state in run.glob("checkpoints/*/state.json"):
        state.write_bytes(bytes(100))
    refused(cockpit("resume", name), "0000003", "0000006", f"cockpit train {run / 'plan.toml'}")
    shutil.rmtree(run / "checkpoints")
    refused(cockpit("resume", name), "no checkpoint yet", "cockpit train")
    refused(cockpit("resume", "--latest"), "No run can be resumed", name)


def test_going_back_to_an_earlier_checkpoint(cockpit: Cockpit, trained: tuple[str, Path]) -> None:
    name, _ = trained
    refused(cockpit("resume", name, "--from", "5"), "0000005", "3, 6")
    done = cockpit("resume", name, "--from", "3", "--learning-rate", "1e-4", "--json")
    assert done.code == 0, done.err
    assert "learning_rate: 0.001 -> 0.0001" in done.err and "warning" in done.err
    shown = cockpit("show", name, "--json").document
    assert (shown["attempts"], shown["updates"], shown["checkpoints"]) == (2, 6, [3, 6])


REFUSED = {
    "--rank 4": "lora_parameters.rank: 8 -> 4",
    "--num-layers 3": "num_layers: 2 -> 3",
    "--optimizer adamw": "optimizer: adam -> adamw",
    "--seed 7": "seed: 0 -> 7",
    "--batch-size 4": "batch_size x grad_accumulation_steps: 2 -> 4",
    "--keys self_attn.q_proj": "lora_parameters.keys: not set -> ['self_attn.q_proj']",
    "--fine-tune-type dora": "fine_tune_type: lora -> dora",
}


def test_what_a_checkpoint_cannot_go_on_under_is_refused_before_anything_starts(
    cockpit: Cockpit, trained: tuple[str, Path]
) -> None:
    name, run = trained
    for flags, field in REFUSED.items():
        refused(cockpit("resume", name, "--iters", "9", *flags.split()), field)
    assert [p.name for p in (run / "attempts").iterdir()] == ["001"]


def test_changed_data_is_refused_and_changed_validation_data_is_a_warning(
    cockpit: Cockpit, trained: tuple[str, Path], data: Path
) -> None:
    name, _ = trained
    lines = (data / "valid.jsonl").read_text().splitlines(keepends=True)
    (data / "valid.jsonl").write_text("".join(lines[:-1]))
    done = cockpit("resume", name, "--iters", "7", "--json")
    assert done.code == 0, done.err
    assert "warning     valid.jsonl" in done.err
    lines = (data / "train.jsonl").read_text().splitlines(keepends=True)
    (data / "train.jsonl").write_text("".join(lines[:-1]))
    refused(cockpit("resume", name, "--iters", "9"), "train.jsonl", "place in the data")


def test_the_same_examples_in_smaller_batches_are_as_many_updates(
    cockpit: Cockpit, trained: tuple[str, Path]
) -> None:
    name, _ = trained
    flags = ["--from", "3", "--batch-size", "1", "--grad-accumulation-steps", "2"]
    done = cockpit("resume", name, *flags, "--json")
    assert done.code == 0, done.err
    assert "equal but for the last bits" in done.err
    shown = cockpit("show", name, "--json").document
    assert (shown["updates"], shown["iterations"]) == (6, 12)


def test_a_living_run_is_not_resumed_and_a_stopped_one_keeps_what_commands_changed(
    cockpit: Cockpit, short: list[str]
) -> None:
    flags = ["100000" if flag == "6" else flag for flag in short]
    name = cockpit("train", *flags, "--detach", "--json").document["run"]
    refused(cockpit("resume", name), "still going on", f"cockpit attach {name}")
    assert cockpit("set", name, "--learning-rate", "5e-4", "--json").document["accepted"]
    cockpit("stop", name)
    updates = cockpit("attach", name, "--json").document["iterations"]
    done = cockpit("resume", name, "--iters", str(updates + 2), "--json")
    assert done.code == 0, done.err
    assert "learning rate 0.0005, set while it ran" in done.err
    assert done.document["iterations"] == updates + 2


def test_of_two_who_resume_at_once_one_does(cockpit: Cockpit, trained: tuple[str, Path]) -> None:
    name, run = trained
    command = [sys.executable, "-m", "cockpit", "resume", name, "--iters", "3000", "--detach"]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = sorted((process.communicate()[1], process.returncode) for process in both)
    assert sorted(code for _, code in said) == [0, 2], said
    (told,) = [text for text, code in said if code == 2]
    assert f"cockpit attach {name}" in told
    assert len(list((run / "attempts").iterdir())) == 2
    cockpit("stop", name)
    assert cockpit("attach", name, "--json").document["status"] == "stopped"


def test_a_resume_says_which_run_it_needs(cockpit: Cockpit) -> None:
    refused(cockpit("resume"), "Which run?", "--latest")
    refused(cockpit("resume", "--latest"), "no runs yet")
    refused(cockpit("resume", "nothing-like-it"), "nothing-like-it")


def test_plain_mlx_lm_adapters_are_continued_with_weights_only(
    cockpit: Cockpit, trained: tuple[str, Path], short: list[str], tmp_path: Path
) -> None:
    _, run = trained
    folder = tmp_path / "adapters"
    folder.mkdir()
    for name in ("adapters.safetensors", "adapter_config.json"):
        shutil.copyfile(run / "adapters" / name, folder / name)
    flags = [*short, "--resume-adapter-file", str(folder)]
    refused(cockpit("train", *flags, "--rank", "4"), "lora_parameters.rank is 8 there and 4")
    done = cockpit("train", *flags, "--json")
    assert done.code == 0, done.err
    assert "Weights only" in done.err and "optimizer, position in the data" in done.err


def test_a_damaged_plan_of_the_first_attempt_is_read_from_what_was_asked(
    cockpit: Cockpit, trained: tuple[str, Path]
) -> None:
    name, run = trained
    (run / "attempts" / "001" / "plan.toml").write_bytes(b"")
    done = cockpit("resume", name, "--iters", "9", "--json")
    assert done.code == 0, done.err
    assert done.document["iterations"] == 9
