"""What the silicon does and nobody has published, asked by small kernels: docs/device.md."""
