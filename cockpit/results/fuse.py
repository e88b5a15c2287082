"""The job ``fuse``: the tuned model as a folder that mlx-lm loads, compared with what it was."""

from __future__ import annotations

import copy
import gc
import json
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx_lm
from mlx.utils import tree_flatten, tree_unflatten
from mlx_lm import utils as mlx_lm_utils

from cockpit.errors import CockpitError
from cockpit.results import adapted, answer, gguf_family, kept, model_card, prompts, verify
from cockpit.results.adapted import Adapted, Say
from cockpit.results.choice import Choice
from cockpit.results.fused_folder import MARKER, FusedFolder, unwritable
from cockpit.results.messages import Progress
from cockpit.results.prompts import Prompt
from cockpit.results.verify import Comparison, Logits
from cockpit.system import observe
from cockpit.system.model_files import ModelFiles
from cockpit.trainer.failures import brief
from cockpit.trainer.resume import versions

_FALLBACK = Prompt("The quick brown fox jumps over the lazy dog.", raw=True)
_PACKING = ("quantization", "quantization_config")


def run(request: dict[str, Any], say: Say) -> dict[str, Any]:
    """``request``: run, checkpoint, output, force, dequantize, gguf.

    Returns the document that ``cockpit fuse --json`` prints.
    """
    model = adapted.load(request, say, as_stored=True)
    choice = model.choice
    for warning in choice.warnings:
        say(Progress(warning, warning=True))
    folder = FusedFolder(Path(request["output"]), force=bool(request["force"]))
    folder.check(choice.model, choice.run.path)
    if request["gguf"]:
        gguf_family.check(model.loaded.config, choice.model, dequantize=request["dequantize"])
    with folder:
        try:
            document = _fused(model, folder, request, say)
        except (OSError, RuntimeError) as error:
            if isinstance(error, OSError) or "unable to write" in str(error).lower():
                raise unwritable(error, folder.final) from error
            raise
        folder.commit()
    return document


def _fused(
    model: Adapted, folder: FusedFolder, request: dict[str, Any], say: Say
) -> dict[str, Any]:
    choice = model.choice
    say(Progress("asking the adapted model"))
    texts = _texts(model)
    before = verify.logits(model.use("base"), texts)
    wanted = verify.logits(model.use("tuned"), texts)
    say(Progress("fusing"))
    net, config = _join(model, dequantize=request["dequantize"])
    packed = any(config.get(name) for name in _PACKING)
    weights = dict(tree_flatten(net.parameters()))
    made_gguf = _write(model, net, config, weights, folder, request, say)
    size_bytes, dtype = sum(v.nbytes for v in weights.values()), model.loaded.dtype
    # One model in memory at a time: the fused one goes before it is read again.
    model.modules, model.weights = {"base": [], "tuned": []}, {"base": {}, "tuned": {}}
    model.loaded = None  # type: ignore[assignment]
    del net, weights
    gc.collect()
    mx.clear_cache()
    say(Progress("reading it back"))
    check = _reload(choice, folder.partial, texts, wanted, before, None if packed else dtype)
    document = {
        "run": choice.run.name,
        "model": choice.plan.model,
        "checkpoint": choice.update,
        "path": str(folder.final),
        "fine_tune_type": choice.plan.fine_tune_type,
        "dtype": f"{_bits(config)}-bit" if packed else dtype,
        "size_bytes": size_bytes,
        "check": check.document(),
        "gguf": made_gguf,
        "versions": versions(),
        "notes": [*choice.warnings, *_doubts(check)],
    }
    _describe(choice, folder, document)
    return document


def _texts(model: Adapted) -> list[list[int]]:
    """A few prompts as tokens, short enough for any machine."""
    asked = prompts.of(model.choice.plan, [])[: prompts.FROM_DATA] or [_FALLBACK]
    return [answer.encode(model, prompt)[-verify.MOST_TOKENS :] for prompt in asked]


def _join(model: Adapted, *, dequantize: bool) -> tuple[nn.Module, dict[str, Any]]:
    """The model with its adapters in its weights, and its configuration."""
    net, config = model.model, copy.deepcopy(model.loaded.config)
    fused = [
        (name, module.fuse(dequantize=dequantize))
        for name, module in net.named_modules()
        if hasattr(module, "fuse")
    ]
    if fused:
        net.update_modules(tree_unflatten(fused))
    if left := adapted.number_of_adapters(net):
        raise CockpitError(
            "mlx-lm cannot fuse these adapters",
            f"{model.choice.plan.model}: {left} arrays of adapters are left",
            f"Use it with its adapters: mlx_lm.generate --adapter-path {model.choice.folder}",
            exit_code=1,
        )
    if dequantize:
        net = mlx_lm_utils.dequantize_model(net)
        for part in (config, config.get("text_config") or {}):
            for name in _PACKING:
                part.pop(name, None)
    return net, config


def _write(
    model: Adapted,
    net: nn.Module,
    config: dict[str, Any],
    weights: dict[str, mx.array],
    folder: FusedFolder,
    request: dict[str, Any],
    say: Say,
) -> dict[str, Any] | None:
    """The weights, the tokenizer and the configuration; and the GGUF, if it was asked for."""
    gguf = import_module("cockpit.results.gguf") if request["gguf"] else None
    size_bytes = sum(value.nbytes for value in weights.values())
    folder.need(size_bytes + (gguf.size_bytes(weights) if gguf else 0))
    say(Progress(f"writing {size_bytes / 1e9:.2f} GB to {folder.final}"))
    source = str(model.choice.model)
    mlx_lm_utils.save(folder.partial, source, net, model.tokenizer, dict(config))
    try:
        # mlx's own writer does not see a full disk.
        ModelFiles.scan(folder.partial).check()
    except CockpitError as error:
        raise CockpitError(
            "The fused model could not be written whole",
            error.message,
            "The disk may be full. Nothing was kept.",
        ) from error
    if gguf is None:
        return None
    path = folder.partial / f"{folder.final.name}-f16.gguf"
    say(Progress(f"writing {path.name}"))
    made: dict[str, Any] = gguf.write(
        path, folder.partial, weights, config, model.tokenizer, folder.final.name
    )
    return made


def _reload(
    choice: Choice,
    path: Path,
    texts: list[list[int]],
    wanted: Logits,
    before: Logits,
    dtype: str | None,
) -> Comparison:
    """What ``mlx_lm.load`` makes of the folder, compared with the adapted model."""
    trust = choice.plan.trust_remote_code
    try:
        net, _ = mlx_lm.load(
            str(path), tokenizer_config={"trust_remote_code": trust}, trust_remote_code=trust
        )
        got = verify.logits(net, texts)
    except (ValueError, KeyError, TypeError, AttributeError, FileNotFoundError) as error:
        raise CockpitError(
            "The fused model cannot be loaded again",
            f"mlx-lm says: {brief(error)}. Nothing was kept.",
            f"Use it with its adapters: mlx_lm.generate --adapter-path {choice.folder}",
            exit_code=1,
        ) from error
    check = verify.compare(wanted, got, before, dtype)
    if not check.passed:
        raise CockpitError(
            "The fused model does not answer as the adapted one",
            f"its divergence is {check.divergence:.3g} nats, where {dtype} allows "
            f"{check.tolerance:.3g}. Nothing was kept.",
            f"Use it with its adapters: mlx_lm.generate --adapter-path {choice.folder}",
            exit_code=1,
        )
    return check


def _doubts(check: Comparison) -> list[str]:
    if not check.spoiled:
        return []
    assert check.kept is not None
    return [
        f"Packing the weights again lost {kept.percent(min(1.0, 1 - check.kept))} of what was "
        "learned. --dequantize keeps more."
    ]


def _describe(choice: Choice, folder: FusedFolder, document: dict[str, Any]) -> None:
    state = observe.current_state(choice.run)
    model_card.write(folder.partial / "README.md", choice, state, document)
    marker = {"made": time.time(), **document}
    (folder.partial / MARKER).write_text(json.dumps(marker, indent=2) + "\n")


def _bits(config: dict[str, Any]) -> Any:
    found: dict[str, Any] = next((config[name] for name in _PACKING if config.get(name)), {})
    return found.get("bits", "packed")
