"""The judge: an answer against the oracle's and the bound, and what is said of a failure."""
