"""Which models are there, and for each that cannot be trained, why and what to do."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cockpit.errors import CockpitError
from cockpit.system import mlx_lm_types, models
from tests.system.model_folders import LLAMA, write_cached, write_model

Damage = Callable[[Path], object]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and an empty current folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def refused(name: str | Path) -> CockpitError:
    with pytest.raises(CockpitError) as caught:
        models.resolve(str(name))
    assert caught.value.remedy
    assert caught.value.exit_code == 2
    return caught.value


def test_the_embedded_model_is_always_there() -> None:
    found = models.resolve("nano")
    assert found.source == "embedded"
    assert found.path is not None
    assert (found.path / "config.json").is_file()
    assert found.problem is None
    assert models.list_models() == [found]


def test_a_whole_folder(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "own", quantization={"bits": 4, "group_size": 64})
    found = models.resolve(str(folder))
    assert (found.source, found.path, found.problem) == ("folder", folder, None)
    assert (found.model_type, found.quantization_bits) == ("llama", 4)
    assert found.size_bytes == (folder / "model.safetensors").stat().st_size


def test_a_folder_may_be_named_from_here_or_from_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model(Path("org/own"))
    assert models.resolve("org/own").source == "folder"
    monkeypatch.setenv("HOME", str(tmp_path / "here"))
    assert models.resolve("~/org/own").path == tmp_path / "here" / "org" / "own"


def test_a_cached_model_goes_by_its_hub_name(cache: Path) -> None:
    snapshot = write_cached(cache, "org/name-1B")
    found = models.resolve("org/name-1B")
    assert (found.source, found.path, found.problem) == ("cache", snapshot, None)


def test_the_cached_version_is_the_one_main_points_at(cache: Path) -> None:
    new = write_cached(cache, "org/name", "new")
    write_cached(cache, "org/name", "old")
    (cache / "models--org--name" / "refs" / "main").write_text("new\n")
    assert models.resolve("org/name").path == new


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"HF_HUB_CACHE": "/a", "HF_HOME": "/b"}, "/a"),
        ({"HF_HOME": "/b", "XDG_CACHE_HOME": "/c"}, "/b/hub"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/huggingface/hub"),
        ({"HOME": "/d"}, "/d/.cache/huggingface/hub"),
    ],
)
def test_the_cache_is_where_huggingface_hub_has_it(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str
) -> None:
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert models.cache_folder() == Path(expected)
    asked = "from huggingface_hub import constants; print(constants.HF_HUB_CACHE)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected


def test_a_hub_name_that_is_not_here_is_left_to_the_download() -> None:
    found = models.resolve("mlx-community/Some-Model-4bit")
    assert (found.source, found.path, found.size_bytes) == ("hub", None, None)


@pytest.mark.parametrize(
    "name", ["nowhere", "./org/name", "/no/such/folder", "", "a/b/c", "x" * 999]
)
def test_what_is_nowhere_is_named(name: str) -> None:
    assert name in refused(name).message


def test_a_slip_of_the_finger_is_noticed(tmp_path: Path, cache: Path) -> None:
    write_model(tmp_path / "my-model")
    write_cached(cache, "org/Qwen-Tiny")
    assert str(tmp_path / "my-model") in refused(tmp_path / "my-modle").remedy
    assert "org/Qwen-Tiny" in refused("qwen-tinny").remedy
    assert "nano" in refused("nanno").remedy


def test_a_file_is_not_a_model(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    assert "not a folder" in refused(tmp_path / "model.gguf").title


def without(*names: str) -> Damage:
    return lambda folder: [(folder / name).unlink() for name in names]


def holding(name: str, *gone: str) -> Damage:
    return lambda folder: (without(*gone)(folder), (folder / name).write_bytes(b"x"))


def cut(name: str, size: int) -> Damage:
    def damage(folder: Path) -> None:
        with (folder / name).open("r+b") as file:
            file.truncate(size)

    return damage


def config(**changes: object) -> Damage:
    return lambda folder: (folder / "config.json").write_text(json.dumps(LLAMA | changes))


WEIGHTS = "model.safetensors"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (without("config.json"), "config.json"),
        (without(WEIGHTS), "no model*.safetensors"),
        (without("tokenizer.json"), "tokenizer.json"),
        (cut("config.json", 20), "config.json"),
        (config(model_type="warpdrive"), "'warpdrive'"),
        (config(model_type="lama"), "it knows 'llama'"),
        (config(model_type="cache"), "'cache'"),
        (config(model_type="../llama"), "'../llama'"),
        (config(model_type=None), "no model_type"),
        (config(quantization_config={"quant_method": "bitsandbytes"}), "bitsandbytes"),
        (holding("model-Q4_K_M.gguf", WEIGHTS), "GGUF"),
        (holding("model.gguf", WEIGHTS, "config.json"), "GGUF"),
        (holding("pytorch_model.bin", WEIGHTS), "PyTorch"),
        (holding("consolidated.safetensors", WEIGHTS), "consolidated.safetensors"),
        (holding("adapter_config.json", WEIGHTS), "adapter"),
        (cut(WEIGHTS, 0), WEIGHTS),
        (cut(WEIGHTS, 100), "cut short inside its header"),
        (cut(WEIGHTS, 20_000), "20,000 of"),
        (lambda folder: (folder / WEIGHTS).write_bytes(b"version https://git-lfs"), WEIGHTS),
        (lambda folder: (folder / WEIGHTS).write_bytes(b"\2" + bytes(7) + b"[]"), WEIGHTS),
        (holding("model-00001-of-00003.safetensors"), "model-00002-of-00003.safetensors"),
    ],
)
def test_what_keeps_a_folder_from_training_is_named(
    tmp_path: Path, damage: Damage, said: str
) -> None:
    folder = write_model(tmp_path / "own")
    damage(folder)
    error = refused(folder)
    assert said in str(error)
    assert str(folder) in error.message


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "own", shards=3)
    assert models.resolve(str(folder)).problem is None
    (folder / "model-00002-of-00003.safetensors").unlink()
    assert "model-00002-of-00003.safetensors" in refused(folder).message


def test_a_download_that_stopped_half_way(cache: Path) -> None:
    snapshot = write_cached(cache, "org/name")
    (snapshot / WEIGHTS).unlink()
    (cache / "models--org--name" / "blobs" / "f00.incomplete").write_bytes(b"x")
    error = refused("org/name")
    assert error.title == "The download is not complete"
    assert "hf download org/name" in error.remedy


def test_a_link_to_a_file_that_is_gone(cache: Path) -> None:
    snapshot = write_cached(cache, "org/name")
    (snapshot / WEIGHTS).resolve().unlink()
    assert WEIGHTS in refused("org/name").message


def test_an_old_unfinished_download_beside_a_whole_model_does_no_harm(cache: Path) -> None:
    write_cached(cache, "org/name")
    (cache / "models--org--name" / "blobs" / "f00.incomplete").write_bytes(b"x")
    assert models.resolve("org/name").problem is None


def test_a_model_with_code_of_its_own_needs_trust_and_no_known_type(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "own", model_type="warpdrive", model_file="warp.py")
    assert models.resolve(str(folder)).needs_trust


def test_the_list_has_every_source_and_tells_problems(cache: Path) -> None:
    write_model(Path("mine"))
    write_model(Path("models/other"))
    Path("project").mkdir()
    (Path("project") / "config.json").write_text('{"name": "no model"}')
    write_cached(cache, "org/whole")
    (write_cached(cache, "a/half") / WEIGHTS).unlink()
    (cache / "models--b--never" / "blobs").mkdir(parents=True)
    (cache / "datasets--c--data").mkdir()
    found = models.list_models()
    assert [(entry.name, entry.source) for entry in found] == [
        ("nano", "embedded"),
        ("./mine", "folder"),
        ("./models/other", "folder"),
        ("org/whole", "cache"),
        ("a/half", "cache"),
    ]
    assert [entry.name for entry in found if entry.problem] == ["a/half"]
    for entry in found[:-1]:
        assert models.resolve(entry.name) == entry


def test_what_is_listed_here_was_not_opened_by_mlx(cache: Path) -> None:
    write_cached(cache, "org/whole")
    asked = (
        "import sys; from cockpit.system import models; models.list_models();"
        "models.resolve('org/whole');"
        "heavy = {'mlx', 'mlx_lm', 'transformers', 'huggingface_hub'};"
        "print(heavy & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_listing_reads_no_weights(cache: Path) -> None:
    """A hundred gigabytes of sparse weights take no longer than their headers."""
    snapshot = write_cached(cache, "org/huge")
    weights = (snapshot / WEIGHTS).resolve()
    with weights.open("r+b") as file:
        file.truncate(100_000_000_000)
    entry = next(entry for entry in models.list_models() if entry.name == "org/huge")
    assert entry.size_bytes == 100_000_000_000


def test_the_shape_of_a_model_comes_from_its_headers(tmp_path: Path) -> None:
    spec = models.spec(str(write_model(tmp_path / "own", shards=2)))
    assert spec is not None
    assert (spec.counted, spec.num_hidden_layers, spec.dtype) == (True, 4, "float32")
    assert spec.parameters == 256 * 64 + 64 + 4 * (2 * 64 * 64 + 2 * 32 * 64 + 3 * 128 * 64 + 128)
    assert models.spec("org/not-here-yet") is None


def test_known_types_are_those_mlx_lm_can_build() -> None:
    import importlib

    from mlx_lm.utils import MODEL_ARCHITECTURE_REMAPPING, MODEL_REMAPPING

    for model_type in ("llama", "qwen3_moe", "gemma3", "solar_open", *MODEL_REMAPPING):
        module = mlx_lm_types.module_of({"model_type": model_type})
        assert module == MODEL_REMAPPING.get(model_type, model_type)
        assert hasattr(importlib.import_module(f"mlx_lm.models.{module}"), "Model")
        assert mlx_lm_types.is_known({"model_type": model_type})
    for (model_type, architecture), expected in MODEL_ARCHITECTURE_REMAPPING.items():
        config = {"model_type": model_type, "architectures": [architecture]}
        assert mlx_lm_types.module_of(config) == expected
    for helper in ("base", "cache", "switch_layers", "rope_utils", "__init__", "bert"):
        assert not mlx_lm_types.is_known({"model_type": helper})
