"""The float32 path of the bound, which is exact enough for problems of 16 bits; see tiles."""
