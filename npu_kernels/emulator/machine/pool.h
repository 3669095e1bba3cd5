// Cores are wiped and used again: fresh arenas of 1.2 MB a group would cost more than small
// kernels.
#pragma once

#include <memory>

#include "machine/core.h"

namespace emulator {

std::unique_ptr<Core> take_core(Group& group, int index);
void give_core(std::unique_ptr<Core> core);

}  // namespace emulator
