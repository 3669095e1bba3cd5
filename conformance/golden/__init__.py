"""Golden vectors: problems and the oracle's answers in files, and what each kernel scored on them.

``python -m conformance.golden --check | --write | --diff OLD | export | verify``; docs/golden.md.
Read in this order: cases and sets (which vectors there are), about and vector (one of them),
manifest and stored (files), agree (what counts as the same), digest, examine, check, write, diff,
work; then score and records (kernels); layouts, export and verify (raw files for other languages).
"""
