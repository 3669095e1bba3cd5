// Ascend C on a machine without CANN: the calls that our kernels use, and no others.
//
// Written from the documented semantics. Read chip.h, then the calls from the bottom up: tensor.h,
// pipe_queue.h, sync.h, data_copy.h, cube.h, vector*.h. docs/emulator.md says what is checked.
#pragma once

#include "api/cube.h"
#include "api/data_cache.h"
#include "api/vector_gather.h"
