"""The process that trains: mlx-lm's parts in a loop that can be watched, paused and resumed."""
