// What launches a kernel on a device: ascendc_library (CANN 8.x) generates these functions, and
// flash_attention.asc (9.x) has them. `arguments` is an address on the device.
#pragma once

#include <cstdint>

#include "host/kernels.h"

#define DECLARE(name, cores) \
  extern "C" uint32_t aclrtlaunch_flash_##name(uint32_t blocks, void* stream, void* arguments);
FLASH_KERNELS(DECLARE)
#undef DECLARE
