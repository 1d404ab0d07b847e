"""Documents out of files: JSON lines, and texts cut into passages that both models read whole."""
