"""Golden vectors: problems and the oracle's answers in files, and what each kernel scored on them.

``python -m conformance.golden --check | --write | --diff OLD | export | verify``; docs/golden.md.
Read in this order: vector (one of them), files and manifest (how they lie on disk), sets (which
there are), same (what counts as the same), digest, update (old -> new); then records and scoring
(kernels); layouts, raw_files, export and verify (for programs in other languages).
"""
