// The chip: which one the library was built for, and which one this is.
#include "device.h"

#include "acl/acl.h"

const char* npu_built_for(void) {
  return NPU_SOC;
}

const char* npu_device_soc(void) {
  const char* name = aclrtGetSocName();
  return name == nullptr ? "" : name;
}

int64_t npu_device_groups(void) {
  int32_t device = 0;
  int64_t groups = 0;
  if (aclrtGetDevice(&device) != ACL_SUCCESS) return -1;
  // Of CANN 8.0 and later; aclrtGetDeviceInfo came with 8.2.
  const aclError code =
      aclGetDeviceCapability(static_cast<uint32_t>(device), ACL_DEVICE_INFO_AI_CORE_NUM, &groups);
  return code == ACL_SUCCESS && groups > 0 ? groups : -1;
}
