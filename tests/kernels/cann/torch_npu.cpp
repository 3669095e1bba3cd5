// The device type "npu" of torch on the device that is made of the host: memory, copies, streams.
// torch_npu itself needs CANN; what is here it has, too. An operator that is not here copies its
// tensors to the host, which is counted.
#include <ATen/EmptyTensor.h>
#include <ATen/core/Tensor.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/fill.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/view_native.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <set>

#include "host_device.h"

namespace {

constexpr auto npu = c10::DeviceType::PrivateUse1;
using c10::Device;
using c10::Stream;

// --- Streams: 0 and 1, whose handles the runtime knows as 0x57 and 0x58; 2 was destroyed ---

thread_local c10::StreamId current_stream = 0;

void* handle() {
  return reinterpret_cast<void*>(0x57 + current_stream);
}

struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return npu; }
  Device exchangeDevice(Device) const override { return getDevice(); }
  Device getDevice() const override { return Device(npu, 0); }
  void setDevice(Device) const override {}
  void uncheckedSetDevice(Device) const noexcept override {}
  Stream getStream(Device device) const override {
    return Stream(Stream::UNSAFE, device, current_stream);
  }
  Stream exchangeStream(Stream stream) const override {
    const Stream before = getStream(stream.device());
    current_stream = stream.id();
    return before;
  }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  // One queue holds the work of all streams: what was issued first is done first.
  void record(void** event, const Stream&, c10::DeviceIndex, c10::EventFlag) const override {
    *event = this->event();
  }
  void block(void*, const Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  void destroyEvent(void*, c10::DeviceIndex) const noexcept override {}
  bool queryStream(const Stream&) const override { return true; }

 private:
  static void* event() {
    static int one;
    return &one;
  }
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard);

// --- Memory ---

size_t room = size_t{1} << 40;  // of each allocation

struct DeviceMemory final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) override {
    TORCH_CHECK_WITH(OutOfMemoryError, bytes <= room, "NPU out of memory. Tried to allocate");
    uint8_t* begin = host_device::allocate(bytes);
    return {begin, begin, &free, Device(npu, 0)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &free; }
  void copy_data(void*, const void*, size_t) const override { TORCH_CHECK(false, "not needed"); }
  static void free(void* begin) { host_device::release(static_cast<uint8_t*>(begin)); }
};
DeviceMemory memory;
REGISTER_ALLOCATOR(npu, &memory);

// Host memory of torch's whose blocks, once freed, wait for the queue: an asynchronous copy may
// still read them.
std::set<const void*>& pinned() {
  static auto& all = *new std::set<const void*>;
  return all;
}
struct PinnedMemory final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) override {
    void* begin = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    pinned().insert(begin);
    return {begin, begin, &free, Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &free; }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
  static void free(void* begin) {
    pinned().erase(begin);
    host_device::enqueue(nullptr, [=] { std::free(begin); });
  }
};

struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  bool isPinnedPtr(const void* data) const override {
    const auto after = pinned().upper_bound(data);
    return after != pinned().begin() && *std::prev(after) == data;
  }
  c10::Allocator* getPinnedMemoryAllocator() const override {
    static PinnedMemory pinned_memory;
    return &pinned_memory;
  }
};

// --- Operators ---

at::Tensor empty(c10::IntArrayRef size, std::optional<at::ScalarType> dtype,
                 std::optional<at::Layout>, std::optional<Device>, std::optional<bool>,
                 std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(size, &memory,
                                   c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                   c10::dtype_or_default(dtype), format);
}

at::Tensor empty_strided(c10::IntArrayRef size, c10::IntArrayRef stride,
                         std::optional<at::ScalarType> dtype, std::optional<at::Layout>,
                         std::optional<Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(size, stride, &memory,
                                           c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                           c10::dtype_or_default(dtype));
}

// The same memory as a tensor of the host: for work in the queue alone.
at::Tensor on_host(const at::Tensor& tensor) {
  if (tensor.is_cpu()) return tensor;
  void* data = tensor.storage_offset() * tensor.element_size() +
               static_cast<uint8_t*>(tensor.storage().mutable_data());
  return at::from_blob(data, tensor.sizes(), tensor.strides(),
                       tensor.options().device(c10::kCPU).requires_grad(false));
}

// Nothing here copies from the host, or zeroes, what kernels write.
void set_read_only(const at::Tensor& tensor) {
  if (tensor.numel() == 0) return;
  host_device::set_read_only(static_cast<uint8_t*>(tensor.storage().mutable_data()));
}

at::Tensor copy_from(const at::Tensor& from, const at::Tensor& to, bool non_blocking) {
  host_device::Counts& counts = host_device::counts();
  counts.copies_to_host += to.is_cpu() ? 1 : 0;
  counts.copies_to_device += from.is_cpu() ? 1 : 0;
  const at::Tensor source = from.is_cpu() && !from.is_pinned() ? from.clone() : from;
  host_device::enqueue(handle(), [=] {
    const c10::impl::ExcludeDispatchKeyGuard plain(c10::autograd_dispatch_keyset);
    at::Tensor target = on_host(to);
    target.copy_(on_host(source));
  });
  if (from.is_cpu()) set_read_only(to);
  if (to.is_cpu()) {
    ++counts.waits;
    TORCH_CHECK(host_device::run(), host_device::error());
  }
  return to;
}

at::Tensor& fill(at::Tensor& tensor, const at::Scalar& value) {
  const at::Tensor same = tensor;
  host_device::enqueue(handle(), [=] { on_host(same).fill_(value); });
  return tensor;
}

at::Tensor& zero(at::Tensor& tensor) {
  set_read_only(tensor);
  return fill(tensor, 0);
}

// The gradient of unbind.
at::Tensor cat(const at::ITensorListRef& tensors, int64_t dim) {
  const auto parts = tensors.materialize();
  std::vector<int64_t> sizes = parts[0].get().sizes().vec();
  sizes[static_cast<size_t>(dim)] = 0;
  for (const at::Tensor& part : parts) sizes[static_cast<size_t>(dim)] += part.size(dim);
  at::Tensor whole = at::empty(sizes, parts[0].get().options());
  int64_t at = 0;
  for (const at::Tensor& part : parts) {
    whole.narrow(dim, at, part.size(dim)).copy_(part);
    at += part.size(dim);
  }
  return whole;
}

void fall_back(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  at::native::cpu_fallback(op, stack);
}

}  // namespace

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("empty.memory_format", &empty);
  m.impl("empty_strided", &empty_strided);
  m.impl("as_strided", &at::native::as_strided_tensorimpl);
  m.impl("view", &at::native::view);
  m.impl("_reshape_alias", &at::native::_reshape_alias);
  m.impl("_copy_from", &copy_from);
  m.impl("fill_.Scalar", &fill);
  m.impl("zero_", &zero);
  m.impl("cat", &cat);
  m.impl("record_stream", +[](at::Tensor&, c10::Stream) {});
}
TORCH_LIBRARY_IMPL(_, PrivateUse1, m) {
  m.fallback(torch::CppFunction::makeFromBoxedFunction<&fall_back>());
}

extern "C" {
void host_torch_npu_begin() {
  at::RegisterPrivateUse1HooksInterface(new Hooks);
}
void host_torch_npu_set_stream(int64_t stream) {
  current_stream = stream;
}
void host_torch_npu_set_room(int64_t bytes) {
  room = static_cast<size_t>(bytes);
}
int64_t host_torch_npu_stream() {
  return current_stream;
}
// 0: what waited is done. 1: a kernel failed.
int32_t host_torch_npu_synchronize() {
  ++host_device::counts().waits;
  return host_device::run() ? 0 : 1;
}
}
