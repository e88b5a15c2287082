"""The plan's data: is it there, can every line be read, is there enough of it."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from cockpit.core.plan import RunPlan
from cockpit.errors import CockpitError
from cockpit.system import dataset
from cockpit.system.dataset import SPLITS, DataProblem, DatasetSummary, SplitSummary
from cockpit.system.dataset_rows import DataKeys
from cockpit.system.typed_path import expanded

Issues = Iterator[CockpitError | str]

_HUB_NAME = re.compile(r"^[A-Za-z0-9][\w.-]*/[\w.-]+$")
SHOWN_PROBLEMS = 3


def summary(plan: RunPlan) -> DatasetSummary | None:
    """The plan's data folder, read; None for data of the hub. CockpitError if there is neither.

    A folder whose files have not changed is not read again.
    """
    folder = expanded(plan.data)
    if plan.hf_dataset or (not folder.exists() and _HUB_NAME.match(plan.data)):
        if importlib.util.find_spec("datasets") is None:
            raise CockpitError(
                "The data is not a folder",
                f"{plan.data or 'hf_dataset'}: Hugging Face data sets need the package 'datasets'",
                "Name a folder with train.jsonl, or: pip install datasets",
            )
        return None
    return _inspected(folder.resolve(), DataKeys.of(plan), stamps(folder))


@lru_cache(maxsize=8)
def _inspected(folder: Path, keys: DataKeys, stamps: tuple[tuple[int, int], ...]) -> DatasetSummary:
    return dataset.inspect(folder, keys)


def stamps(folder: Path) -> tuple[tuple[int, int], ...]:
    """Time of change and size of each split's file: others when one of them changed."""
    found = []
    for name in SPLITS:
        try:
            status = (folder / f"{name}.jsonl").stat()
            found.append((status.st_mtime_ns, status.st_size))
        except OSError:
            found.append((0, -1))
    return tuple(found)


def check(plan: RunPlan, data: DatasetSummary) -> Issues:
    yield from _unreadable(plan, data)
    yield from _too_few(plan, data)
    if plan.mask_prompt:
        for split in data.splits:
            if split.format == "text" and _is_read(plan, split):
                yield CockpitError(
                    "Plain text has no prompt to mask",
                    f"{split.path}: mask_prompt is set, and the lines hold {plan.text_feature!r}",
                    "Set mask_prompt = false, or give prompt and completion, or messages.",
                )
    yield from _surprises(plan, data)


def _is_read(plan: RunPlan, split: SplitSummary) -> bool:
    return split.path.stem != "test" or plan.test


def _unreadable(plan: RunPlan, data: DatasetSummary) -> Issues:
    if data.missing is not None:
        yield CockpitError(
            "There is no train.jsonl",
            str(data.missing),
            "Name a folder with train.jsonl: one JSON object a line, with 'messages', "
            "'prompt' and 'completion', or 'text'.",
        )
    for split in data.splits:
        errors = [p for p in split.problems if p.severity == "error"]
        if errors and _is_read(plan, split):
            yield _unusable(errors, split.errors)
        elif errors:
            yield f"{errors[0]} (the plan does not test)"


def _unusable(errors: list[DataProblem], count: int) -> CockpitError:
    shown = [str(problem) for problem in errors[:SHOWN_PROBLEMS]]
    if count > len(shown):
        shown.append(f"and {count - len(shown):,} more like that")
    return CockpitError(
        "The data cannot be used as it is" if count > 1 else "A line of the data cannot be used",
        "\n".join(shown),
        "Correct or remove what is named; every line needs the keys of the file's first one.",
    )


def _too_few(plan: RunPlan, data: DatasetSummary) -> Issues:
    readable = data.train is not None and data.train.examples
    if readable and data.train_examples < plan.batch_size:
        yield CockpitError(
            "There are fewer examples than a batch holds",
            f"{data.folder / 'train.jsonl'}: {_examples(data.train_examples)}, "
            f"batch_size {plan.batch_size}",
            f"Set batch_size to {data.train_examples} or less, or add examples.",
        )
    elif readable and data.train_examples < plan.examples_per_update:
        yield (
            f"an update takes {plan.examples_per_update} examples and train.jsonl has "
            f"{data.train_examples}: it sees some of them twice"
        )
    if plan.test and not data.test_examples:
        yield CockpitError(
            "There is nothing to test on",
            f"{data.folder}: test is set, and test.jsonl is missing or empty",
            "Add test.jsonl, or set test = false.",
        )


def _surprises(plan: RunPlan, data: DatasetSummary) -> Issues:
    for split in data.splits:
        few = [p for p in split.problems if p.severity == "warning"][:SHOWN_PROBLEMS]
        yield from map(str, few)
        if split.warnings > len(few):
            yield f"{split.path}: and {split.warnings - len(few):,} more warnings"
    if not data.valid_examples:
        yield f"{data.folder}: no examples in valid.jsonl, so no validation loss is measured"
    elif data.valid_examples < plan.batch_size:
        yield (
            f"{data.folder / 'valid.jsonl'}: {_examples(data.valid_examples)}, less than "
            f"batch_size {plan.batch_size}; mlx_lm.lora would refuse them"
        )
    longest = data.train.rough_longest_tokens if data.train else None
    if data.train and longest and longest > plan.max_seq_length:
        yield (
            f"{data.train.path} line {data.train.longest_line}: about {longest:,} tokens by a "
            f"rough count, and max_seq_length cuts at {plan.max_seq_length:,}"
        )


def _examples(count: int) -> str:
    return "1 example" if count == 1 else f"{count:,} examples"
