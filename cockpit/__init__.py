"""MLX Cockpit: LoRA fine-tuning with MLX that is forecast, watched and never lost."""

__version__ = "0.1.0"
