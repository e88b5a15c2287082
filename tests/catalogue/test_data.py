"""The catalogue's rows: complete, sourced, found by every name people use."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import files

import pytest

import cockpit.catalogue as catalogue
from cockpit.catalogue import CatalogueModel, find, models
from cockpit.core.model_spec import from_config

every_model = pytest.mark.parametrize("model", models(), ids=lambda model: model.slug)

# Every model that the five working notes recommend, warn of, or list.
NAMED_IN_DOCUMENTS = (
    "Llama 3.2 3B",
    "Qwen2.5 0.5B",
    "Qwen2.5 1.5B",
    "Qwen2.5 3B",
    "Gemma 2 2B",
    "Gemma 2 9B",
    "Gemma 3 4B",
    "Gemma 3n E4B",
    "Granite 3.3 2B",
    "Granite 4.0 H-Micro",
    "Granite 4.0 Micro",
    "Mistral 7B v0.3",
    "Llama 3.1 8B",
    "Qwen1.5 MoE A2.7B",
    "Qwen3 0.6B",
    "Qwen3 4B",
    "Qwen3 30B-A3B",
    "Mixtral 8x7B",
    "DeepSeek V2",
    "DeepSeek V3",
    "Phi-3.5 mini",
)


@pytest.mark.parametrize("name", NAMED_IN_DOCUMENTS)
def test_every_model_of_the_documents_has_a_row(name: str) -> None:
    model = find(name)

    assert model is not None
    assert "favourite" not in model.named_by


def test_a_favourite_is_no_document_s_model() -> None:
    favourites = [model for model in models() if "favourite" in model.named_by]

    assert len(favourites) >= 10
    assert {model.named_by for model in favourites} == {("favourite",)}


@every_model
def test_a_row_has_a_config_that_model_spec_reads(model: CatalogueModel) -> None:
    spec = from_config(model.config())

    assert spec.model_type == model.family
    assert spec.hidden_size
    assert spec.num_hidden_layers


@every_model
def test_packed_to_four_bits_the_config_says_what_convert_would_write(
    model: CatalogueModel,
) -> None:
    packed = from_config(model.at(4).config()).quantization

    assert packed is not None
    assert (packed.bits, packed.group_size, packed.mode) == (4, 64, "affine")
    assert from_config(model.at(16).config()).quantization is None


def test_a_config_is_the_callers_own_copy() -> None:
    models()[0].config()["hidden_size"] = 1

    assert models()[0].config()["hidden_size"] != 1


def test_every_config_file_belongs_to_one_row() -> None:
    shipped = {path.name for path in files(catalogue).joinpath("configs").iterdir()}
    used = [model.config_file for model in models()]

    assert sorted(used) == sorted(shipped)


def test_no_two_models_share_a_name() -> None:
    names = [name for model in models() for name in (model.name, model.hub, *model.same_shape)]

    assert len(names) == len({name.casefold() for name in names})


@every_model
def test_a_model_is_found_by_slug_name_and_hub_repositories(model: CatalogueModel) -> None:
    for name in (model.slug, model.name, model.hub, model.hub.upper(), *model.same_shape):
        assert find(name) == model


@every_model
def test_a_conversion_is_found_with_the_packing_its_name_implies(model: CatalogueModel) -> None:
    repository = model.hub.rpartition("/")[2]

    assert find(f"mlx-community/{repository}-4bit") == model.at(4)
    assert find(f"mlx-community/{repository}-8bit") == model.at(8)
    assert find(f"mlx-community/{repository}-bf16") == model.at(16)


@pytest.mark.parametrize(
    ("name", "slug", "bits"),
    [
        ("mlx-community/Meta-Llama-3.1-8B-Instruct-4bit", "llama-3.1-8b", 4),
        ("mlx-community/gemma-3n-E4B-it-lm-4bit", "gemma-3n-e4b", 4),
        ("mlx-community/gemma-3-1b-it-qat-4bit", "gemma-3-1b", 4),
        ("mlx-community/DeepSeek-V2-Lite-Chat-4bit-mlx", "deepseek-v2-lite", 4),
        ("mlx-community/Llama-3.2-3B-Instruct", "llama-3.2-3b", None),
        ("mlx-community/gpt-oss-20b-MXFP4-Q8", "gpt-oss-20b", None),
        ("qwen2.5-1.5b-6bit", "qwen2.5-1.5b", 6),
        ("  Qwen3 0.6B ", "qwen3-0.6b", None),
    ],
)
def test_names_as_people_write_them(name: str, slug: str, bits: int | None) -> None:
    model = find(name)

    assert model is not None
    assert (model.slug, model.bits) == (slug, bits)


@pytest.mark.parametrize(
    "name",
    ["", "nano", "Llama 3.2", "someone/Llama-3.2-3B-Instruct", "./llama-3.2-3b", "-4bit", "4bit"],
)
def test_what_the_catalogue_does_not_know_is_none(name: str) -> None:
    assert find(name) is None


def test_a_published_packing_is_kept_until_another_is_asked_for() -> None:
    model = find("gpt-oss-20b")

    assert model is not None
    assert model.config()["quantization_config"]["quant_method"] == "mxfp4"
    assert "quantization_config" not in model.at(16).config()


def test_the_catalogue_needs_neither_mlx_nor_the_interface() -> None:
    code = (
        "import sys, cockpit.catalogue as c; c.models()[0].config();"
        "print(*sorted({m.split('.')[0] for m in sys.modules} & {'mlx', 'mlx_lm', 'textual'}),"
        "*sorted(m for m in sys.modules if m.startswith('cockpit.')))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout.split() == ["cockpit.catalogue", "cockpit.errors"]
