"""Model to bundle: trace, fuse, quantize, and prove against PyTorch what that cost."""
