"""The attention of torch itself, and plain products."""
