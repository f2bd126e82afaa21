#pragma once
// Segment files: the collector's only truth. Append-only records; everything else can be made again from them.
//
// record = magic "SHR1" | u32 kind | u64 size | u64 receive time | u64 XXH64 of the 24 bytes before it and the body |
// body All little-endian. Files are <id, 12 digits>.seg, and ids only grow.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/fd.h"
#include "common/base/result.h"

namespace shrike::collector {

inline constexpr uint32_t record_magic = 0x31524853;  // "SHR1"
inline constexpr size_t record_head_bytes = 32;
inline constexpr size_t record_max_bytes = (1u << 20) + 65536;  ///< body; more than any batch

enum class RecordKind : uint32_t {
  batch = 1,    ///< a signed Batch message, the bytes as received
  finding = 2,  ///< JSON: a verdict that is not `accepted`, or an integrity alert; the collector's own, not signed
};

enum class Damage : uint8_t {
  none,
  checksum,   ///< framed, but the checksum does not fit: `bytes` is what stands there
  truncated,  ///< the file ends inside this record: `bytes` is what is left of the body
  garbage,    ///< no record begins here: `bytes` is empty, `size` says how many bytes were skipped
};

struct Position {
  uint64_t segment = 0;
  uint64_t offset = 0;
  auto operator<=>(const Position&) const = default;
};

struct Record {
  Position at;
  uint64_t size = 0;  ///< in the file, head included
  RecordKind kind = RecordKind::batch;
  uint64_t received_ns = 0;  ///< wall clock
  std::string_view bytes;    ///< valid until the next call of the reader
  Damage damage = Damage::none;
};

/// Head and body of a record, as appended.
void append_record(std::string& out, RecordKind kind, uint64_t received_ns, std::string_view bytes);

/// The record that `whole` is, or nothing when head, size or checksum are not right.
std::optional<Record> whole_record(std::string_view whole, Position at);

/// <dir>/<id>.seg
std::string segment_path(const std::string& dir, uint64_t segment);
/// Ids of the segments in `dir`, ascending; other files are ignored. Errors: the folder cannot be read.
Result<std::vector<uint64_t>> list_segments(const std::string& dir);

/// Reads one segment file from an offset on, record by record, also past damage.
class SegmentFile {
 public:
  /// Errors: errno of open.
  static Result<SegmentFile> open(const std::string& path, uint64_t segment);
  /// The record at the current offset, or nothing at the end. After damage it goes on at the next place where a whole
  /// record with a right checksum stands. Errors: errno of read.
  Result<std::optional<Record>> next();
  void seek(uint64_t offset) { offset_ = offset; }
  [[nodiscard]] uint64_t offset() const { return offset_; }

 private:
  SegmentFile(Fd fd, std::string path, uint64_t segment);
  Result<std::string_view> view(uint64_t offset, size_t size);  // shorter at the end of the file
  Result<std::optional<Record>> record_at(uint64_t offset);     // nothing: no whole, right record
  Result<std::optional<Record>> damaged(uint64_t offset);

  Fd fd_;
  std::string path_;
  uint64_t segment_ = 0;
  uint64_t offset_ = 0;
  std::string buffer_;
  uint64_t buffer_offset_ = 0;
  bool at_end_ = false;  // the buffer ends where the file did
};

/// Reads all segments of a folder in order. Usable while nothing else runs and without the index.
class SegmentReader {
 public:
  /// `from`: where to begin. Errors: the folder cannot be read.
  static Result<SegmentReader> open(const std::string& dir, Position from = {});
  /// The next record, or nothing after the last one. Errors: errno, with the file's name.
  Result<std::optional<Record>> next();

 private:
  std::string dir_;
  std::vector<uint64_t> segments_;
  size_t at_ = 0;
  uint64_t first_offset_ = 0;
  std::optional<SegmentFile> file_;
};

}  // namespace shrike::collector
