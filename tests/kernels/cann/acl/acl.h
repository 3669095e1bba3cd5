// The functions of CANN's runtime that cann/ calls, as its public documentation declares them.
#pragma once

#include <cstddef>
#include <cstdint>

using aclError = int;

constexpr aclError ACL_SUCCESS = 0;

enum aclDeviceInfo {
  ACL_DEVICE_INFO_UNDEFINED = -1,
  ACL_DEVICE_INFO_AI_CORE_NUM = 0,
  ACL_DEVICE_INFO_VECTOR_CORE_NUM = 1,
  ACL_DEVICE_INFO_L2_SIZE = 2
};

extern "C" {
const char* aclrtGetSocName();
const char* aclGetRecentErrMsg();
aclError aclrtGetDevice(int32_t* deviceId);
aclError aclGetDeviceCapability(uint32_t deviceId, aclDeviceInfo deviceInfo, int64_t* value);
}
