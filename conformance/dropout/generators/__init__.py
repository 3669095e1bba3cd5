"""Generators of dropout masks that are known, and faulty ones."""
