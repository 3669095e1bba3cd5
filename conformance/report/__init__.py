"""The report of a run: report.json, report.html, and the table in the terminal.

Read in this order: document, spread, table, page, figures, schema; then difference.
"""
