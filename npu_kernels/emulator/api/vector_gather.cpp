#include "api/vector_gather.h"

namespace emulator {

void gather_elements(Type type, const Place& dst, const Place& src, const Place& offsets,
                     int64_t base, int64_t count, Site site) {
  Instruction in(this_core(), PIPE_V, "Gather", site, 0);
  const int64_t size = size_of(type);
  if (size != 2 && size != 4) in.fail(std::string("not for ") + name_of(type) + " on this chip");
  if (count == 0) return;
  const Shape shape = shape_of(in, Repeat::count(count), size);
  in.need_memory(src, Memory::ub, "the source");
  in.need_aligned(src, block_bytes, "the source");
  if (base % size != 0)
    in.fail("srcBaseAddr is " + std::to_string(base) + ", no multiple of sizeof(T)");
  touch(in, contiguous(offsets, sizeof(uint32_t), shape.lanes), shape, false);
  in.wait_for_value();  // the offsets say which bytes are read
  const uint8_t* from = in.bytes_of(offsets, 0);
  const int64_t dst_end = dst.start + count * size;
  if (dst.start < offsets.start + count * static_cast<int64_t>(sizeof(uint32_t)) &&
      offsets.start < dst_end) {
    in.fail("srcOffset and the destination overlap");
  }
  std::vector<int64_t> chosen(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    uint32_t offset = 0;
    std::memcpy(&offset, from + i * static_cast<int64_t>(sizeof offset), sizeof offset);
    if (offset % size != 0) {
      in.fail("srcOffset[" + std::to_string(i) + "] is " + std::to_string(offset) +
              ", no multiple of sizeof(T)");
    }
    const int64_t at = base + offset;
    if (src.start + at < dst_end && dst.start < src.start + at + size) {
      in.fail("srcOffset[" + std::to_string(i) + "] is " + std::to_string(offset) +
              ": source and destination overlap");
    }
    in.read(src, at, size);
    chosen[static_cast<size_t>(i)] = at;
  }
  touch(in, contiguous(dst, size, shape.lanes), shape, true);
  in.run([=, chosen = std::move(chosen)](const Instruction& it) {
    const uint8_t* values = it.bytes_of(src, 0);
    uint8_t* to = it.bytes_of(dst, 0);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t at = chosen[static_cast<size_t>(i)];
      std::memcpy(to + i * size, values + at, static_cast<size_t>(size));
    }
  });
}

}  // namespace emulator
