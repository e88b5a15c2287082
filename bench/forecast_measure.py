"""One measured run, for bench/forecast.py: the peaks of a real training as one JSON line.

    python bench/forecast_measure.py CASE_JSON

Trains the case with the cockpit's own step and batches, or with ``mlx_lm.tuner.trainer.train``,
and reports ``mx.get_peak_memory()`` of the validation and of all updates.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cockpit.trainer import blas

blas.load()

import mlx.core as mx  # noqa: E402
import numpy as np  # noqa: E402
from forecast_cases import Case  # noqa: E402
from mlx.utils import tree_flatten  # noqa: E402

from cockpit.memory import build  # noqa: E402
from cockpit.trainer import chunked_loss, evaluate, loading, optimizer  # noqa: E402
from cockpit.trainer.batches import make_batch, shares, update_batches  # noqa: E402
from cockpit.trainer.gradient_checkpoint import checkpoint_blocks  # noqa: E402
from cockpit.trainer.order import Order  # noqa: E402
from cockpit.trainer.ranks import Ranks  # noqa: E402
from cockpit.trainer.step import UpdateStep  # noqa: E402

# A run validates many times, and how far work runs ahead then is partly up to chance.
VALIDATIONS = 4
VALIDATIONS_AT_THE_PEAK = 24


def measure(case: Case) -> dict[str, int]:
    """Peaks of the case's phases; weights are random."""
    mx.random.seed(0)
    model = build_model(case)
    if loading.casts_to_float32():
        model.set_dtype(mx.float32)
    for _, value in tree_flatten(model.parameters()):
        mx.eval(value)
    loading.prepare(model, case.run_plan)
    mx.clear_cache()
    mx.reset_peak_memory()
    return _cockpit(model, case) if case.flavour == "cockpit" else _mlx_lm(model, case)


def build_model(case: Case) -> Any:
    """The model of ``case``, not evaluated."""
    if case.folder is not None:
        return build.from_folder(Path(case.folder), case.run_plan)
    return build.from_config_alone(case.config)


class Shift:
    """Up to nine dispatches, as reports and samples make between a run's updates: the place in a
    task where an update or a validation starts moves its peak, and a long run starts in all."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)
        self._array = mx.zeros((2,))
        mx.eval(self._array)

    def __call__(self) -> None:
        # A view is one dispatch.
        mx.eval([self._array.reshape(1, 2) for _ in range(self._random.integers(10))])


def _tokens(case: Case) -> tuple[list[list[int]], list[list[int]]]:
    """Of the examples to train on, and of those to validate on."""
    random = np.random.default_rng(0)

    def drawn(lengths: list[int]) -> list[list[int]]:
        return [random.integers(0, case.vocabulary, length).tolist() for length in lengths]

    return drawn(case.examples), drawn(case.valid_examples)


def _cockpit(model: Any, case: Case) -> dict[str, int]:
    plan, (tokens, valid_tokens) = case.run_plan, _tokens(case)
    lengths = np.array([len(t) for t in tokens])
    split: Any = SimpleNamespace(tokens=tokens, lengths=lengths, offsets=np.zeros_like(lengths))
    valid: Any = SimpleNamespace(
        tokens=valid_tokens,
        lengths=np.array(case.valid_examples),
        offsets=np.zeros(len(valid_tokens), np.int64),
    )
    if plan.grad_checkpoint:
        checkpoint_blocks(model.layers)
    model.train()
    ranks = Ranks()
    loss = chunked_loss.of(model, plan.loss_chunks)
    step = UpdateStep(model, optimizer.build(plan), ranks, loss=loss)
    order = Order(lengths, plan.examples_per_update, plan.seed)
    peaks: dict[str, int] = {}
    shift = Shift()
    validations = VALIDATIONS_AT_THE_PEAK if case.valid_length else VALIDATIONS
    for turn in range(max(plan.updates, validations)):
        shift()
        batches = [
            make_batch(valid, part, plan.max_seq_length)
            for part in shares(valid, plan, plan.val_batches, ranks)
        ]
        evaluate.evaluate(model, batches, ranks, loss_of=loss)
        _raise(peaks, "validation")
        del batches
        shift()
        if turn < plan.updates:
            step(update_batches(split, order.examples(turn), plan, ranks))
            _raise(peaks, "update")
    return peaks


def _raise(peaks: dict[str, int], phase: str) -> None:
    """Notes the peak since the last call."""
    peaks[phase] = max(peaks.get(phase, 0), mx.get_peak_memory())
    mx.reset_peak_memory()


class _Data:
    """Examples as mlx-lm's trainer wants them."""

    def __init__(self, examples: list[list[int]]):
        self._examples = examples

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, index: int) -> tuple[list[int], int]:
        return self._examples[index], 0

    def itemlen(self, index: int) -> int:
        return len(self._examples[index])


def _mlx_lm(model: Any, case: Case) -> dict[str, int]:
    from mlx_lm.tuner import trainer

    plan, (tokens, valid_tokens) = case.run_plan, _tokens(case)
    peaks: dict[str, int] = {}
    shift = Shift()

    class Callback(trainer.TrainingCallback):  # type: ignore[misc]
        def on_val_loss_report(self, report: dict[str, Any]) -> None:
            _raise(peaks, "validation")

        def on_train_loss_report(self, report: dict[str, Any]) -> None:
            _raise(peaks, "update")
            shift()

    with tempfile.TemporaryDirectory() as folder:
        arguments = trainer.TrainingArgs(
            batch_size=plan.batch_size,
            iters=max(plan.iters, len(tokens) // plan.batch_size),
            val_batches=1,
            steps_per_report=1,
            steps_per_eval=1,
            steps_per_save=10**6,
            max_seq_length=plan.max_seq_length,
            adapter_file=Path(folder) / "adapters.safetensors",
            grad_checkpoint=plan.grad_checkpoint,
            grad_accumulation_steps=plan.grad_accumulation_steps,
        )
        silent = io.StringIO()
        with contextlib.redirect_stdout(silent), contextlib.redirect_stderr(silent):
            trainer.train(
                model,
                optimizer.build(plan),
                _Data(tokens),
                _Data(valid_tokens),
                arguments,
                training_callback=Callback(),
            )
    return peaks


if __name__ == "__main__":
    print("RESULT " + json.dumps(measure(Case(**json.loads(sys.argv[1])))))
