"""Refused: a set, a file or a request that is not as it must be."""

from __future__ import annotations


class Refused(Exception):
    """One line: which file or argument, what is wrong with it, and what mends it."""
