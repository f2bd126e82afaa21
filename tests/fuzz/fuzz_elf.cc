// link: shrike_vm_kernel
// Threat model: a job's program is whatever an attacker sends. Its headers decide where the VMM maps what, so every
// byte of the file is the attacker's. What is accepted must lie in the file and in the program's half of the address
// space, in order, and fit a page as mmap needs it; nothing may be read outside.

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "sandbox/microvm/kernel/elf.h"
#include "sandbox/microvm/machine/page_table.h"

namespace {
using namespace shrike::sandbox::microvm;

void check(bool condition) {
  if (!condition) std::abort();
}

void check_segment(const ElfSegment& segment, uint64_t floor, uint64_t size) {
  check(segment.address >= floor);
  check(segment.memory_bytes > 0 && segment.memory_bytes <= user_highest - segment.address);
  check(segment.file_bytes <= segment.memory_bytes);
  check(segment.offset <= size && segment.file_bytes <= size - segment.offset);
  check(segment.offset % page_bytes == segment.address % page_bytes);
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto read_at = [&](uint64_t offset, std::span<std::byte> out) -> size_t {
    if (offset >= size) return 0;
    const size_t part = std::min<size_t>(out.size(), size - offset);
    std::memcpy(out.data(), data + offset, part);
    return part;
  };
  const auto image = parse_elf(read_at, size);
  if (!image) return 0;
  uint64_t floor = image->movable ? 0 : user_lowest;
  check(!image->segments.empty() && image->segments.size() <= 128);
  for (const ElfSegment& segment : image->segments) {
    check_segment(segment, floor, size);
    floor = segment.address + segment.memory_bytes;
  }
  check(image->begin % page_bytes == 0 && image->end % page_bytes == 0 && image->begin < image->end);
  check(image->interpreter.size() <= 4096 && image->interpreter.find('\0') == std::string::npos);
  return 0;
}
