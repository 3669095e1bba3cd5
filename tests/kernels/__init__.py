"""Our kernels and torch's."""
