// What the device's library exports beside abi.h.
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// SOC names as CANN writes them, such as Ascend910B2. They stay where they are.
const char* npu_built_for(void);   // by build.sh
const char* npu_device_soc(void);  // the chip of this machine; "": CANN sees none

// Groups of one AIC and two AIVs on the device that this thread uses; -1: it uses none.
int64_t npu_device_groups(void);

#ifdef __cplusplus
}
#endif
