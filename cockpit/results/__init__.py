"""What a run made: measured, tried and fused. What needs mlx runs in a child process."""
