#pragma once
// Kernel records put together by hand.

#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "agent/probe/record.h"

namespace shrike::probe::test {

/// A record of `kind` with nothing in it but its own size.
inline shrike_record empty_record(unsigned kind) {
  shrike_record record;
  std::memset(&record, 0, sizeof record);
  record.size = sizeof record;
  record.kind = static_cast<__u16>(kind);
  record.syscall = -1;
  return record;
}

/// A record and its texts, as the kernel lays them out.
class MakeRecord {
 public:
  explicit MakeRecord(unsigned kind) : fixed(empty_record(kind)) {}

  MakeRecord& text(shrike_span_index index, std::string_view value, unsigned flags = 0) {
    fixed.span[index] = {.offset = static_cast<__u16>(sizeof fixed + text_.size()),
                         .length = static_cast<__u16>(value.size()),
                         .flags = static_cast<__u16>(flags),
                         .pad = 0};
    text_ += value;
    fixed.size = static_cast<__u32>(sizeof fixed + text_.size());
    return *this;
  }
  [[nodiscard]] std::string bytes() const {
    return std::string(reinterpret_cast<const char*>(&fixed), sizeof fixed) + text_;
  }

  shrike_record fixed;

 private:
  std::string text_;
};

inline std::span<const std::byte> as_record(std::string_view bytes) {
  return std::as_bytes(std::span(bytes.data(), bytes.size()));
}

}  // namespace shrike::probe::test
