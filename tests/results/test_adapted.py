"""One model in memory that is the base or the tuned one: each exactly as if it were alone."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import mlx_lm
import pytest

from cockpit.embedded import nano_path
from cockpit.results import adapted
from tests.results.conftest import Said, Train, logits

TOKENS = [2, 300, 400, 500, 600, 3]


@pytest.mark.parametrize(
    "plan",
    [
        {"fine_tune_type": "lora"},
        {"fine_tune_type": "dora"},
        {"fine_tune_type": "full", "learning_rate": 1e-4},
        {"lora_parameters": {"rank": 4, "keys": ["model.embed_tokens", "self_attn.q_proj"]}},
    ],
    ids=["lora", "dora", "full", "embedding"],
)
def test_both_sides_are_to_the_bit_what_mlx_lm_loads(train: Train, plan: dict[str, Any]) -> None:
    run = train(iters=2, test=False, **plan)
    model = adapted.load({"run": str(run.path)}, Said())
    fresh, _ = mlx_lm.load(str(nano_path()))
    tuned, _ = mlx_lm.load(str(nano_path()), adapter_path=str(run.adapters))
    wanted = {"base": logits(fresh, TOKENS), "tuned": logits(tuned, TOKENS)}
    assert not mx.allclose(wanted["base"], wanted["tuned"])
    for side in ("tuned", "base", "tuned", "base"):
        assert mx.array_equal(logits(model.use(side), TOKENS), wanted[side]), side


def test_an_earlier_checkpoint_is_another_model(trained: Any) -> None:
    first = adapted.load({"run": str(trained.path), "checkpoint": "2"}, Said())
    last = adapted.load({"run": str(trained.path)}, Said())
    assert (first.choice.update, last.choice.update) == (2, 8)
    assert not mx.allclose(logits(first.use("tuned"), TOKENS), logits(last.use("tuned"), TOKENS))
    assert mx.array_equal(logits(first.use("base"), TOKENS), logits(last.use("base"), TOKENS))
