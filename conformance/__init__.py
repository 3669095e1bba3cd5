"""The suite: cases, the judge and the pytest plugin that brings a kernel to them.

Read in this order: case, inputs, cases/, kernel, compare, plugin, report.
"""
