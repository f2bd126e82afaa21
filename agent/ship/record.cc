#include "agent/ship/record.h"

#include <xxhash.h>

#include <cerrno>

#include "common/base/bytes.h"
#include "common/wire/protobuf.h"

namespace shrike::ship {
namespace {
constexpr std::string_view magic = "SHS1";

uint64_t checksum(std::string_view body) {
  // The size seeds the sum, so that it is covered without being copied next to the body.
  return XXH64(body.data(), body.size(), body.size());
}

Error at(uint64_t offset, const char* what, int code = 0) {
  return Error{"offset " + std::to_string(offset) + ": " + what, code};
}
}  // namespace

std::string record_head(std::string_view body) {
  std::string head(record_head_bytes, '\0');
  head.replace(0, magic.size(), magic);
  store_le(head.data() + 4, static_cast<uint32_t>(body.size()));
  store_le(head.data() + 8, checksum(body));
  return head;
}

Result<Record> record_at(std::string_view segment, uint64_t offset) {
  if (offset > segment.size()) return at(offset, "behind the segment's end");
  const std::string_view rest = segment.substr(offset);
  if (rest.substr(0, magic.size()) != magic.substr(0, rest.size())) return at(offset, "no record begins here");
  if (rest.size() < record_head_bytes) return at(offset, "record cut in its head", EPIPE);
  const auto size = load_le<uint32_t>(rest.data() + 4);
  if (size == 0 || size > batch_max_bytes) return at(offset, "record of impossible size");
  if (rest.size() - record_head_bytes < size) return at(offset, "record cut in its body", EPIPE);
  const std::string_view body = rest.substr(record_head_bytes, size);
  if (load_le<uint64_t>(rest.data() + 8) != checksum(body)) return at(offset, "record's checksum does not fit");
  return Record{offset, body};
}

namespace {
// Where reading can go on: the next record whose checksum fits, or the end. A checksum that fails on the way costs its
// body's length, at most 1 MiB, so a file made of magic words would be the worst case: it gives up after 64 of them.
uint64_t next_record(std::string_view segment, uint64_t from) {
  for (int failed = 0; failed < 64; ++failed, ++from) {
    from = segment.find(magic, from);
    if (from == std::string_view::npos) break;
    if (record_at(segment, from)) return from;
  }
  return segment.size();
}
}  // namespace

Scan scan_segment(std::string_view segment) {
  Scan scan;
  for (uint64_t offset = 0; offset < segment.size();) {
    auto record = record_at(segment, offset);
    if (record) {
      offset = record->end();
      scan.records.push_back(*record);
      continue;
    }
    const uint64_t next = next_record(segment, offset + 1);
    scan.damages.push_back({offset, next - offset, record.error().message, record.error().code == EPIPE});
    offset = next;
  }
  return scan;
}

Result<BatchHeader> header_of_body(std::string_view body) {
  const auto header = proto::take_bytes(body, 1);
  if (!header) return Error{"batch: header is missing or cut"};
  return open_header(*header);
}

}  // namespace shrike::ship
