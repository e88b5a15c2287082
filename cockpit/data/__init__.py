"""Data sets before training: what is in them, what is wrong, and mlx-lm's layout from others."""
