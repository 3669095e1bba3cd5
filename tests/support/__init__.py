"""Problems and kernels that several folders need."""
