"""Generators of dropout masks whose stream is known, and the comparison with a declared one."""
