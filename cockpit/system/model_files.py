"""One model folder: what it holds, and what keeps it from being trained."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cockpit.core import model_spec
from cockpit.core.model_spec import ModelSpec
from cockpit.core.tensors import Tensor
from cockpit.errors import CockpitError
from cockpit.system import mlx_lm_types, safetensors

INDEX = "model.safetensors.index.json"
_SHARD = re.compile(r"^(model.*-)(\d+)-of-(\d+)\.safetensors$")
_TOKENIZERS = frozenset(
    {"tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt"}
)
# Packings whose weights mlx-lm cannot read.
_FOREIGN_PACKINGS = frozenset(
    {"bitsandbytes", "torchao", "hqq", "quanto", "eetq", "aqlm", "vptq", "spqr", "higgs"}
)


# Facts of a shape that counts something, and how much of it there is at least.
_LEAST = {"hidden_size": 1, "num_hidden_layers": 1, "vocab_size": 1}
_LEAST |= dict.fromkeys(("num_attention_heads", "num_key_value_heads", "intermediate_size"), 0)
_LEAST |= dict.fromkeys(("head_dim", "num_experts", "moe_intermediate_size"), 0)
_MOST = 2**31 - 1

# What a model and its tokenizer are read from.
_READ = (".json", ".jinja", ".model", ".py", ".safetensors", ".tiktoken", ".txt")


def stamps(folder: Path) -> list[list[str | int]]:
    """Name, time of change and size of every file that is read: another list, another model."""
    found: list[list[str | int]] = []
    try:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.name.endswith(_READ):
                    found.append(_stamp(entry))
    except OSError:
        return []
    return found


def _stamp(entry: os.DirEntry[str]) -> list[str | int]:
    try:
        status = entry.stat()
    except OSError:  # a link that leads nowhere
        return [entry.name]
    return [entry.name, status.st_mtime_ns, status.st_size]


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model folder seen once. ``download`` is what fetches the model again, if anything.

    ``unfinished`` is the number of files whose download began and did not end.
    """

    folder: Path
    names: frozenset[str]
    dangling: frozenset[str]
    download: str = ""
    unfinished: int = 0

    @classmethod
    def scan(cls, folder: Path, *, download: str = "", unfinished: int = 0) -> ModelFiles:
        """Lists ``folder``; raises OSError if that cannot be done."""
        with os.scandir(folder) as entries:
            found = {entry.name: entry.is_symlink() for entry in entries}
        dangling = {n for n, linked in found.items() if linked and not (folder / n).exists()}
        return cls(folder, frozenset(found), frozenset(dangling), download, unfinished)

    @property
    def present(self) -> frozenset[str]:
        return self.names - self.dangling

    def weights(self) -> list[Path]:
        """The files that mlx-lm loads: ``model*.safetensors``."""
        wanted = (n for n in self.present if n.startswith("model") and n.endswith(".safetensors"))
        return [self.folder / name for name in sorted(wanted)]

    def size_bytes(self) -> int | None:
        """Bytes of the weight files on disk; None without any."""
        try:
            return sum(path.stat().st_size for path in self.weights()) or None
        except OSError:
            return None

    def config(self) -> dict[str, Any]:
        """The content of config.json; CockpitError if it is missing or damaged."""
        path = self.folder / "config.json"
        if path.name not in self.present:
            raise self._without_config()
        try:
            document = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise CockpitError(
                "The model's config.json cannot be read", f"{path}: {error}", self._again()
            ) from error
        if not isinstance(document, dict) or not isinstance(document.get("model_type"), str):
            raise CockpitError(
                "The folder holds no language model",
                f"{path}: no model_type",
                "Name a folder with a language model in MLX or Hugging Face format.",
            )
        return document

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor in the weight files; CockpitError naming a damaged file."""
        found: dict[str, Tensor] = {}
        for path in self.weights():
            try:
                found |= safetensors.read_header(path).tensors
            except (OSError, safetensors.DamagedError) as error:
                raise self._damaged(path, error) from error
        return found

    def read(self) -> tuple[ModelSpec, dict[str, Tensor]]:
        """What the model is, and the tensors it was counted from."""
        tensors = self.tensors()
        return model_spec.from_config(self.config(), tensors), tensors

    def check(self) -> None:
        """Raises CockpitError for the first thing that would keep mlx-lm from loading it."""
        self.check_config()
        self._check_weights()
        if _TOKENIZERS.isdisjoint(self.present) and not any(
            name.endswith(".tiktoken") or name == "tiktoken.model" for name in self.present
        ):
            raise CockpitError(
                "The model has no tokenizer",
                f"{self.folder}: no tokenizer.json or tokenizer.model",
                self._again("Copy the tokenizer's files of the original model into the folder."),
            )

    def check_config(self) -> dict[str, Any]:
        """config.json's content; CockpitError if mlx-lm cannot make a model of it."""
        config = self.config()
        self._check_type(config)
        spec = model_spec.from_config(config)
        for name, least in _LEAST.items():
            value = getattr(spec, name)
            if value is not None and not least <= value <= _MOST:
                raise CockpitError(
                    "The model's config.json makes no sense",
                    f"{self.folder / 'config.json'}: {name} is {value}",
                    self._again("Copy config.json of the original model into the folder."),
                )
        return config

    def _check_type(self, config: dict[str, Any]) -> None:
        if config.get("model_file"):  # brings its own code: trust_remote_code decides
            return
        model_type = config["model_type"]
        if mlx_lm_types.is_known(config) is False:
            near = mlx_lm_types.nearest(model_type)
            raise CockpitError(
                f"mlx-lm does not know the model type {model_type!r}",
                f"{self.folder / 'config.json'}: model_type {model_type!r}"
                + (f" (it knows {near!r})" if near else ""),
                "Choose another model, or a newer mlx-lm: pip install -U mlx-lm",
            )
        packing = config.get("quantization_config")
        method = packing.get("quant_method") if isinstance(packing, dict) else None
        if method in _FOREIGN_PACKINGS and "quantization" not in config:
            raise CockpitError(
                f"mlx-lm cannot read weights packed by {method}",
                f"{self.folder / 'config.json'}: quantization_config",
                "Use the unpacked model, or one that mlx_lm.convert quantized.",
            )

    def _check_weights(self) -> None:
        missing = self._missing_weights()
        if missing:
            few = ", ".join(missing[:3]) + (" and more" if len(missing) > 3 else "")
            raise CockpitError(
                "The download is not complete",
                f"{self.folder}: missing {few} ({len(missing)} of its weight files)",
                self._again(),
            )
        if not self.weights():
            raise self._without_weights()
        for path in self.weights():
            try:
                safetensors.check(path)
            except (OSError, safetensors.DamagedError) as error:
                raise self._damaged(path, error) from error

    def _missing_weights(self) -> list[str]:
        """Weight files that the index or the others' numbering call for."""
        wanted = {n for n in self.dangling if n.endswith(".safetensors")}
        if INDEX in self.present:
            try:
                mapping = json.loads((self.folder / INDEX).read_bytes())["weight_map"]
                wanted |= set(mapping.values())
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                raise CockpitError(
                    "The model's index cannot be read", f"{self.folder / INDEX}", self._again()
                ) from error
        for name in self.names:
            if shard := _SHARD.match(name):
                stem, number, count = shard.groups()
                width = len(number)
                wanted |= {
                    f"{stem}{i:0{width}d}-of-{count}.safetensors" for i in range(1, int(count) + 1)
                }
        return sorted(wanted - self.present)

    def _damaged(self, path: Path, error: Exception) -> CockpitError:
        return CockpitError("A weight file is damaged", f"{path}: {error}", self._again())

    def _without_config(self) -> CockpitError:
        if self.unfinished or "config.json" in self.dangling:
            return self._half_downloaded("config.json is missing")
        if not self.weights():
            return self._without_weights()
        return CockpitError(
            "The model has no config.json",
            f"{self.folder}: weights, but no config.json",
            self._again("Copy config.json of the original model into the folder."),
        )

    def _without_weights(self) -> CockpitError:
        def some(suffix: str) -> str | None:
            return next((n for n in sorted(self.present) if n.endswith(suffix)), None)

        if self.unfinished:
            return self._half_downloaded("the weights are missing")
        if "adapter_config.json" in self.present:
            return CockpitError(
                "This is an adapter, not a model",
                f"{self.folder}: adapter_config.json",
                "Name the model it was trained on, and the adapter as resume_adapter_file.",
            )
        if found := some(".gguf"):
            return CockpitError(
                "The model is in GGUF format only",
                f"{self.folder}: {found}",
                "Use the original model in safetensors format; MLX does not train GGUF.",
            )
        if found := some(".bin") or some(".pt") or some(".pth"):
            return CockpitError(
                "The weights are in PyTorch format only",
                f"{self.folder}: {found}",
                "Use a version in safetensors format, from mlx-community for example.",
            )
        if found := some(".safetensors"):
            return CockpitError(
                "The weight files have other names than mlx-lm's",
                f"{self.folder}: {found}, where mlx-lm loads model*.safetensors",
                "Use a version of the model in Hugging Face's layout.",
            )
        return CockpitError(
            "The folder holds no weights",
            f"{self.folder}: no model*.safetensors",
            self._again("Name a folder with config.json and model.safetensors."),
        )

    def _half_downloaded(self, what: str) -> CockpitError:
        started = f", {self.unfinished} unfinished download(s)" if self.unfinished else ""
        return CockpitError(
            "The download is not complete", f"{self.folder}: {what}{started}", self._again()
        )

    def _again(self, otherwise: str = "Copy or download the model again.") -> str:
        return f"Download it again: hf download {self.download}" if self.download else otherwise
