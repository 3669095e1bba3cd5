"""Tests of the tests import them with their markers, though no run asks for the suite."""

from __future__ import annotations

import pytest

from conformance.run.options import register_markers


def pytest_configure(config: pytest.Config) -> None:
    """Make the suite's markers known."""
    register_markers(config)
