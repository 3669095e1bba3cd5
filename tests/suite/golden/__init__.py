"""The committed vectors and records."""
