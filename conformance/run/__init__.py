"""One pytest run: what it is asked to do, and what becomes of each test."""
