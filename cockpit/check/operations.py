"""The stages that need mlx, on one model folder after the other, by mlx-lm's own functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten, tree_unflatten
from mlx_lm import gguf as mlx_lm_gguf
from mlx_lm import utils as mlx_lm_utils
from mlx_lm.generate import stream_generate

from cockpit.errors import CockpitError
from cockpit.results import gguf, gguf_family, verify
from cockpit.trainer.loading import casts_to_float32

PROMPT = "What does a cow say in the morning, and what does the dog answer it then?"
NEW_TOKENS = 12
_ONLY_FLOAT32 = "only supports float32"
# A fused model that keeps less of what was learned than this has not been fused.
_LEAST_KEPT = 0.5


class Subject:
    """A model on its way through the stages. It remembers answers, not models."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._base: mx.array | None = None
        self._tuned: mx.array | None = None

    def load(self) -> dict[str, Any]:
        model, tokenizer = _load(self.folder)
        self._base = _answers(model, tokenizer)
        return {"parameters": int(mlx_lm_utils.get_total_parameters(model))}

    def fuse(self, adapter: Path, into: Path, dequantize: bool) -> dict[str, Any]:
        """As ``mlx_lm.fuse`` does; then how much of what was learned the result has kept."""
        if self._tuned is None:  # computing answers may cast the model, and saving must not
            self._tuned = _answers(*self._adapted(adapter)[:2])
        model, tokenizer, config = self._adapted(adapter)
        fused = [
            (name, module.fuse(dequantize=dequantize))
            for name, module in model.named_modules()
            if hasattr(module, "fuse")
        ]
        model.update_modules(tree_unflatten(fused))
        if dequantize:
            model = mlx_lm_utils.dequantize_model(model)
            config.pop("quantization", None)
            config.pop("quantization_config", None)
        mlx_lm_utils.save(into, str(self.folder), model, tokenizer, config, donate_model=False)
        return {"layers": len(fused)}

    def _adapted(self, adapter: Path) -> tuple[nn.Module, Any, dict[str, Any]]:
        found: tuple[nn.Module, Any, dict[str, Any]] = mlx_lm_utils.load(
            str(self.folder), adapter_path=str(adapter), return_config=True
        )
        return found

    def reload(self, fused: Path) -> dict[str, Any]:
        """Loads a fused model and measures the share of the learned change that is in it."""
        answers = _answers(*_load(fused))
        assert self._base is not None and self._tuned is not None
        kept = verify.share_kept(self._base, self._tuned, answers)
        if kept is None:
            raise CockpitError("The adapter changes nothing", "tuned and base answer the same")
        packed = any(name.endswith(".scales") for name in _tensor_names(fused))
        if kept < _LEAST_KEPT and not packed:
            raise CockpitError(
                "The fused model is not the tuned one", f"it keeps {kept:.0%} of what was learned"
            )
        return {"kept": kept, "packed": packed}

    def generate(self, fused: Path) -> dict[str, Any]:
        """Answers the prompt; in float32 where MLX's CPU backend has the operation in no other."""
        model, tokenizer = _load(fused)
        note = ""
        try:
            parts = list(stream_generate(model, tokenizer, PROMPT, max_tokens=NEW_TOKENS))
        except RuntimeError as error:
            if not (casts_to_float32() and _ONLY_FLOAT32 in str(error)):
                raise
            note = str(error)
            model.set_dtype(mx.float32)
            parts = list(stream_generate(model, tokenizer, PROMPT, max_tokens=NEW_TOKENS))
        if not parts:
            raise CockpitError("It generated nothing")
        last = parts[-1]
        return {"tokens": last.generation_tokens, "end": last.finish_reason, "note": note}

    def export(self, fused: Path) -> dict[str, Any]:
        """A GGUF as ``cockpit fuse --gguf`` makes it, read back. ``fused`` must not be packed.

        ``refused`` says why there is none for this family; ``mlx_lm`` what mlx-lm's own writer
        gets wrong, if anything.
        """
        model, tokenizer, config = mlx_lm_utils.load(str(fused), return_config=True)
        weights = dict(tree_flatten(model.parameters()))
        try:
            gguf_family.check(config, fused, dequantize=False)
            path = fused / "model.gguf"
            made = gguf.write(path, fused, weights, config, tokenizer, fused.name)
        except CockpitError as error:
            if error.title != gguf_family.refused("").title:
                raise
            return {"refused": error.message.removeprefix("not for this family, because ")}
        return {
            "tensors": made["tensors"],
            "checked_by": made["checked_by"],
            "mlx_lm": _mlx_lm_gguf(fused, weights, config, set(mx.load(str(path)))),
        }


def _mlx_lm_gguf(
    folder: Path, weights: dict[str, mx.array], config: dict[str, Any], wanted: set[str]
) -> str:
    """How the tensors of ``mlx_lm.fuse --export-gguf`` differ from those a reader looks for."""
    path = folder / "mlx-lm.gguf"
    try:
        mlx_lm_gguf.convert_to_gguf(folder, weights, config, str(path))
    except Exception as error:
        return f"fails with {type(error).__name__}: {error}"
    names = set(mx.load(str(path)))
    if strange := sorted(names - wanted):
        return f"writes {len(strange)} tensors that no reader knows, like {strange[0]}"
    if lost := sorted(wanted - names):
        return f"leaves out {', '.join(lost)}"
    return ""


def adapters(folder: Path) -> dict[str, Any]:
    """How many adapters there are, and how many of them training has changed."""
    arrays = mx.load(str(folder / "adapters.safetensors"))
    assert isinstance(arrays, dict)
    outputs = {name: value for name, value in arrays.items() if name.endswith("lora_b")}
    changed = {name for name, value in outputs.items() if mx.any(value != 0).item()}
    experts = {name for name, value in outputs.items() if value.ndim == 3}
    return {
        "adapters": len(outputs),
        "changed": len(changed),
        "experts": len(experts),
        "experts_changed": len(experts & changed),
    }


def _load(folder: Path) -> tuple[nn.Module, Any]:
    found = mlx_lm_utils.load(str(folder))
    return found[0], found[1]


def _answers(model: nn.Module, tokenizer: Any) -> mx.array:
    """Logits at each token of the prompt, in the precision that this machine trains in."""
    if casts_to_float32():
        model.set_dtype(mx.float32)
    model.eval()
    logits = model(mx.array([tokenizer.encode(PROMPT)]))[0].astype(mx.float32)
    mx.eval(logits)
    if not mx.all(mx.isfinite(logits)).item():
        raise CockpitError("The model answers with numbers that are not finite")
    return logits


def _tensor_names(folder: Path) -> list[str]:
    names: list[str] = []
    for path in sorted(folder.glob("model*.safetensors")):
        arrays = mx.load(str(path))
        assert isinstance(arrays, dict)
        names += arrays
    return names
