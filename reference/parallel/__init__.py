"""Threads, the memory of each, and the order in which they add."""
