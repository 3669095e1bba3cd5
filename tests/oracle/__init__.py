"""The definition, the tiles and the bound."""
