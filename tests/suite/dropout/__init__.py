"""Masks read off a kernel, and their statistics."""
