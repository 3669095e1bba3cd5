// CANN's runtime, as much of it as cann/ calls.
#include <string>

#include "acl/acl.h"
#include "host_device.h"

namespace {
std::string soc = "Ascend910B2";
}

extern "C" {

void host_cann_set_soc(const char* name) {  // for the test
  soc = name;
}

const char* aclrtGetSocName() {
  return soc.c_str();
}
const char* aclGetRecentErrMsg() {
  return host_device::error();
}
aclError aclrtGetDevice(int32_t* deviceId) {
  *deviceId = 3;
  return ACL_SUCCESS;
}
aclError aclGetDeviceCapability(uint32_t deviceId, aclDeviceInfo deviceInfo, int64_t* value) {
  if (deviceId != 3 || deviceInfo != ACL_DEVICE_INFO_AI_CORE_NUM) {
    host_device::set_error("no such number");
    return 507000;
  }
  *value = 5;
  return ACL_SUCCESS;
}
}
