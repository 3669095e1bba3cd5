"""How long our kernel takes on a chip, by a model."""
