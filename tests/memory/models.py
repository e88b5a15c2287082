"""Configs of small models for the forecast's tests, and jobs on them."""

from __future__ import annotations

from typing import Any

from cockpit.core.plan import RunPlan
from cockpit.memory import build
from cockpit.memory.phases import Job

LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "intermediate_size": 192,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "rms_norm_eps": 1e-5,
    "vocab_size": 1000,
    "tie_word_embeddings": True,
    "torch_dtype": "float32",
}
EXPERTS: dict[str, Any] = LLAMA | {
    "model_type": "qwen3_moe",
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 64,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
    "norm_topk_prob": True,
    "rope_theta": 1e4,
    "max_position_embeddings": 4096,
}
# Its last two blocks take keys and values from others and hand them on as they came.
SHARED_KEYS: dict[str, Any] = LLAMA | {
    "model_type": "gemma4_text",
    "num_hidden_layers": 6,
    "global_head_dim": 64,
    "vocab_size_per_layer_input": 1000,
    "num_kv_shared_layers": 2,
    "hidden_size_per_layer_input": 16,
    "sliding_window": 16,
    "sliding_window_pattern": 3,
    "use_double_wide_mlp": False,
}


def plan(**fields: Any) -> RunPlan:
    defaults = {"model": "m", "data": "d", "num_layers": -1, "batch_size": 2, "max_seq_length": 65}
    return RunPlan.model_validate(defaults | fields)


def job(config: dict[str, Any], backend: str = "cpu", **fields: Any) -> Job:
    """A model of ``config`` ready to be traced for a plan with ``fields``."""
    asked = plan(**fields)
    model = build.from_config_alone(config)
    build.make_trainable(model, asked, backend)  # type: ignore[arg-type]
    shape = (asked.batch_size, asked.max_seq_length)
    return Job(asked, model, build.optimizer(asked), shape, shape, backend=backend)  # type: ignore[arg-type]
