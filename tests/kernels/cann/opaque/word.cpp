// A translation unit of its own.
#include "kernel_operator.h"

int64_t opaque_word(const int64_t* at) {
  return *at;
}
