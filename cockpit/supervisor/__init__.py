"""The detached guardian of one run: starts its trainer, watches it, says how it ended."""
