"""Dropout, proved: masks recovered from a black box, and statistics that a bad generator fails."""
