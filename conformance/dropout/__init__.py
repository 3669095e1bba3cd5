"""How random dropout masks are: statistics of masks from a kernel or from a generator.

``python -m conformance.dropout --generator G | --kernel K --bits 1e9``; docs/dropout.md.
Read in this order: masks and call (what is counted), scores (from counts to chances), then the
statistics: rates, blocks, pairs, shifts, plane; battery, findings and verdict (what is made of
them); generators, packed and faulty (where masks come from); calibrate, faults and power (what the
battery is worth); plots, command.
"""
