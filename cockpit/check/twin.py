"""Writing a tiny twin: a model folder like any other, with random weights."""

from __future__ import annotations

import dataclasses
import importlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten, tree_unflatten
from mlx_lm import utils as mlx_lm_utils

from cockpit.check.shrink import shrink
from cockpit.check.stages import UNPACKED
from cockpit.embedded import nano_path
from cockpit.errors import CockpitError
from cockpit.memory import build
from cockpit.system import mlx_lm_types

_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
_GROUP_SIZE = 64


def write(config: Mapping[str, Any], packing: str, folder: Path) -> int:
    """Makes ``folder`` the twin of ``config`` in ``packing``; returns its parameters.

    Packed by mlx-lm's own ``quantize_model``, as its convert does. Raises CockpitError where
    mlx-lm knows the architecture and the shrunk config is still not one it can build.
    """
    tiny = shrink(config, defaults(config))
    mx.random.seed(0)
    try:
        model = build.from_config_alone(tiny)
        _fill_zeros(model)
        mx.eval(model.parameters())
    except Exception as error:
        raise CockpitError(
            "The tiny twin could not be built",
            f"{type(error).__name__}: {error}",
            "This may be the shrinking's fault; with the weights here, --real tells.",
            exit_code=1,
        ) from error
    parameters = int(mlx_lm_utils.get_total_parameters(model))
    if packing != UNPACKED:
        model, tiny = mlx_lm_utils.quantize_model(model, tiny, **_settings(packing))
    folder.mkdir(parents=True)
    mlx_lm_utils.save_model(folder, model)
    (folder / "config.json").write_text(json.dumps(tiny, indent=1))
    for name in _TOKENIZER:
        shutil.copyfile(nano_path() / name, folder / name)
    return parameters


def defaults(config: Mapping[str, Any]) -> dict[str, Any]:
    """What mlx-lm's classes for this architecture take where a config is silent."""
    names = [mlx_lm_types.module_of(config)]
    if text := config.get("text_config"):
        names.append(mlx_lm_types.module_of({"model_type": names[0]} | text))
    found: dict[str, Any] = {}
    for name in names:
        try:
            module = importlib.import_module(f"mlx_lm.models.{name}")
        except ImportError:
            continue
        for kind in vars(module).values():
            if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
                continue
            known = {field.name: field.default for field in dataclasses.fields(kind)}
            found |= {k: v for k, v in known.items() if isinstance(v, int | str) and v != ""}
    return found


def _settings(packing: str) -> dict[str, Any]:
    bits, _, rest = packing.partition("-")
    if rest == "bit":
        return {"group_size": _GROUP_SIZE, "bits": int(bits), "mode": "affine"}
    return {"group_size": None, "bits": None, "mode": packing}


def _fill_zeros(model: nn.Module) -> None:
    """Matrices that begin as zeros, such as routers, would hide what depends on them."""
    blank = [
        (name, mx.random.normal(value.shape, scale=0.02).astype(value.dtype))
        for name, value in tree_flatten(model.parameters())
        if value.ndim > 1 and mx.issubdtype(value.dtype, mx.floating) and not mx.any(value).item()
    ]
    if blank:
        model.update(tree_unflatten(blank))
