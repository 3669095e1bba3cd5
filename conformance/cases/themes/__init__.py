"""The cases by theme; the name of a file is a marker of pytest."""
