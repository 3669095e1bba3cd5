"""How random dropout masks are: statistics of masks from a kernel or from a generator.

``python -m conformance.dropout --generator G | --kernel K --bits 1e9``; docs/dropout.md.
Read in this order: masks, call and totals (what is counted), scores (from counts to chances), then
the statistics: rates, blocks, pairs, shifts, plane; battery, findings and verdict (what is made of
them); generators, aicpu, packed, faulty and compare (where masks come from, and whether they are
what was declared); faults, power and calibrate (what the battery is worth); plots.
Which weights a kernel drops: shape, recover, suspects, exact, black_box; then effect (the mean of
many answers) and sources (whose masks the suite's statistics take).
"""
