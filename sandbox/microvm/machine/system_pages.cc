// Formats: AMD64 Architecture Programmer's Manual, volume 2, 4.7, 4.8, 8.9 and 12.2.5.

#include "sandbox/microvm/machine/system_pages.h"

#include <algorithm>
#include <cstring>

#include "common/base/bytes.h"

namespace shrike::sandbox::microvm {
namespace {

namespace pages = system_pages;

constexpr uint64_t present = 1 << 0, writable = 1 << 1, accessed = 1 << 5, dirty = 1 << 6, no_execute = 1ull << 63;
constexpr uint32_t with_error_code =
    1u << 8 | 1u << 10 | 1u << 11 | 1u << 12 | 1u << 13 | 1u << 14 | 1u << 17 | 1u << 21 | 1u << 29 | 1u << 30;

// Accessed bits are set, so that no CPU needs to write here. There is no 32-bit code segment.
void fill_descriptors(std::span<std::byte, page_bytes> page) {
  const auto set = [&](uint16_t selector, uint64_t value) { store_le(&page[selector & ~7u], value); };
  set(pages::kernel_code, 0x00af'9b00'0000'ffff);
  set(pages::kernel_data, 0x00cf'9300'0000'ffff);
  set(pages::user_data, 0x00cf'f300'0000'ffff);
  set(pages::user_code, 0x00af'fb00'0000'ffff);
  constexpr uint64_t base = pages::task_state;
  set(pages::task, pages::task_limit | (base & 0xff'ffff) << 16 | 0x8bull << 40 | (base >> 24 & 0xff) << 56);
  set(pages::task + 8, base >> 32);

  std::byte* const task = &page[pages::task_state - pages::descriptors];
  store_le(task + 0x04, pages::stack_top);                 // RSP0
  store_le(task + 0x24, pages::stack_top);                 // IST1
  store_le(task + 0x66, uint16_t{pages::task_limit + 1});  // no I/O bitmap: no port is ring 3's
}

uint64_t handler_of(unsigned vector) { return pages::code + vector * 16; }

void fill_interrupts(std::span<std::byte, page_bytes> page) {
  for (unsigned vector = 0; vector < pages::exceptions; ++vector) {
    const uint64_t handler = handler_of(vector);
    // Only int3 and into may be called by ring 3; all others on a stack of our own, whatever the program's is.
    const uint64_t type = vector == 3 || vector == 4 ? 0xee : 0x8e;
    store_le(&page[vector * 16], (handler & 0xffff) | uint64_t{pages::kernel_code} << 16 | 1ull << 32 | type << 40 |
                                     (handler >> 16 & 0xffff) << 48);
    store_le(&page[vector * 16 + 8], handler >> 32);
  }
}

void fill_code(std::span<std::byte, page_bytes> page) {
  std::ranges::fill(page, std::byte{0xf4});  // hlt
  const auto leave = [&](uint64_t at, unsigned port) {
    page[at - pages::code] = std::byte{0xe6};  // out %al, $port
    page[at - pages::code + 1] = static_cast<std::byte>(port);
  };
  for (unsigned vector = 0; vector < pages::exceptions; ++vector)
    leave(handler_of(vector), pages::exception_port + vector);
  leave(pages::call_entry, pages::call_port);
  leave(pages::compat_entry, pages::compat_port);
}

}  // namespace

std::optional<SystemPages> SystemPages::create(Physical& physical) {
  std::optional<Frame> tables[3], frames[4];
  for (auto& table : tables)
    if (!(table = physical.allocate_table())) return std::nullopt;
  for (auto& frame : frames)
    if (!(frame = physical.allocate())) return std::nullopt;
  const auto entry = [&](Frame table, uint64_t index, uint64_t value) {
    store_le(&physical.bytes(table)[index * 8], value);
  };
  entry(*tables[0], 0, *tables[1] * page_bytes | present | writable | accessed);
  entry(*tables[1], 0, *tables[2] * page_bytes | present | writable | accessed);
  const auto map = [&](uint64_t address, Frame frame, uint64_t flags) {
    entry(*tables[2], address / page_bytes & 511, frame * page_bytes | present | accessed | flags);
  };
  map(pages::descriptors, *frames[0], no_execute);
  map(pages::interrupts, *frames[1], no_execute);
  map(pages::code, *frames[2], 0);
  map(pages::stack, *frames[3], writable | dirty | no_execute);
  fill_descriptors(physical.bytes(*frames[0]));
  fill_interrupts(physical.bytes(*frames[1]));
  fill_code(physical.bytes(*frames[2]));
  physical.set_upper_half(*tables[0]);
  return SystemPages(*frames[3]);
}

ExceptionFrame SystemPages::frame(const Physical& physical, uint8_t vector) const {
  const auto page = physical.bytes(stack_);
  const auto word = [&](size_t from_top) { return load_le<uint64_t>(&page[page_bytes - from_top * 8]); };
  const bool has_code = vector < pages::exceptions && (with_error_code >> vector & 1) != 0;
  return {has_code ? word(6) : 0, word(5), word(4), word(3), word(2), word(1)};
}

}  // namespace shrike::sandbox::microvm
