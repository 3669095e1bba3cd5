"""One pytest run: its kernels and cases, and what becomes of each test.

Read in this order: run, shared, outcome, record, recording, settle, collector.
"""
