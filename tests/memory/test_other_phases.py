"""What beside an update may take the most: loading, answering, a test; and the whole process."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from cockpit.core.forecast import MemoryForecast
from cockpit.memory import build, extend, process_size
from cockpit.memory.lengths import Batches, of_data
from cockpit.memory.loading_phase import LOADING
from cockpit.memory.trace import Trained, trace
from tests.memory import models

SMALL: dict[str, Any] = {"batch_size": 1, "max_seq_length": 9, "num_layers": 1, "loss_chunks": 4}
# Every second block is a loop over the tokens.
RECURRENT: dict[str, Any] = models.LLAMA | {
    "model_type": "qwen3_next",
    "num_hidden_layers": 6,
    "full_attention_interval": 2,
    "linear_num_value_heads": 2,
    "linear_num_key_heads": 1,
    "linear_key_head_dim": 32,
    "linear_value_head_dim": 32,
    "linear_conv_kernel_dim": 4,
    "num_experts": 0,
    "num_experts_per_tok": 0,
    "decoder_sparse_step": 1,
    "shared_expert_intermediate_size": 0,
    "mlp_only_layers": [],
    "moe_intermediate_size": 64,
    "rope_theta": 1e4,
    "partial_rotary_factor": 0.5,
    "max_position_embeddings": 4096,
}


def forecast(where: Trained, config: dict[str, Any] = models.LLAMA) -> MemoryForecast:
    plan = models.plan(**SMALL)
    return trace(build.from_config_alone(config), plan, (1, 9), (1, 9), where).forecast


@pytest.mark.skipif(sys.platform != "linux", reason="only a Linux CPU casts what it loads")
def test_weights_of_16_bits_are_there_twice_while_they_are_loaded() -> None:
    half = models.LLAMA | {"torch_dtype": "bfloat16", "vocab_size": 20_000}
    found = forecast(Trained(), half)
    assert found.peak_phase == LOADING and found.parts["weights"] > 0.99 * found.floor_bytes  # type: ignore[operator]
    whole = forecast(Trained(loads=False), half)
    assert whole.peak_phase != LOADING and whole.peak_bytes < found.peak_bytes
    assert forecast(Trained()).peak_phase != LOADING


def test_a_long_prompt_may_take_more_than_training() -> None:
    assert "update" in (forecast(Trained()).peak_phase or "")
    long = forecast(Trained(prompt_tokens=900))
    assert long.peak_phase == "reading of a prompt"
    assert long.notes[0] == "highest in the reading of a prompt"


def test_what_a_run_is_tested_on_counts_as_what_it_is_validated_on() -> None:
    plan = models.plan(max_seq_length=256, test=True)
    assert of_data(plan, [5] * 8, [10, 20], test=([10, 200], [0, 0])).valid == (2, 225)
    assert of_data(plan, [5] * 8, test=([10, 200], [0, 0])).valid == (2, 225)


def test_a_plan_fits_if_its_whole_process_does() -> None:
    found = forecast(Trained())
    outside = process_size.outside_mlx("cpu", 1000)
    assert outside > 50_000_000 and found.outside_bytes >= outside
    assert found.needed_bytes == found.peak_bytes + found.outside_bytes
    assert found.fits(found.needed_bytes) and not found.fits(found.needed_bytes - 1)
    assert found.fits(None) is None


def test_a_larger_tokenizer_and_more_data_take_more_but_not_of_a_gpus_memory() -> None:
    more = process_size.outside_mlx("metal", 128_000) - process_size.outside_mlx("metal", 0)
    assert 100e6 < more < 200e6
    assert process_size.of_data("cpu", [100] * 1000, [50]) > 400_000
    assert process_size.outside_mlx("cuda", 128_000) == process_size.of_data("cuda", [9]) == 0


def test_a_loop_over_the_tokens_is_extended_from_short_sequences_as_a_rough_estimate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = models.plan(batch_size=1, max_seq_length=257)
    batches = Batches((1, 257), (1, 257))

    def asked() -> MemoryForecast:
        made = lambda: build.from_config_alone(RECURRENT)  # noqa: E731
        return extend.forecast(made, plan, batches, Trained(loads=False))

    monkeypatch.setattr(extend, "MOST_LOOPED", 10**9)
    whole = asked()
    monkeypatch.setattr(extend, "MOST_LOOPED", 0)
    extended = asked()
    assert whole.method == "trace" and extended.method == "analytic"
    assert "extended" in extended.notes[0]
    assert 0.9 * whole.peak_bytes < extended.peak_bytes < 1.15 * whole.peak_bytes
    assert extended.parts["weights"] == whole.parts["weights"]
    assert sum(extended.parts.values()) == extended.peak_bytes


def test_a_loop_over_the_tokens_is_validated_on_without_gradients_at_a_length_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One long example to validate on makes no long update of a run on short ones."""
    plan = models.plan(batch_size=1, max_seq_length=257)

    def asked() -> MemoryForecast:
        made = lambda: build.from_config_alone(RECURRENT)  # noqa: E731
        return extend.forecast(made, plan, Batches((1, 9), (1, 257)), Trained(loads=False))

    monkeypatch.setattr(extend, "MOST_LOOPED", 10**9)
    whole = asked()
    monkeypatch.setattr(extend, "MOST_LOOPED", 0)
    extended = asked()
    assert extended.method == "analytic" and extended.peak_phase == "validation"
    assert 0.85 * whole.peak_bytes < extended.peak_bytes < 1.15 * whole.peak_bytes
    assert extended.low_bytes <= (whole.floor_bytes or 0)
    assert extended.notes[0] == "highest in the validation, with 1 x 256 tokens"
    assert extended.parts["gradients"] == 0
    assert sum(extended.parts.values()) == extended.peak_bytes
