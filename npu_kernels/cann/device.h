// What the device's library exports beside abi.h, whose functions only plan there.
#pragma once

#include <stdint.h>

#include "abi.h"

#ifdef __cplusplus
extern "C" {
#endif

// SOC names as CANN writes them, such as Ascend910B2. They stay where they are.
const char* npu_built_for(void);   // by build.sh
const char* npu_device_soc(void);  // the chip of this machine; "": CANN sees none

// Groups of one AIC and two AIVs on the device that this thread uses; -1: it uses none.
int64_t npu_device_groups(void);

// Bytes of NpuLaunch.plan, for any function of abi.h and so many sequences.
int64_t npu_plan_bytes(int64_t batch);

// Launches on `stream` what a function of abi.h has planned, once the plan is on its way to
// plan_on_device on the same stream. Nothing is waited for, copied or allocated. Returns NPU_OK, or
// NPU_CHECK_FAILED where CANN refuses a launch; text says which.
int32_t npu_launch(NpuLaunch* launch);

#ifdef __cplusplus
}
#endif
