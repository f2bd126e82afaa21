#pragma once
// What a spool segment is made of, and how a damaged one is read.
//
// record = "SHS1" | u32 size of body | u64 XXH64 of size and body | body (one Batch message); little-endian.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/wire/batch.h"

namespace shrike::ship {

inline constexpr size_t record_head_bytes = 16;

/// The head to be written before `body`.
std::string record_head(std::string_view body);

/// One whole record. Views point into the bytes it was found in.
struct Record {
  uint64_t offset = 0;  ///< of its head
  std::string_view body;
  [[nodiscard]] uint64_t end() const { return offset + record_head_bytes + body.size(); }
};

/// The record at `offset`. Errors, each with the offset: cut (code EPIPE: nothing but the record's end is missing); not
/// a record; checksum wrong.
Result<Record> record_at(std::string_view segment, uint64_t offset);

/// A segment's readable records, in file order, and the ranges between them that are none.
struct Scan {
  std::vector<Record> records;
  struct Damage {
    uint64_t offset = 0;
    uint64_t bytes = 0;
    std::string what;
    bool cut = false;  ///< a record that was being written when the agent or its host died
  };
  std::vector<Damage> damages;
};
/// Reads on behind damage at the next whole record. Cost: one checksum over the file; with damage, a search for magic.
Scan scan_segment(std::string_view segment);

/// A body's header, without hashing its payload. Errors: as open_header.
Result<BatchHeader> header_of_body(std::string_view body);

}  // namespace shrike::ship
