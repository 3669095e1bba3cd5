"""Dropout: which weights a kernel drops (docs/dropout.md), and how random its choice is.

recovery/ reads masks off a kernel's answers (recover), finds out whose stream they are (slips) and
states the laws (laws, mean) on the problems of probes; shape describes those problems.
statistics/ judges any masks (docs/dropout_statistics.md): masks (what is counted), z_scores (from
counts to chances), rates, blocks, correlations, lags, plane (the statistics), battery, findings,
diagnosis, plots, sources.
generators/ makes masks without a kernel. battery_power/ says what the statistics are worth.
``python -m conformance.dropout kernel K | generator G | power | calibrate``.
"""
