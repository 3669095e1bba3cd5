"""Faults put into our kernel, one at a time, and what must be said of each."""
