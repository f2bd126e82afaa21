#pragma once
// Writes segments. A group of records is on the disk as a whole, or not at all.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "collector/segment.h"

namespace shrike::collector {

struct StoreOptions {
  uint64_t segment_bytes = 64u << 20;
  uint64_t min_free_bytes = 256u << 20;
};

/// What was found at open.
struct StoreReport {
  uint64_t cut_bytes = 0;  ///< torn tail of the last segment, cut off and kept as `kept_as`
  Position cut_at;
  std::string kept_as;
};

/// The one writer of a segments folder. Not thread-safe.
class Store {
 public:
  /// Makes the folder if needed and cuts a torn tail off the last segment. Errors: errno, with the path.
  static Result<Store> open(const std::string& dir, const StoreOptions& options, StoreReport& report);

  /// Starts a new segment whose id is above `segment`: positions up to there are never given again.
  void skip_past(uint64_t segment);

  struct Item {
    RecordKind kind = RecordKind::batch;
    uint64_t received_ns = 0;
    std::string_view bytes;
    Position at;        ///< filled by append
    uint64_t size = 0;  ///< filled by append
  };
  /// Appends all of `items` and syncs them. On error nothing of them is in the store, and the same call may be made
  /// again. Errors: errno; ENOSPC: less than min_free_bytes would stay free.
  Result<void> append(std::vector<Item>& items);

  /// Where the next record will go.
  [[nodiscard]] Position end() const { return {segment_, offset_}; }
  /// Bytes free on the file system for this user. Errors: errno.
  [[nodiscard]] Result<uint64_t> free_bytes() const;
  [[nodiscard]] uint64_t segment_count() const { return segment_count_; }
  [[nodiscard]] uint64_t total_bytes() const { return total_bytes_; }

 private:
  Store(std::string dir, const StoreOptions& options) : dir_(std::move(dir)), options_(options) {}
  Result<void> roll();
  Result<void> settle();

  std::string dir_;
  StoreOptions options_;
  Fd fd_;  // of the last segment; invalid: the next append begins a new one
  uint64_t segment_ = 0;
  uint64_t offset_ = 0;
  uint64_t segment_count_ = 0;
  uint64_t total_bytes_ = 0;
  bool dirty_ = false;  // a failed append may have left bytes behind offset_
};

struct StoredRecord {
  std::string bytes;             ///< the body
  Damage damage = Damage::none;  ///< checksum: something was changed; the bytes are what stands there
};
/// One record of a known place. Errors: errno; the file ends before the record does.
Result<StoredRecord> read_record(const std::string& dir, Position at, uint64_t size);

}  // namespace shrike::collector
