"""Which weights a kernel drops, read off its answers."""
