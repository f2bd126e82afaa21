#pragma once
// What an ELF file asks for, checked: the only reader of a program's headers.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "common/base/result.h"

namespace shrike::sandbox::microvm {

struct ElfSegment {
  uint64_t address = 0;  ///< as the file says; ET_DYN: relative to where it is put
  uint64_t offset = 0;   ///< in the file; the same as `address` within a page
  uint64_t file_bytes = 0;
  uint64_t memory_bytes = 0;
  bool read = false, write = false, execute = false;
};

struct ElfImage {
  bool movable = false;  ///< ET_DYN
  uint64_t entry = 0;
  uint64_t headers = 0;  ///< address of the program headers in memory, 0 when no segment holds them
  uint64_t header_count = 0;
  uint64_t begin = 0, end = 0;       ///< page-aligned, of all segments
  std::vector<ElfSegment> segments;  ///< in rising order, no two on one page unless the later one's file part says so
  std::string interpreter;           ///< PT_INTERP, absolute; empty: none
  bool executable_stack = false;
};

/// Reads up to `out.size()` bytes at `offset`; how many there were.
using ReadAt = std::function<size_t(uint64_t offset, std::span<std::byte> out)>;

/// Errors: code ENOEXEC for what is no ELF, no program for x86-64, or says what cannot be (which); EINVAL for a broken
/// interpreter name.
Result<ElfImage> parse_elf(const ReadAt& read_at, uint64_t file_bytes);

}  // namespace shrike::sandbox::microvm
