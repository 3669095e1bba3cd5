// Runs a kernel: one call of it per core, groups side by side on host threads.
#pragma once

#include <functional>
#include <vector>

#include "machine/gm.h"
#include "machine/report.h"

namespace emulator {

// `blocks` groups (AIVs for aiv_only). The kernel sees its core through GetBlockIdx and
// ASCEND_IS_AIC.
Report launch(const Options& options, KernelType type, int blocks,
              const std::vector<GmTensor>& tensors, const std::function<void()>& kernel);

}  // namespace emulator
