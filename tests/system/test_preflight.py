"""What would fail after the launch is said before it, with the field and the remedy."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from cockpit.core.plan import RunPlan
from cockpit.errors import CockpitError
from cockpit.system import preflight
from cockpit.system.preflight_disk import needed_bytes
from tests.system.model_folders import write_cached, write_model, write_safetensors

CHAT = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]}
TEXT = {"text": "hi ho"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def write_data(folder: Path, row: Any = CHAT, **counts: int) -> Path:
    folder.mkdir(exist_ok=True)
    for name, count in counts.items():
        (folder / f"{name}.jsonl").write_text((json.dumps(row) + "\n") * count)
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data", train=8, valid=4)


def plan(**fields: Any) -> RunPlan:
    known = {"model": "model", "data": "data", "num_layers": 4, "max_seq_length": 128}
    return RunPlan(**(known | fields))


def refused(asked: RunPlan) -> CockpitError:
    """The one error of a plan, which ``prepare`` raises and ``collect`` lists."""
    with pytest.raises(CockpitError) as caught:
        preflight.prepare(asked)
    assert caught.value.remedy
    assert caught.value.exit_code == 2
    assert [str(error) for error in preflight.collect(asked)] == [str(caught.value)]
    return caught.value


def test_a_good_plan_comes_back_with_absolute_paths(model: Path, data: Path) -> None:
    found = preflight.examine(plan())
    assert (found.errors, found.warnings) == ([], [])
    assert found.plan == preflight.prepare(plan())
    assert (found.plan.model, found.plan.data) == (str(model), str(data))
    assert preflight.prepare(found.plan) == found.plan


def test_looking_changes_nothing(home: Path, model: Path, data: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    preflight.prepare(plan())
    assert sorted(tmp_path.rglob("*")) == before


def test_names_stay_names(data: Path, tmp_path: Path) -> None:
    write_cached(tmp_path / "hub", "org/cached")
    assert preflight.prepare(plan(model="org/cached")).model == "org/cached"
    assert preflight.prepare(plan(model="nano", num_layers=1)).model == "nano"
    found = preflight.examine(plan(model="org/not-here-yet"))
    assert (found.plan.model, found.errors, found.spec) == ("org/not-here-yet", [], None)
    assert "download" in found.warnings[0]


def test_a_model_or_data_that_is_not_there(model: Path, data: Path) -> None:
    assert "nowhere" in refused(plan(model="./nowhere")).message
    assert "nowhere" in refused(plan(data="./nowhere")).message


def test_a_half_downloaded_model(data: Path, tmp_path: Path) -> None:
    (write_cached(tmp_path / "hub", "org/half") / "model.safetensors").unlink()
    assert "hf download org/half" in refused(plan(model="org/half")).remedy


def test_a_model_with_code_of_its_own(data: Path, tmp_path: Path) -> None:
    write_model(tmp_path / "model", model_type="warpdrive", model_file="warp.py")
    assert "trust_remote_code" in refused(plan()).remedy
    assert preflight.collect(plan(trust_remote_code=True)) == []


def test_broken_lines_are_named_and_counted(model: Path, data: Path) -> None:
    with (data / "train.jsonl").open("a") as file:
        file.write("{\n" * 5)
    error = refused(plan())
    assert f"{data / 'train.jsonl'} line 9, column 2" in error.message
    assert "2 more" in error.message


def test_a_file_that_was_mended_is_read_again(model: Path, data: Path) -> None:
    whole = (data / "train.jsonl").read_bytes()
    (data / "train.jsonl").write_bytes(whole + b"{\n")
    refused(plan())
    (data / "train.jsonl").write_bytes(whole)
    assert preflight.collect(plan()) == []


def test_no_training_examples(model: Path, tmp_path: Path) -> None:
    write_data(tmp_path / "data", valid=4)
    error = refused(plan())
    assert "valid.jsonl" in error.message
    write_data(tmp_path / "data", train=0)
    assert "empty" in refused(plan()).message


def test_fewer_examples_than_a_batch(model: Path, data: Path) -> None:
    error = refused(plan(batch_size=9))
    assert "8 examples, batch_size 9" in error.message
    assert "8 or less" in error.remedy
    assert preflight.collect(plan(batch_size=8)) == []


def test_fewer_examples_than_an_update_is_a_warning(model: Path, data: Path) -> None:
    found = preflight.examine(plan(batch_size=4, grad_accumulation_steps=4))
    assert found.errors == []
    assert any("an update takes 16 examples" in warning for warning in found.warnings)


def test_little_or_no_validation_data_is_a_warning(model: Path, data: Path) -> None:
    assert any(
        "valid.jsonl: 4 examples" in w for w in preflight.examine(plan(batch_size=5)).warnings
    )
    (data / "valid.jsonl").unlink()
    assert any("no validation loss" in w for w in preflight.examine(plan()).warnings)


def test_a_test_needs_examples_and_only_a_test_does(model: Path, data: Path) -> None:
    assert "test.jsonl" in refused(plan(test=True)).message
    (data / "test.jsonl").write_text("{\n")
    assert preflight.collect(plan()) == []
    assert "test.jsonl line 1" in str(preflight.collect(plan(test=True))[0])


def test_plain_text_has_no_prompt_to_mask(model: Path, tmp_path: Path) -> None:
    write_data(tmp_path / "data", TEXT, train=8)
    assert "mask_prompt" in refused(plan(mask_prompt=True)).message
    assert preflight.collect(plan()) == []


def test_an_example_too_long_is_guessed_and_said_to_be_a_guess(model: Path, tmp_path: Path) -> None:
    write_data(tmp_path / "data", {"text": "x" * 4000}, train=8, valid=4)
    [warning] = preflight.examine(plan()).warnings
    assert "line 1: about 1,000 tokens by a rough count" in warning


@pytest.mark.parametrize("name", ["org/data", "hf"])
def test_data_of_the_hub_needs_its_package(
    model: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    import importlib.util

    asked = plan(data=name) if "/" in name else plan(data="", hf_dataset={"path": "org/data"})
    if importlib.util.find_spec("datasets") is None:
        assert "pip install datasets" in refused(asked).remedy
    else:
        assert preflight.collect(asked) == []


def test_more_layers_than_the_model_has(model: Path, data: Path) -> None:
    error = refused(plan(num_layers=5))
    assert "num_layers is 5" in error.message
    assert "4 or less" in error.remedy
    assert preflight.prepare(plan(num_layers=-1)).num_layers == -1


def test_a_default_beyond_the_model_means_all_of_it(model: Path, data: Path) -> None:
    asked = RunPlan(model="model", data="data")
    assert asked.num_layers > 4
    found = preflight.examine(asked)
    assert (found.errors, found.plan.num_layers) == ([], 4)
    assert any("all 4 layers" in warning for warning in found.warnings)


def test_a_length_beyond_the_model_is_a_warning(model: Path, data: Path) -> None:
    found = preflight.examine(plan(max_seq_length=1024))
    assert any("512" in warning for warning in found.warnings)
    assert found.errors == []


def lora(**fields: Any) -> dict[str, Any]:
    return {"lora_parameters": fields}


def test_adapter_keys_that_match_nothing(model: Path, data: Path) -> None:
    error = refused(plan(**lora(keys=["self_attn.qproj"])))
    assert "'self_attn.qproj'" in error.message
    assert "Did you mean 'self_attn.q_proj'?" in error.remedy
    assert "mlp.down_proj" in error.remedy
    assert "empty list" in refused(plan(**lora(keys=[]))).message


def test_adapter_keys_that_match_in_part(model: Path, data: Path) -> None:
    found = preflight.examine(plan(**lora(keys=["self_attn.q_proj", "mlp.gate"])))
    assert found.errors == []
    assert any("'mlp.gate'" in warning for warning in found.warnings)
    for keys in (["self_attn.q_proj"], ["model.embed_tokens"]):
        found = preflight.examine(plan(**lora(keys=keys)))
        assert (found.errors, found.warnings) == ([], [])


def test_dora_on_experts(data: Path, tmp_path: Path) -> None:
    write_model(tmp_path / "model", model_type="mixtral", num_local_experts=8)
    assert "8 experts" in refused(plan(fine_tune_type="dora")).message
    named = lora(keys=["self_attn.q_proj", "block_sparse_moe.switch_mlp.up_proj"])
    assert "experts" in refused(plan(fine_tune_type="dora", **named)).title
    for fields in ({"fine_tune_type": "lora"}, lora(keys=["self_attn.q_proj"])):
        assert preflight.collect(plan(**({"fine_tune_type": "dora"} | fields))) == []


def test_gemma3n_needs_its_keys(data: Path, tmp_path: Path) -> None:
    write_model(tmp_path / "model", model_type="gemma3n")
    assert "keys" in refused(plan()).remedy
    assert preflight.collect(plan(**lora(keys=["self_attn.q_proj"]))) == []


def test_packed_weights_cannot_be_trained_in_full(data: Path, tmp_path: Path) -> None:
    write_model(tmp_path / "model", quantization={"bits": 4, "group_size": 64})
    assert "4 bits" in refused(plan(fine_tune_type="full")).message
    assert preflight.collect(plan(fine_tune_type="lora")) == []


def test_an_adapter_to_start_from(model: Path, data: Path, tmp_path: Path) -> None:
    assert "resume_adapter_file" in refused(plan(resume_adapter_file="gone.safetensors")).message
    (tmp_path / "broken.safetensors").write_bytes(b"x" * 20)
    assert "safetensors" in refused(plan(resume_adapter_file="broken.safetensors")).message
    adapter = tmp_path / "adapters" / "adapters.safetensors"
    adapter.parent.mkdir()
    name = "model.layers.3.self_attn.q_proj"
    write_safetensors(adapter, {f"{name}.lora_a": (64, 16), f"{name}.lora_b": (16, 64)})
    for path in ("adapters/adapters.safetensors", "adapters"):
        assert "rank 16, the plan's is 8" in refused(plan(resume_adapter_file=path)).message
        fits = preflight.prepare(plan(resume_adapter_file=path, **lora(rank=16)))
        assert fits.resume_adapter_file == str(tmp_path / path)


def test_a_home_that_cannot_be_written(
    model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    for home in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/cockpit")):
        monkeypatch.setenv("COCKPIT_HOME", str(home))
        if home.parts[1] != "proc" or Path("/proc/self").exists():
            error = refused(plan())
            assert str(home) in error.message
            assert "COCKPIT_HOME" in error.remedy


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write where no one else may")
def test_a_home_without_permission(
    model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path / "locked" / "home"))
    assert "Permission denied" in refused(plan()).message


def test_a_disk_too_small_for_the_checkpoints(model: Path, data: Path) -> None:
    error = refused(plan(**lora(rank=2 * 10**9)))
    assert "GB are needed" in error.message
    assert "rank" in error.remedy


def test_the_room_needed_grows_with_what_is_kept(model: Path, data: Path) -> None:
    from cockpit.core.trainable import trainable_parameters
    from cockpit.system import models
    from cockpit.system.preflight_disk import MARGIN_BYTES

    files = models.files("model")
    assert files is not None
    spec, tensors = files.read()

    def needed(**fields: Any) -> int:
        found = needed_bytes(plan(**fields), spec, tensors)
        assert found is not None
        return found - MARGIN_BYTES

    trainable = trainable_parameters(plan(), spec, tensors)
    assert trainable is not None
    one = trainable * 4 * 3  # weights and adam's two moments, in float32
    assert needed(iters=10, save_every=100) == 2 * one
    assert needed(iters=1000, save_every=100) == 5 * one
    assert needed(iters=1000, save_every=100, optimizer="sgd") == 5 * one * 2 // 3


def test_everything_wrong_is_told_at_once_in_the_order_to_mend_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model(tmp_path / "model")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path / "file" / "home"))
    asked = plan(batch_size=9, num_layers=5, test=True, **lora(keys=["nothing"]))
    titles = [error.title for error in preflight.collect(asked)]
    assert titles == [
        "There are fewer examples than a batch holds",
        "There is nothing to test on",
        "The model has fewer layers than that",
        "Nothing would be trained",
        "The cockpit's home cannot be written",
    ]
