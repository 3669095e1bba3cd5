"""Ascend C where there is no CANN: a library compiled from kernel_operator.h, and its options."""
