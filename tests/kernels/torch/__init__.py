"""Kernels that need torch."""
