"""The oracle: FlashAttention in pure NumPy, and how far from it a correct kernel may be.

Read in this order: formats, mask, dropout, contract, problem, dense, blockwise, bounds.

Nothing is imported here, so that a kernel that imports ``reference.problem`` does not load the
answer with it.
"""
