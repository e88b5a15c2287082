"""One measured run, for bench/forecast.py: prints the peaks of a real training as one JSON line.

    python bench/forecast_measure.py FLAVOUR CASE_JSON

It trains a few updates of the case with the cockpit's own step (FLAVOUR ``cockpit``) or with
``mlx_lm.tuner.trainer.train`` (``mlx_lm``), and reports ``mx.get_peak_memory()``.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from cockpit.trainer import blas

blas.load()

import mlx.core as mx  # noqa: E402
import numpy as np  # noqa: E402
from forecast_cases import Case, plan_of  # noqa: E402
from mlx.utils import tree_flatten  # noqa: E402

from cockpit.memory import build  # noqa: E402
from cockpit.trainer import evaluate, loading, optimizer  # noqa: E402
from cockpit.trainer.batches import padded_length  # noqa: E402
from cockpit.trainer.gradient_checkpoint import checkpoint_blocks  # noqa: E402
from cockpit.trainer.ranks import Ranks  # noqa: E402
from cockpit.trainer.step import UpdateStep  # noqa: E402


def main(flavour: str, document: dict[str, Any]) -> dict[str, Any]:
    case = Case(**document)
    plan = plan_of(case)
    mx.random.seed(0)
    model = build.from_config_alone(case.config)
    if not case.keep_precision and loading.casts_to_float32():
        model.set_dtype(mx.float32)
    for _, value in tree_flatten(model.parameters()):
        mx.eval(value)
    loading.prepare(model, plan)
    mx.clear_cache()
    mx.reset_peak_memory()
    base = mx.get_active_memory()
    run = _cockpit if flavour == "cockpit" else _mlx_lm
    return {"base": base, "peaks": run(model, plan, case)}


def _cockpit(model: Any, plan: Any, case: Case) -> dict[str, int]:
    peaks = {}
    if plan.grad_checkpoint:
        checkpoint_blocks(model.layers)
    model.train()
    step = UpdateStep(model, optimizer.build(plan), Ranks())
    batches = [_batch(case, shape, seed) for seed, shape in enumerate(case.shapes())]
    evaluate.evaluate(model, [_batch(case, case.valid_shape(), 99)], Ranks())
    peaks["validation"] = mx.get_peak_memory()
    for number in range(case.updates):
        mx.reset_peak_memory()
        step(batches)
        peaks[f"update {number + 1}"] = mx.get_peak_memory()
    return peaks


def _batch(case: Case, shape: tuple[int, int], seed: int) -> tuple[mx.array, mx.array]:
    rows, width = shape
    random = np.random.default_rng(seed)
    tokens = random.integers(0, case.vocabulary, (rows, width)).astype(np.int32)
    lengths = np.full((rows, 2), width, np.int32)
    lengths[:, 0] = 0
    return mx.array(tokens), mx.array(lengths)


class _Data:
    """Examples of the case's lengths, as mlx-lm's trainer wants them."""

    def __init__(self, case: Case):
        random = np.random.default_rng(0)
        lengths = case.example_lengths()
        self.examples = [(random.integers(0, case.vocabulary, n).tolist(), 0) for n in lengths]

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> tuple[list[int], int]:
        return self.examples[index]

    def itemlen(self, index: int) -> int:
        return len(self.examples[index][0])


def _mlx_lm(model: Any, plan: Any, case: Case) -> dict[str, int]:
    from mlx_lm.tuner import trainer

    peaks: dict[str, int] = {}

    class Callback(trainer.TrainingCallback):  # type: ignore[misc]
        def on_val_loss_report(self, report: dict[str, Any]) -> None:
            peaks.setdefault("validation", mx.get_peak_memory())

        def on_train_loss_report(self, report: dict[str, Any]) -> None:
            peaks[f"update {report['iteration']}"] = mx.get_peak_memory()

    data = _Data(case)
    with tempfile.TemporaryDirectory() as folder:
        arguments = trainer.TrainingArgs(
            batch_size=plan.batch_size,
            iters=case.updates * plan.grad_accumulation_steps,
            val_batches=1,
            steps_per_report=1,
            steps_per_eval=10**6,
            steps_per_save=10**6,
            max_seq_length=plan.max_seq_length,
            adapter_file=Path(folder) / "adapters.safetensors",
            grad_checkpoint=plan.grad_checkpoint,
            grad_accumulation_steps=plan.grad_accumulation_steps,
        )
        silent = io.StringIO()
        with contextlib.redirect_stdout(silent), contextlib.redirect_stderr(silent):
            trainer.train(
                model, optimizer.build(plan), data, data, arguments, training_callback=Callback()
            )
    return peaks


if __name__ == "__main__":
    print("RESULT " + json.dumps(main(sys.argv[1], json.loads(sys.argv[2]))))
    _ = padded_length
