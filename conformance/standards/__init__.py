"""The published standards of the vendor, on the same tensors."""
