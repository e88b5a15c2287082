"""Architectures for bench/forecast.py: published shapes scaled down, vocabularies kept large."""

from __future__ import annotations

from typing import Any

Config = dict[str, Any]


def decoder(model_type: str, hidden: int = 256, layers: int = 4, **more: Any) -> Config:
    """The fields most decoders share; ``more`` adds to and overrides them."""
    return {
        "model_type": model_type,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "intermediate_size": hidden * 3,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "rms_norm_eps": 1e-5,
        "vocab_size": 32_000,
        "tie_word_embeddings": True,
        "max_position_embeddings": 4096,
        "rope_theta": 10_000.0,
        "torch_dtype": "float32",
        **more,
    }


_MOE = {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 256}
_GRANITE = {
    "logits_scaling": 8.0,
    "attention_multiplier": 0.0156,
    "embedding_multiplier": 12.0,
    "residual_multiplier": 0.22,
    "attention_bias": False,
    "mlp_bias": False,
}
_DELTA = {
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 32,
    "linear_value_head_dim": 32,
    "linear_conv_kernel_dim": 4,
    "full_attention_interval": 2,
}

ARCHITECTURES: dict[str, Config] = {
    "llama": decoder("llama"),
    "llama-untied": decoder("llama", tie_word_embeddings=False),
    "qwen2": decoder("qwen2", num_key_value_heads=2, vocab_size=151_936, layers=2),
    "qwen3": decoder("qwen3", head_dim=32, vocab_size=65_536),
    "gemma": decoder("gemma", head_dim=32, num_key_value_heads=1),
    "gemma2": decoder("gemma2", head_dim=32, query_pre_attn_scalar=32, vocab_size=65_536),
    "gemma3": decoder(
        "gemma3_text",
        layers=6,
        head_dim=32,
        query_pre_attn_scalar=32,
        sliding_window=64,
        sliding_window_pattern=3,
        vocab_size=65_536,
    ),
    "gemma4": decoder(
        "gemma4_text",
        layers=6,
        head_dim=32,
        global_head_dim=64,
        vocab_size_per_layer_input=32_000,
        num_kv_shared_layers=2,
        hidden_size_per_layer_input=32,
        sliding_window=64,
        sliding_window_pattern=3,
        use_double_wide_mlp=False,
    ),
    "phi3": decoder("phi3", original_max_position_embeddings=4096),
    "phi": decoder("phi", num_key_value_heads=8, layer_norm_eps=1e-5, partial_rotary_factor=0.5),
    "granite": decoder("granite", **_GRANITE),
    "olmo2": decoder("olmo2"),
    "cohere2": decoder("cohere2", head_dim=32, sliding_window=64, sliding_window_pattern=2),
    "starcoder2": decoder("starcoder2", norm_epsilon=1e-5),
    "stablelm": decoder(
        "stablelm", use_qkv_bias=True, partial_rotary_factor=0.25, layer_norm_eps=1e-5
    ),
    "smollm3": decoder("smollm3", no_rope_layer_interval=4),
    "internlm2": decoder("internlm2", bias=False),
    "ernie4_5": decoder("ernie4_5", head_dim=32, use_bias=False),
    "glm4": decoder("glm4", head_dim=32, partial_rotary_factor=0.5, attention_bias=True),
    "nemotron": decoder("nemotron", hidden_act="relu2", norm_eps=1e-5),
    "hunyuan": decoder("hunyuan_v1_dense"),
    "minicpm": decoder("minicpm", dim_model_base=64, scale_depth=1.4, scale_emb=12),
    "gpt_neox": decoder("gpt_neox", layer_norm_eps=1e-5, rotary_emb_base=10_000, rotary_pct=0.25),
    "exaone4": decoder(
        "exaone4",
        head_dim=32,
        rope_scaling={"rope_type": "default"},
        sliding_window=64,
        sliding_window_pattern="LLGL",
    ),
    "lfm2": decoder(
        "lfm2",
        norm_eps=1e-5,
        conv_bias=False,
        conv_L_cache=3,
        block_dim=256,
        block_ff_dim=768,
        block_multiple_of=64,
        block_ffn_dim_multiplier=1.0,
        block_auto_adjust_ff_dim=False,
        full_attn_idxs=[1, 3],
    ),
    # Experts
    "qwen3_moe": decoder(
        "qwen3_moe",
        head_dim=32,
        decoder_sparse_step=1,
        mlp_only_layers=[],
        norm_topk_prob=True,
        **_MOE,
    ),
    "mixtral": decoder("mixtral", num_local_experts=4, num_experts_per_tok=2),
    "granitemoe": decoder(
        "granitemoe", num_local_experts=8, **(_GRANITE | {"num_experts_per_tok": 2})
    ),
    "olmoe": decoder("olmoe", num_experts=8, num_experts_per_tok=2),
    "deepseek_v2": decoder(
        "deepseek_v2",
        num_key_value_heads=8,
        moe_intermediate_size=192,
        n_shared_experts=1,
        n_routed_experts=8,
        num_experts_per_tok=2,
        kv_lora_rank=64,
        q_lora_rank=96,
        qk_rope_head_dim=16,
        v_head_dim=32,
        qk_nope_head_dim=32,
        topk_method="greedy",
        n_group=1,
        topk_group=1,
        first_k_dense_replace=1,
        rope_scaling={
            "type": "yarn",
            "factor": 4.0,
            "mscale": 0.7,
            "mscale_all_dim": 0.7,
            "beta_fast": 32,
            "beta_slow": 1,
            "original_max_position_embeddings": 1024,
        },
    ),
    # State-space and hybrid
    "mamba2": decoder(
        "mamba2",
        num_heads=8,
        head_dim=64,
        state_size=64,
        layer_norm_epsilon=1e-5,
        conv_kernel=4,
        n_groups=1,
        use_bias=False,
        use_conv_bias=True,
        time_step_limit=(0.0, float("inf")),
        time_step_rank="auto",
        intermediate_size=512,
    ),
    "granitehybrid": decoder(
        "granitemoehybrid",
        intermediate_size=512,
        layer_types=["mamba", "mamba", "attention", "mamba"],
        num_local_experts=4,
        num_experts_per_tok=2,
        shared_intermediate_size=512,
        mamba_n_heads=8,
        mamba_d_head=64,
        mamba_proj_bias=False,
        mamba_d_state=64,
        mamba_d_conv=4,
        mamba_n_groups=1,
        mamba_conv_bias=True,
        position_embedding_type="nope",
        **_GRANITE,
    ),
    "qwen3_5": {
        "model_type": "qwen3_5",
        "text_config": decoder("qwen3_5_text", layers=2, head_dim=32, **_DELTA),
        "torch_dtype": "float32",
    },
    "qwen3_next": decoder(
        "qwen3_next",
        layers=2,
        head_dim=32,
        partial_rotary_factor=0.5,
        decoder_sparse_step=1,
        shared_expert_intermediate_size=256,
        mlp_only_layers=[],
        norm_topk_prob=True,
        **_MOE,
        **_DELTA,
    ),
}


def packed(config: Config, bits: int, group_size: int = 64) -> Config:
    return config | {"quantization": {"bits": bits, "group_size": group_size}}
