"""How random the dropped weights are."""
