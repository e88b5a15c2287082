"""Data sets as tokens: mlx-lm decides what an example is, this says where a bad one stands."""

from __future__ import annotations

import copy
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from mlx_lm.tuner import datasets as mlx_lm_datasets
from numpy.typing import NDArray

from cockpit.core.plan import RunPlan
from cockpit.trainer.failures import Failure, brief

Progress = Callable[[str], None]
PROGRESS_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Split:
    """The examples of train, valid or test, untruncated.

    ``offsets`` says where each example's loss starts. ``left_out`` counts those whose prompt
    fills ``max_seq_length``, so that nothing of their answer could be learned; split examples
    have other rows for it.
    """

    tokens: list[NDArray[np.int32]]
    offsets: NDArray[np.int32]
    lengths: NDArray[np.int64]
    left_out: int = 0

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def longest(self) -> int | None:
        return int(self.lengths.max()) if len(self) else None

    def long(self, max_seq_length: int) -> int:
        """How many examples are longer than that."""
        return int((self.lengths > max_seq_length).sum())

    def truncated(self, plan: RunPlan) -> int:
        """How many examples ``plan`` cuts."""
        return self.long(plan.max_seq_length) if plan.long_examples == "cut" else 0

    def sha256(self) -> str:
        """Identity of the tokens: the same text under another tokenizer is other data."""
        digest = hashlib.sha256(self.offsets.tobytes() + self.lengths.tobytes())
        for tokens in self.tokens:
            digest.update(tokens.tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Data:
    train: Split
    valid: Split
    test: Split


def load(plan: RunPlan, tokenizer: Any, progress: Progress = lambda _: None) -> Data:
    """Every split the plan needs; raises Failure naming file and line.

    ``progress`` hears "tokenizing 1,000 of 5,000" about once a second.
    """
    folder = Path(plan.data)
    if not plan.hf_dataset and folder.is_dir():
        splits = {
            name: _local(folder / f"{name}.jsonl", plan, tokenizer, progress)
            for name in _names(plan)
        }
    else:
        splits = _from_hub(plan, tokenizer, progress)
    empty = _tokenize([], lambda _: "", plan, progress)
    data = Data(splits["train"], splits.get("valid", empty), splits.get("test", empty))
    _check_sizes(data, plan)
    return data


def load_split(name: str, plan: RunPlan, tokenizer: Any, progress: Progress) -> Split:
    """One split as ``load`` would give it, without the others; an empty one if it is missing."""
    folder = Path(plan.data)
    if not plan.hf_dataset and folder.is_dir():
        return _local(folder / f"{name}.jsonl", plan, tokenizer, progress)
    return _from_hub(plan.with_changes(test=name == "test"), tokenizer, progress)[name]


def _names(plan: RunPlan) -> tuple[str, ...]:
    return ("train", "valid", "test") if plan.test else ("train", "valid")


def _local(path: Path, plan: RunPlan, tokenizer: Any, progress: Progress) -> Split:
    rows, lines = _read_rows(path) if path.exists() else ([], [])
    if not rows:
        return _tokenize([], lambda _: "", plan, progress)
    try:
        dataset = mlx_lm_datasets.create_dataset(rows, tokenizer, _features(plan))
    except (ValueError, TypeError) as error:
        raise _unusable(f"{path} line {lines[0]}", rows[0], error, plan) from error
    return _tokenize(dataset, lambda i: f"{path} line {lines[i]}", plan, progress)


def _read_rows(path: Path) -> tuple[list[dict[str, Any]], list[int]]:
    """The objects in a JSON lines file and the line each stands on; empty lines are skipped."""
    rows, lines = [], []
    line = 0
    try:
        with path.open("rb") as file:
            for line, text in enumerate(file, 1):
                if not text.strip():
                    continue
                row = json.loads(text)
                if not isinstance(row, dict):
                    raise ValueError("not a JSON object")
                rows.append(row)
                lines.append(line)
    except ValueError as error:
        raise Failure(
            "data",
            "A line of the data cannot be read",
            f"{path} line {line}: {brief(error)}",
            "Each line must be one JSON object in UTF-8.",
        ) from error
    except OSError as error:
        raise Failure(
            "data", "The data cannot be read", f"{path}: {error.strerror}", "Check the file."
        ) from error
    return rows, lines


def _features(plan: RunPlan) -> SimpleNamespace:
    return SimpleNamespace(
        mask_prompt=plan.mask_prompt,
        prompt_feature=plan.prompt_feature,
        completion_feature=plan.completion_feature,
        chat_feature=plan.chat_feature,
        text_feature=plan.text_feature,
    )


def _unusable(where: str, row: dict[str, Any], error: Exception, plan: RunPlan) -> Failure:
    if plan.mask_prompt and plan.text_feature in row:
        return Failure(
            "data",
            "Plain text has no prompt to mask",
            f"{where}: mask_prompt is set, and the example has only {plan.text_feature!r}",
            "Set mask_prompt = false, or give prompt and completion, or messages.",
        )
    found = ", ".join(sorted(map(str, row))[:8]) or "no keys"
    return Failure(
        "data",
        "The data's format is not known",
        f"{where}: found {found} ({brief(error)})",
        f"Use {plan.prompt_feature!r} and {plan.completion_feature!r}, {plan.chat_feature!r}, or "
        f"{plan.text_feature!r}; other names are set with prompt_feature, text_feature and so on.",
    )


def _from_hub(plan: RunPlan, tokenizer: Any, progress: Progress) -> dict[str, Split]:
    """mlx-lm's own Hugging Face loading, which needs the package ``datasets``."""
    progress(f"loading the data set {plan.data or 'named in hf_dataset'}")
    arguments = _features(plan)
    arguments.data, arguments.train, arguments.test = plan.data, True, plan.test
    # mlx-lm writes into the documents it is given.
    arguments.hf_dataset = copy.deepcopy(plan.hf_dataset) or False
    try:
        loaded = mlx_lm_datasets.load_dataset(arguments, tokenizer)
    except ImportError as error:
        raise Failure(
            "data",
            "The data is not a folder",
            f"{plan.data or 'hf_dataset'}: Hugging Face data sets need the package 'datasets'",
            "Name a folder with train.jsonl, or: pip install datasets",
        ) from error
    except Exception as error:
        raise Failure(
            "data",
            "The data set could not be loaded",
            f"{plan.data or 'hf_dataset'}: {brief(error)}",
            "Name a folder with train.jsonl, or a data set of the Hugging Face hub.",
        ) from error
    return {
        name: _tokenize(
            dataset,
            lambda i, name=name: f"{name} example {i + 1}",  # type: ignore[misc]
            plan,
            progress,
        )
        for name, dataset in zip(("train", "valid", "test"), loaded, strict=True)
        if name in _names(plan)
    }


def _tokenize(
    dataset: Any, where: Callable[[int], str], plan: RunPlan, progress: Progress
) -> Split:
    tokens: list[NDArray[np.int32]] = []
    offsets: list[int] = []
    told = time.monotonic()
    for i in range(len(dataset)):
        if time.monotonic() - told >= PROGRESS_SECONDS:
            progress(f"tokenizing {i:,} of {len(dataset):,}")
            told = time.monotonic()
        try:
            example, offset = dataset.process(dataset[i])
            encoded = np.asarray(example, np.int32)
        except Exception as error:
            raise Failure(
                "data",
                "An example cannot be used",
                f"{where(i)}: {brief(error)}",
                "Correct or remove it. Every line must have the keys of the first one, and chat "
                "data needs a tokenizer with a chat template.",
            ) from error
        seen = len(encoded) if plan.long_examples == "split" else 0
        if offset < max(plan.max_seq_length, seen):
            tokens.append(encoded)
            offsets.append(offset)
    return Split(
        tokens,
        np.array(offsets, np.int32),
        np.array([len(t) for t in tokens], np.int64),
        left_out=len(dataset) - len(tokens),
    )


def _check_sizes(data: Data, plan: RunPlan) -> None:
    source = plan.data or "the data set"
    if len(data.train) < plan.batch_size:
        left_out = (
            f" ({data.train.left_out} more have prompts longer than max_seq_length)"
            if data.train.left_out
            else ""
        )
        raise Failure(
            "data",
            "There are fewer examples than a batch holds",
            f"{source}: {len(data.train)} training examples{left_out}, "
            f"batch_size {plan.batch_size}",
            "Lower batch_size, or add examples to train.jsonl.",
        )
    if plan.test and not len(data.test):
        raise Failure(
            "data",
            "There is nothing to test on",
            f"{source}: test is set and test.jsonl is missing or empty",
            "Add test.jsonl, or set test = false.",
        )
