"""What the laws, which are metamorphic relations, are stated with."""
