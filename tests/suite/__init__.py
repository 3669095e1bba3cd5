"""The plugin, the judge, cases and what a run leaves."""
